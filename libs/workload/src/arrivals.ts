import { assert, type Random } from '@quorate/foundation';

/** How the starts of an open loop are spread: memoryless, or evenly with a random first phase. */
export type ArrivalKind = 'poisson' | 'uniform';

/** The names that a scenario may use. */
export const ARRIVAL_KINDS: readonly ArrivalKind[] = ['poisson', 'uniform'];

/** What {@link scheduleArrivals} needs. */
export interface ArrivalOptions {
  readonly kind: ArrivalKind;
  readonly ratePerSecond: number;
  readonly durationMicros: number;
  readonly random: Random;
}

const MICROS_PER_SECOND = 1_000_000;

/**
 * The intended starts, in microseconds from 0 to `durationMicros`, ascending. Latency is counted
 * from them, so that a slow system cannot slow its own load (no coordinated omission). The number
 * of Poisson arrivals is itself random; of uniform ones it is rate times duration.
 */
export function scheduleArrivals(options: ArrivalOptions): Float64Array {
  const { kind, ratePerSecond, durationMicros, random } = options;
  assert(ratePerSecond > 0 && Number.isFinite(ratePerSecond), 'a rate is positive');
  assert(durationMicros > 0 && Number.isFinite(durationMicros), 'a duration is positive');
  const gapMicros = MICROS_PER_SECOND / ratePerSecond;
  return kind === 'uniform'
    ? evenArrivals(gapMicros, durationMicros, random)
    : poissonArrivals(gapMicros, durationMicros, random);
}

/** How far real starts fell behind the intended ones. */
export interface MissedStarts {
  readonly missed: number;
  /** Missed starts by all starts, 0 to 1. Above 0.01 the generator was the limit. */
  readonly share: number;
  readonly worstMicros: number;
}

/** Counts starts later than `toleranceMicros` after their intended time; arrays pair by place. */
export function countMissedStarts(
  intendedMicros: Float64Array,
  actualMicros: Float64Array,
  toleranceMicros: number,
): MissedStarts {
  assert(intendedMicros.length === actualMicros.length, 'each start has its intended time');
  let missed = 0;
  let worstMicros = 0;
  for (let i = 0; i < intendedMicros.length; i++) {
    const late = (actualMicros[i] as number) - (intendedMicros[i] as number);
    if (late > toleranceMicros) missed++;
    if (late > worstMicros) worstMicros = late;
  }
  const share = intendedMicros.length === 0 ? 0 : missed / intendedMicros.length;
  return { missed, share, worstMicros };
}

function evenArrivals(gapMicros: number, durationMicros: number, random: Random): Float64Array {
  const count = Math.max(1, Math.floor(durationMicros / gapMicros));
  const phase = random.fraction() * Math.min(gapMicros, durationMicros);
  const starts = new Float64Array(count);
  for (let i = 0; i < count; i++) starts[i] = Math.min(phase + i * gapMicros, durationMicros);
  return starts;
}

function poissonArrivals(gapMicros: number, durationMicros: number, random: Random): Float64Array {
  const mean = durationMicros / gapMicros;
  // Six standard deviations above the mean suffice but once in 10^9; then the array grows.
  let starts = new Float64Array(Math.ceil(mean + 6 * Math.sqrt(mean)) + 16);
  let count = 0;
  let at = 0;
  for (;;) {
    // 1 - fraction is never 0, so that the logarithm is finite.
    at -= Math.log(1 - random.fraction()) * gapMicros;
    if (at >= durationMicros) return starts.slice(0, count);
    if (count === starts.length) {
      const grown = new Float64Array(starts.length * 2);
      grown.set(starts);
      starts = grown;
    }
    starts[count++] = at;
  }
}
