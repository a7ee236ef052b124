import { showCount, showMs, showShare } from './figures.ts';
import { isViolated } from './report-input.ts';
import type { Run, RunProtocol } from './run-schema.ts';
import { protocolTitle } from './verdict-lines.ts';

/** One protocol in the comparison: its figures, or the violation that stands in their place. */
export interface ComparisonRow {
  readonly name: string;
  readonly title: string;
  readonly cells: readonly string[] | null;
  readonly violation: string | null;
}

/** The heads of the columns after the protocol's name. */
export const COMPARISON_COLUMNS: readonly string[] = [
  'writes/s',
  'write p50',
  'write p99',
  'write p99.9',
  'read p99',
  'errors',
  'failover median',
  'failover max',
  'faults',
];

/** The rows of the comparison, in the order of the run. */
export function comparisonRows({ protocols }: Run): ComparisonRow[] {
  return protocols.map((protocol, place) => {
    const { name } = protocol;
    const title = protocolTitle(protocol, place);
    if (!isViolated(protocol)) return { name, title, cells: figures(protocol), violation: null };
    const { linearizable, ackedLost } = protocol.verdicts;
    const lost = `${showCount(ackedLost)} acknowledged writes lost`;
    const violation = linearizable === false ? 'not linearizable' : lost;
    return { name, title, cells: null, violation: `No figures: ${violation}` };
  });
}

/** The remark under the comparison: how many faults the failover rests on, and what that allows. */
export function failoverRemark(run: Run): string {
  const counts = run.protocols.flatMap(({ failover }) =>
    failover === null ? [] : [failover.count],
  );
  if (counts.length === 0) return 'This run has no faults.';
  const least = Math.min(...counts);
  const most = Math.max(...counts);
  const n = least === most ? `n = ${least}` : `n = ${least} to ${most}`;
  return run.quick || least < 30 ? `Failover: ${n}, not for comparison.` : `Failover: ${n}.`;
}

function figures({ throughput, latencyMs, operations, failover, faults }: RunProtocol): string[] {
  const { write, read } = latencyMs;
  const asked = faults.filter(({ kind }) => !kind.startsWith('restart'));
  const proven = asked.filter((fault) => fault.proven).length;
  // A censored maximum is absent in the summary, since it has no end.
  const endless = failover !== null && failover.censoredCount > 0;
  return [
    showCount(throughput?.committedWritesPerSecond),
    showMs(write?.p50),
    showMs(write?.p99),
    showMs(write?.p999),
    showMs(read?.p99),
    showShare(errorShare(operations)),
    failover === null ? '–' : showMs(failover.p50Ms ?? (endless ? Infinity : null)),
    failover === null ? '–' : showMs(failover.maxMs ?? (endless ? Infinity : null)),
    asked.length === 0 ? '–' : `${proven} of ${asked.length} proven`,
  ];
}

/** Operations failed or in doubt, as a share; a cas that found another value is no error. */
export function errorShare(operations: RunProtocol['operations']): number | null {
  let all = 0;
  let errors = 0;
  for (const [name, { ok, fail, info }] of Object.entries(operations)) {
    all += ok + fail + info;
    errors += info + (name === 'cas' ? 0 : fail);
  }
  return all === 0 ? null : errors / all;
}
