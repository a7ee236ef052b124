import { assert } from '@quorate/foundation';
import * as hdr from 'hdr-histogram-js';
import type { RunLatency } from './run-schema.ts';

/** Values above an hour are recorded as an hour. */
const VALUE_MICROS_MAX = 3_600_000_000;

/** One step of a percentile curve. */
export interface CurvePoint {
  readonly percentile: number;
  readonly ms: number;
}

/**
 * A latency histogram in microseconds with three significant digits (HdrHistogram in WebAssembly).
 * Histograms are merged; percentiles are never averaged. Its memory is outside the JavaScript heap:
 * call {@link destroy} when done, after which nothing else may be called.
 */
export class LatencyHistogram {
  private readonly histogram: hdr.Histogram;

  private constructor(histogram: hdr.Histogram) {
    this.histogram = histogram;
  }

  /** An empty histogram. */
  static create(): LatencyHistogram {
    hdr.initWebAssemblySync();
    return new LatencyHistogram(
      hdr.build({
        bitBucketSize: 32,
        autoResize: true,
        lowestDiscernibleValue: 1,
        highestTrackableValue: VALUE_MICROS_MAX,
        numberOfSignificantValueDigits: 3,
        useWebAssembly: true,
      }),
    );
  }

  /** All values so far. */
  get count(): number {
    return this.histogram.totalCount;
  }

  /** Records one latency in microseconds, rounded to whole ones; below 0 counts as 0. */
  recordMicros(micros: number): void {
    assert(!Number.isNaN(micros), 'a latency is a number');
    this.histogram.recordValue(Math.round(Math.min(Math.max(micros, 0), VALUE_MICROS_MAX)));
  }

  /** Adds all values of `other`, which stays as it is. */
  merge(other: LatencyHistogram): void {
    this.histogram.add(other.histogram as never);
  }

  /** The latency in milliseconds that `percentile` (0 to 100) of the values do not exceed. */
  percentileMs(percentile: number): number {
    return this.histogram.getValueAtPercentile(percentile) / 1_000;
  }

  /** The figures for `run.json`, or null when nothing was recorded. */
  summary(clock: RunLatency['clock'], hlog: string | null): RunLatency | null {
    if (this.count === 0) return null;
    return {
      count: this.count,
      min: this.percentileMs(0),
      mean: this.histogram.mean / 1_000,
      p50: this.percentileMs(50),
      p90: this.percentileMs(90),
      p99: this.percentileMs(99),
      p999: this.percentileMs(99.9),
      max: this.histogram.maxValue / 1_000,
      clock,
      hlog,
    };
  }

  /** The curve from the median-less start to the last value, denser towards the tail. */
  curve(): CurvePoint[] {
    if (this.count === 0) return [];
    const points: CurvePoint[] = [];
    for (const percentile of curvePercentiles(this.count)) {
      points.push({ percentile, ms: this.percentileMs(percentile) });
    }
    return points;
  }

  /** One `.hlog` file with this histogram; `fromMs` and `toMs` say when it was recorded. */
  toHlog(tag: string, fromMs: number, toMs: number): string {
    let text = '';
    const writer = new hdr.HistogramLogWriter((part) => {
      text += part;
    });
    writer.outputLogFormatVersion();
    writer.outputComment('values are microseconds');
    writer.outputLegend();
    this.histogram.tag = tag.replaceAll(/[\s,]/g, '-');
    writer.outputIntervalHistogram(this.histogram, fromMs / 1_000, toMs / 1_000, 1_000);
    return text;
  }

  /** Reads and merges all histograms of a `.hlog` text; null when there is none. */
  static fromHlog(text: string): LatencyHistogram | null {
    hdr.initWebAssemblySync();
    const reader = new hdr.HistogramLogReader(text, 32, true);
    let merged: LatencyHistogram | null = null;
    for (let next = reader.nextIntervalHistogram(); next; next = reader.nextIntervalHistogram()) {
      merged ??= LatencyHistogram.create();
      merged.histogram.add(next as never);
      next.destroy();
    }
    return merged;
  }

  /** Frees the memory of the histogram. */
  destroy(): void {
    this.histogram.destroy();
  }
}

/** 0, 50, 75, ... halving the rest, with steps between, until one value is left above. */
function curvePercentiles(total: number): number[] {
  const percentiles: number[] = [];
  const STEPS = 5;
  for (let rest = 100; rest >= 100 / total && percentiles.length < 200; rest /= 2) {
    for (let step = 0; step < STEPS; step++) {
      percentiles.push(100 - rest + (rest / 2) * (step / STEPS));
    }
  }
  const reachable = percentiles.filter((p) => 100 - p >= 100 / total - 1e-9);
  return [...reachable, 100 - 100 / total].filter((p, i, all) => i === 0 || p > (all[i - 1] ?? -1));
}
