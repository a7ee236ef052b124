import { assert } from '@quorate/foundation';
import type { RunProtocol, RunSlo } from './run-schema.ts';
import { type Slo, type SloOperator, showSloValue } from './slo.ts';
import { meanOf, medianOf, percentileOf } from './statistics.ts';

/** Failovers that a verdict on a failover needs. */
export const FAILOVERS_NEEDED = 30;
/** Failovers below which `p99` is the maximum. */
export const FAILOVERS_FOR_P99 = 100;

/** What an SLO is judged from: a protocol of a run before its SLOs are known. */
export type SloSubject = Pick<
  RunProtocol,
  'name' | 'blocks' | 'throughput' | 'operations' | 'latencyMs' | 'faults' | 'failovers'
> & {
  readonly verdicts: Pick<
    RunProtocol['verdicts'],
    'linearizable' | 'ackedLost' | 'checkedOperations' | 'ackedWrites'
  >;
};

/** One SLO, judged for one protocol, with the line that people read. */
export interface SloVerdict extends RunSlo {
  readonly protocol: string;
  readonly line: string;
}

interface Measured {
  readonly value: number | boolean | null;
  readonly samples: number;
  readonly needed: number;
  /** A remark for the line, such as that the p99 is the maximum. */
  readonly note: string | null;
}

/**
 * Judges an SLO for one protocol; null when its selector names another. It is undecided when the
 * figure was not measured or rests on too few samples, whatever the figure is.
 */
export function judgeSlo(slo: Slo, subject: SloSubject): SloVerdict | null {
  if (slo.protocol !== null && slo.protocol !== subject.name) return null;
  const { value, samples, needed, note } = measure(slo, subject);
  const decided = value !== null && samples >= needed;
  const holds = decided && compareFigures(value, slo.operator, slo.bound);
  const result = decided ? (holds ? 'holds' : 'fellShort') : 'undecided';
  const finite = value === Number.POSITIVE_INFINITY ? null : value;
  const metric = slo.statistic === null ? slo.metric : `${slo.metric}.${slo.statistic}`;
  const shown = showSloValue(slo.metric, value);
  const remark = note === null ? '' : ` (${note})`;
  const tail =
    result === 'undecided'
      ? `${shown}, ${samples} of ${needed} needed samples`
      : `measured ${shown}, ${samples} samples`;
  const word = { holds: 'holds', fellShort: 'fell short', undecided: 'undecided' }[result];
  const line = `${word}: ${slo.expression} for ${subject.name}: ${tail}${remark}`;
  const { expression } = slo;
  const { name: protocol } = subject;
  return {
    expression,
    metric,
    value: finite,
    samples,
    neededSamples: needed,
    result,
    protocol,
    line,
  };
}

/** The exit code that the SLOs alone ask for: 2 undecided, 1 fell short, 0 all hold. */
export function sloExitCode(results: readonly RunSlo[]): 0 | 1 | 2 {
  if (results.some(({ result }) => result === 'undecided')) return 2;
  return results.some(({ result }) => result === 'fellShort') ? 1 : 0;
}

/** What a whole run's exit code is made of. */
export interface RunOutcome {
  readonly slo: readonly RunSlo[];
  /** True when some history is not linearizable or an acknowledged write is lost. */
  readonly violated: boolean;
  /** True when a fault was not proven, the generator was the limit, or a check is unknown. */
  readonly undecided: boolean;
  readonly programFailed?: boolean;
}

/** The exit code of a run: 70 over 3 over 2 over 1 over 0. */
export function runExitCode(outcome: RunOutcome): 0 | 1 | 2 | 3 | 70 {
  if (outcome.programFailed === true) return 70;
  if (outcome.violated) return 3;
  return outcome.undecided ? 2 : sloExitCode(outcome.slo);
}

function measure(slo: Slo, subject: SloSubject): Measured {
  const { verdicts } = subject;
  switch (slo.metric) {
    case 'failover':
    case 'unavailable':
      return measureFailover(slo, subject);
    case 'write.latency':
    case 'read.latency':
    case 'cas.latency':
    case 'delete.latency':
      return measureLatency(slo, subject);
    case 'errors.rate':
      return measureErrors(subject);
    case 'availability':
      return measureAvailability(subject);
    case 'throughput':
      return one(subject.throughput?.opsPerSecond ?? null);
    case 'acked_lost':
      return { ...one(verdicts.ackedLost), samples: verdicts.ackedWrites };
    case 'linearizable':
      return { ...one(verdicts.linearizable), samples: verdicts.checkedOperations };
    default:
      return { value: null, samples: 0, needed: 1, note: 'not measured' };
  }
}

