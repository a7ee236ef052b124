import type { CurvePoint } from './histogram.ts';
import type { Run, RunProtocol } from './run-schema.ts';
import type { SeriesRow } from './series.ts';

/** The percentile curve of one kind of operation of one protocol. */
export interface ProtocolCurve {
  readonly protocol: string;
  readonly operation: string;
  readonly points: readonly CurvePoint[];
}

/** All that a report is made of; a run folder holds exactly this. */
export interface ReportInput {
  readonly run: Run;
  readonly series: readonly SeriesRow[];
  readonly curves: readonly ProtocolCurve[];
  /** Drawings of failing histories as text, by protocol. */
  readonly drawings: ReadonlyMap<string, string>;
}

/** True when a correctness violation replaces this protocol's numbers. */
export function isViolated({ verdicts }: RunProtocol): boolean {
  return verdicts.linearizable === false || (verdicts.ackedLost ?? 0) > 0;
}

/** The protocols whose numbers may be shown. */
export function soundProtocols(run: Run): RunProtocol[] {
  return run.protocols.filter((protocol) => !isViolated(protocol));
}
