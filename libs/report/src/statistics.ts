import { assert, type Random } from '@quorate/foundation';

/**
 * The value that `percentile` (0 to 100) of `values` do not exceed, by the nearest rank: always one
 * of the values. NaN for none. Infinite values, which stand for "never", sort last.
 */
export function percentileOf(values: readonly number[], percentile: number): number {
  assert(percentile >= 0 && percentile <= 100, 'a percentile is 0 to 100');
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.max(1, Math.ceil((percentile / 100) * sorted.length));
  return sorted[rank - 1] as number;
}

/** The middle value, or the mean of the two middle ones; NaN for none. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length % 2 === 1) return sorted[Math.floor(middle)] as number;
  return sorted.length === 0
    ? Number.NaN
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** The mean; NaN for no values. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** An interval that holds the true figure with the stated confidence. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** What {@link bootstrapInterval} needs. */
export interface BootstrapOptions {
  readonly values: readonly number[];
  readonly statistic: (values: readonly number[]) => number;
  readonly random: Random;
  /** 0.95 unless given. */
  readonly confidence?: number;
  /** 2,000 unless given. */
  readonly resamples?: number;
}

/**
 * The bias-corrected and accelerated bootstrap interval (BCa; Efron 1987, "Better bootstrap
 * confidence intervals"). The unit of `values` is the run or block, never the single operation.
 * Fewer than two values, or equal ones, give an interval without width.
 */
export function bootstrapInterval(options: BootstrapOptions): Interval {
  const { values, statistic, random, confidence = 0.95, resamples = 2_000 } = options;
  assert(confidence > 0 && confidence < 1, 'a confidence is between 0 and 1');
  const observed = statistic(values);
  if (values.length < 2) return { low: observed, high: observed };
  const drawn: number[] = [];
  for (let i = 0; i < resamples; i++) {
    drawn.push(statistic(values.map(() => values[random.below(values.length)] as number)));
  }
  drawn.sort((a, b) => a - b);
  const below = drawn.filter((value) => value < observed).length;
  const equal = drawn.filter((value) => value === observed).length;
  // Half of the ties count as below; a share of 0 or 1 would have no finite normal quantile.
  const share = Math.min(
    Math.max((below + equal / 2) / resamples, 1 / resamples),
    1 - 1 / resamples,
  );
  const bias = normalQuantile(share);
  const acceleration = jackknifeAcceleration(values, statistic);
  const bound = (tail: number): number => {
    const z = bias + normalQuantile(tail);
    const adjusted = normalShare(bias + z / (1 - acceleration * z));
    const place = Math.min(resamples - 1, Math.max(0, Math.floor(adjusted * resamples)));
    return drawn[place] as number;
  };
  return { low: bound((1 - confidence) / 2), high: bound((1 + confidence) / 2) };
}

/** One step of an empirical distribution: `share` of all values are at most `value`. */
export interface EcdfStep {
  readonly value: number;
  readonly share: number;
}

/**
 * The empirical distribution of `values` with `censored` further ones that are only known to be
 * larger: they count in the total, so that the curve does not reach 1.
 */
export function ecdf(values: readonly number[], censored = 0): EcdfStep[] {
  assert(censored >= 0, 'a count is not negative');
  const sorted = [...values].sort((a, b) => a - b);
  const total = sorted.length + censored;
  const steps: EcdfStep[] = [];
  sorted.forEach((value, i) => {
    const step = { value, share: (i + 1) / total };
    if (steps.at(-1)?.value === value) steps[steps.length - 1] = step;
    else steps.push(step);
  });
  return steps;
}

function jackknifeAcceleration(
  values: readonly number[],
  statistic: (values: readonly number[]) => number,
): number {
  const without = values.map((_, left) => statistic(values.filter((_, i) => i !== left)));
  const mean = meanOf(without);
  let cubes = 0;
  let squares = 0;
  for (const value of without) {
    cubes += (mean - value) ** 3;
    squares += (mean - value) ** 2;
  }
  return squares === 0 ? 0 : cubes / (6 * squares ** 1.5);
}

/** The share of a standard normal distribution below `z` (Abramowitz and Stegun 26.2.17). */
export function normalShare(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const poly =
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * poly;
  return z >= 0 ? 1 - tail : tail;
}

/** The `z` below which `share` (above 0, below 1) of a standard normal distribution lies. */
export function normalQuantile(share: number): number {
  assert(share > 0 && share < 1, 'a share is between 0 and 1');
  let low = -9;
  let high = 9;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (normalShare(middle) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
