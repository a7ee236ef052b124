import type { Run, RunProtocol } from '@quorate/report';
import Table from 'cli-table3';
import pc from 'picocolors';

const SIGNS: readonly (readonly [
  pattern: RegExp,
  sign: string,
  paint: 'green' | 'red' | 'yellow',
])[] = [
  [/^(violation|fell short)/, '✗', 'red'],
  [/^(undecided|interrupted|void)/, '?', 'yellow'],
  [/./, '✓', 'green'],
];

/**
 * Prints the end of a run: for people on stderr (verdicts, then the table, then errors), for
 * machines on stdout (the folder, or with `json` the whole `run.json`).
 */
export function printSummary(run: Run, folder: string, json: boolean): void {
  const colours = pc.createColors(process.stderr.isTTY === true && !process.env.NO_COLOR);
  const lines: string[] = [''];
  for (const line of run.verdict.lines) {
    const [, sign = '✓', paint = 'green'] = SIGNS.find(([pattern]) => pattern.test(line)) ?? [];
    lines.push(`${colours[paint](sign)} ${line}`);
  }
  lines.push('', tableOf(run), '');
  if (run.quick) lines.push('quick: too small a run to compare protocols by', '');
  lines.push(...errorLines(run), `report: ${folder}/report.html`, '');
  process.stderr.write(lines.join('\n'));
  process.stdout.write(json ? `${JSON.stringify(run)}\n` : `${folder}\n`);
}

function tableOf(run: Run): string {
  const table = new Table({
    head: [
      'protocol',
      'ops/s',
      'writes/s',
      'write p50',
      'p99',
      'read p50',
      'p99',
      'failover',
      'lin.',
      'lost',
    ],
    style: { head: [], border: [] },
    colAligns: ['left', ...Array<'right'>(9).fill('right')],
  });
  for (const protocol of run.protocols) table.push(rowOf(run, protocol));
  return table.toString();
}

function rowOf(run: Run, protocol: RunProtocol): string[] {
  const { throughput, latencyMs, failover, verdicts } = protocol;
  const isWrong = verdicts.linearizable === false || (verdicts.ackedLost ?? 0) > 0;
  const verdict = verdicts.linearizable === null ? 'unknown' : verdicts.linearizable ? 'yes' : 'NO';
  const lost = verdicts.ackedLost === null ? 'unknown' : String(verdicts.ackedLost);
  if (isWrong) return [protocol.name, ...Array<string>(7).fill('violated'), verdict, lost];
  return [
    protocol.name,
    whole(throughput?.opsPerSecond),
    whole(throughput?.committedWritesPerSecond),
    millis(latencyMs.write?.p50),
    millis(latencyMs.write?.p99),
    millis(latencyMs.read?.p50),
    millis(latencyMs.read?.p99),
    failoverText(run, failover),
    verdict,
    lost,
  ];
}

function failoverText(run: Run, failover: RunProtocol['failover']): string {
  if (failover === null) return '-';
  const p50 = failover.p50Ms === null ? 'never' : millis(failover.p50Ms);
  const worst = failover.maxMs === null ? 'never' : millis(failover.maxMs);
  const note = run.quick ? ', not for comparison' : '';
  return `${p50} (max ${worst}, n = ${failover.count}${note})`;
}

function errorLines(run: Run): string[] {
  const lines: string[] = [];
  for (const { name, operations } of run.protocols) {
    const parts: string[] = [];
    for (const [kind, { fail, info }] of Object.entries(operations)) {
      // A cas that found another value did its work; it is not an error.
      if (fail > 0 && kind !== 'cas') parts.push(`${kind}: ${fail} failed`);
      if (info > 0) parts.push(`${kind}: ${info} in doubt`);
    }
    if (parts.length > 0) lines.push(`${name} errors: ${parts.join(', ')}`);
  }
  const { missedStarts, missedStartsShare, cpuShare } = run.generator;
  const share = (missedStartsShare * 100).toFixed(2);
  const cpu = cpuShare === null ? '?' : (cpuShare * 100).toFixed(0);
  lines.push(`generator: ${missedStarts} late starts (${share} %), ${cpu} % of a core`, '');
  return lines;
}

function whole(value: number | undefined): string {
  return value === undefined ? '-' : Math.round(value).toLocaleString('en-US');
}

function millis(value: number | undefined): string {
  if (value === undefined) return '-';
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return `${value.toFixed(value < 10 ? 2 : 0)} ms`;
}
