import {
  COST_COLUMNS,
  costRows,
  failoverRemark,
  limitLines,
  type Run,
  type RunProtocol,
  showSloValue,
  virtualTimeRemark,
} from '@quorate/report';
import Table from 'cli-table3';
import pc from 'picocolors';

type Paint = 'green' | 'red' | 'yellow';

/** How a line of the verdict begins, and what sign that gets; the last one takes the rest. */
const SIGNS: readonly (readonly [begins: RegExp, sign: string, paint: Paint])[] = [
  [/^(violation|fell short)/, '✗', 'red'],
  [/^(undecided|interrupted|void)/, '?', 'yellow'],
  [/^/, '✓', 'green'],
];
/** Lines between rows would make the table twice as long and no clearer. */
const TABLE_LINES = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };
const HEADS = ['', 'writes/s', 'write p50', 'p99', 'read p50', 'p99', 'errors', 'down p50', 'max'];

/** Where the two parts of the summary go. */
export interface SummaryTarget {
  readonly json: boolean;
  readonly colours: boolean;
}

/**
 * Prints the end of a run: for people on stderr, for machines on stdout (the folder, or with `json`
 * the whole `run.json`).
 */
export function printSummary(run: Run, folder: string, json: boolean): void {
  const colours = process.stderr.isTTY === true && !process.env.NO_COLOR;
  process.stderr.write(summaryText(run, folder, colours));
  process.stdout.write(json ? `${JSON.stringify(run)}\n` : `${folder}\n`);
}

/** The summary for people: verdicts, then the table, then errors, then what limited the run. */
export function summaryText(run: Run, folder: string, withColours: boolean): string {
  const colours = pc.createColors(withColours);
  const lines: string[] = [''];
  for (const line of verdictText(run)) {
    const [, sign, paint] = SIGNS.find(([begins]) => begins.test(line)) ?? ['', '', 'green'];
    lines.push(`${colours[paint as Paint](String(sign))} ${line}`);
  }
  if (run.protocols.length > 0) {
    const remark = run.quick ? '. Too small a run to compare protocols by (quick)' : '';
    lines.push('', tableOf(run), `${failoverRemark(run).replace(/\.$/, '')}${remark}.`);
    lines.push(...costText(run));
  }
  const virtual = virtualTimeRemark(run);
  if (virtual !== null) lines.push('', virtual);
  const rest = [...run.protocols.flatMap(errorLine), ...limitLines(run), generatorLine(run)];
  lines.push('', ...rest, '', `report: ${folder}/report.html`, '');
  return lines.join('\n');
}

/** The run's own lines, but an objective that several protocols hold is one line. */
function verdictText(run: Run): string[] {
  const bad = run.verdict.lines.filter((line) => !line.startsWith('holds:'));
  const held = new Map<string, string[]>();
  for (const { name, verdicts } of run.protocols) {
    for (const { expression, metric, value, result } of verdicts.slo) {
      if (result !== 'holds') continue;
      const measured = showSloValue(metric.replace(/\.(p[\d.]+|max|min|median|mean)$/, ''), value);
      held.set(expression, [...(held.get(expression) ?? []), `${name} ${measured}`]);
    }
  }
  return [...bad, ...[...held].map(([slo, figures]) => `holds: ${slo}: ${figures.join(', ')}`)];
}

function tableOf(run: Run): string {
  const table = new Table({
    head: HEADS,
    chars: TABLE_LINES,
    style: { head: [], border: [], 'padding-left': 1, 'padding-right': 1 },
    colAligns: ['left', ...Array<'right'>(HEADS.length - 1).fill('right')],
  });
  for (const protocol of run.protocols) table.push(rowOf(protocol));
  return table.toString();
}

/** What a commit costs each replica, beside what the papers let it cost. */
function costText(run: Run): string[] {
  const rows = costRows(run);
  if (rows.length === 0) return [];
  const table = new Table({
    head: ['per commit', ...COST_COLUMNS],
    chars: TABLE_LINES,
    style: { head: [], border: [], 'padding-left': 1, 'padding-right': 1 },
    colAligns: ['left', ...COST_COLUMNS.map(() => 'right' as const)],
  });
  for (const { name, role, cells } of rows) table.push([`${name} ${role}`, ...cells]);
  return ['', table.toString()];
}

function rowOf(protocol: RunProtocol): string[] {
  const { name, throughput, latencyMs, failover, verdicts, operations } = protocol;
  if (verdicts.linearizable === false) return [name, 'not linearizable: no figures count'];
  if ((verdicts.ackedLost ?? 0) > 0) return [name, 'acknowledged writes lost: no figures count'];
  const down = (ms: number | null | undefined): string =>
    failover === null ? '-' : ms === null || ms === undefined ? 'for good' : millis(ms);
  return [
    name,
    whole(throughput?.committedWritesPerSecond),
    millis(latencyMs.write?.p50),
    millis(latencyMs.write?.p99),
    millis(latencyMs.read?.p50),
    millis(latencyMs.read?.p99),
    errorShare(operations),
    down(failover?.p50Ms),
    down(failover?.maxMs),
  ];
}

function errorShare(operations: RunProtocol['operations']): string {
  let all = 0;
  let errors = 0;
  for (const [kind, { ok, fail, info }] of Object.entries(operations)) {
    all += ok + fail + info;
    // A cas that found another value did its work; it is not an error.
    errors += info + (kind === 'cas' ? 0 : fail);
  }
  if (all === 0) return '-';
  return errors === 0 ? '0' : `${((errors / all) * 100).toFixed(2)} %`;
}

function errorLine({ name, operations }: RunProtocol): string[] {
  const parts: string[] = [];
  for (const [kind, { fail, info }] of Object.entries(operations)) {
    if (fail > 0 && kind !== 'cas') parts.push(`${kind}: ${fail} failed`);
    if (info > 0) parts.push(`${kind}: ${info} in doubt`);
  }
  return parts.length === 0 ? [] : [`${name} errors: ${parts.join(', ')}`];
}

function generatorLine({ generator }: Run): string {
  const { missedStarts, missedStartsShare, cpuShare } = generator;
  if (missedStarts === null) return 'generator: on virtual time, no start can be late';
  const share = ((missedStartsShare ?? 0) * 100).toFixed(2);
  const cpu = cpuShare === null ? 'CPU unknown' : `${(cpuShare * 100).toFixed(0)} % of a core`;
  return `generator: ${missedStarts} late starts (${share} %), at most ${cpu}`;
}

function whole(value: number | undefined): string {
  return value === undefined ? '-' : Math.round(value).toLocaleString('en-US');
}

function millis(value: number | undefined): string {
  if (value === undefined) return '-';
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return `${value.toFixed(value < 10 ? 2 : 0)} ms`;
}