function one(value: number | boolean | null): Measured {
  return { value, samples: value === null ? 0 : 1, needed: 0, note: null };
}

function measureFailover(slo: Slo, { faults, failovers }: SloSubject): Measured {
  const asked = faults.filter(({ kind }) => {
    if (slo.fault !== null) return kind === slo.fault;
    return slo.metric === 'unavailable' ? !kind.startsWith('restart') : kind.endsWith('leader');
  });
  const wanted = new Set(asked.filter(({ proven }) => proven).map(({ id }) => id));
  const values = failovers
    .filter(({ faultId }) => wanted.has(faultId))
    .map(({ censored, unavailableMs }) => (censored ? Number.POSITIVE_INFINITY : unavailableMs));
  const excluded = asked.length - wanted.size;
  const isTail = slo.statistic?.startsWith('p99') === true && values.length < FAILOVERS_FOR_P99;
  const remarks = [
    isTail && values.length > 0
      ? `the maximum, as n = ${values.length} < ${FAILOVERS_FOR_P99}`
      : '',
    excluded > 0 ? `${excluded} faults not proven and left out` : '',
  ].filter((remark) => remark !== '');
  const value =
    values.length === 0 ? null : isTail ? Math.max(...values) : statisticOf(values, slo);
  const note = remarks.length === 0 ? null : remarks.join('; ');
  return { value, samples: values.length, needed: FAILOVERS_NEEDED, note };
}

/** A statistic of values by the name that expressions use: `p95`, `max`, `median`. */
export function statisticOf(
  values: readonly number[],
  { statistic }: Pick<Slo, 'statistic'>,
): number {
  switch (statistic) {
    case 'max':
      return Math.max(...values);
    case 'min':
      return Math.min(...values);
    case 'mean':
      return meanOf(values);
    case 'median':
      return medianOf(values);
    default:
      return percentileOf(values, percentOf(statistic));
  }
}

/** `p99` is 99, `p999` and `p99.9` are 99.9. */
function percentOf(statistic: string | null): number {
  assert(statistic !== null, 'a distribution has a statistic');
  const digits = statistic.slice(1).replace('.', '');
  return Number(digits.length <= 2 ? digits : `${digits.slice(0, 2)}.${digits.slice(2)}`);
}

function measureLatency(slo: Slo, { latencyMs }: SloSubject): Measured {
  const operation = slo.metric.slice(0, slo.metric.indexOf('.')) as keyof typeof latencyMs;
  const latency = latencyMs[operation];
  if (latency === undefined) return { value: null, samples: 0, needed: 1, note: 'none happened' };
  const samples = latency.count;
  const { statistic } = slo;
  if (statistic === 'max' || statistic === 'min' || statistic === 'mean') {
    return { value: latency[statistic], samples, needed: 1, note: null };
  }
  const percent = statistic === 'median' ? 50 : percentOf(statistic);
  // A percentile needs one sample beyond it: 100 for p99, 1,000 for p999.
  const needed = Math.ceil(100 / (100 - percent) - 1e-9);
  const known: { readonly [percent: string]: number } = {
    50: latency.p50,
    90: latency.p90,
    99: latency.p99,
    99.9: latency.p999,
  };
  const value = known[percent];
  if (value !== undefined) return { value, samples, needed, note: null };
  return { value: null, samples, needed, note: 'kept percentiles: p50, p90, p99, p999' };
}

// A cas that found another value did its work; only a cas in doubt is an error.
function measureErrors({ operations }: SloSubject): Measured {
  let all = 0;
  let errors = 0;
  for (const [name, { ok, fail, info }] of Object.entries(operations)) {
    all += ok + fail + info;
    errors += info + (name === 'cas' ? 0 : fail);
  }
  return { value: all === 0 ? null : errors / all, samples: all, needed: 1, note: null };
}

function measureAvailability({ blocks, failovers }: SloSubject): Measured {
  const valid = blocks.filter(({ status }) => status === 'ok');
  const totalMs = valid.reduce((sum, { durationMs }) => sum + durationMs, 0);
  const downMs = failovers.reduce((sum, { unavailableMs }) => sum + unavailableMs, 0);
  const value = totalMs === 0 ? null : Math.max(0, 1 - downMs / totalMs);
  return { value, samples: valid.length, needed: 1, note: null };
}

/** True when `value` stands to `bound` as the operator says. */
export function compareFigures(
  value: number | boolean,
  operator: SloOperator,
  bound: number | boolean,
): boolean {
  switch (operator) {
    case '<':
      return value < bound;
    case '<=':
      return value <= bound;
    case '>':
      return value > bound;
    case '>=':
      return value >= bound;
    case '==':
      return value === bound;
    default:
      return value !== bound;
  }
}
