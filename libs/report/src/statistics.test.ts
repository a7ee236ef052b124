import { createRandom } from '@quorate/foundation';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatencyHistogram } from './histogram.ts';
import { SeriesBuilder, seriesFromCsv, seriesToCsv } from './series.ts';
import {
  bootstrapInterval,
  ecdf,
  meanOf,
  medianOf,
  normalQuantile,
  normalShare,
  percentileOf,
} from './statistics.ts';

describe('statistics', () => {
  it('takes percentiles by the nearest rank', () => {
    const values = [15, 20, 35, 40, 50]; // The textbook example of the nearest-rank method.
    expect([5, 30, 40, 50, 100].map((p) => percentileOf(values, p))).toEqual([15, 20, 20, 35, 50]);
    expect(medianOf([4, 1, 3, 2])).toBe(2.5);
    expect(percentileOf([1, 2, Number.POSITIVE_INFINITY], 95)).toBe(Number.POSITIVE_INFINITY);
  });

  it('knows the normal distribution to six digits', () => {
    expect(normalShare(1.959964)).toBeCloseTo(0.975, 6);
    expect(normalShare(-1)).toBeCloseTo(0.158655, 6);
    expect(normalQuantile(0.975)).toBeCloseTo(1.959964, 4);
    expect(normalQuantile(0.5)).toBeCloseTo(0, 5);
  });

  it('covers the true mean about as often as it says', () => {
    const random = createRandom('coverage');
    let covered = 0;
    const TRIALS = 300;
    for (let trial = 0; trial < TRIALS; trial++) {
      const values = Array.from({ length: 20 }, () => -Math.log(1 - random.fraction()));
      const options = { values, statistic: meanOf, random, confidence: 0.9, resamples: 400 };
      const { low, high } = bootstrapInterval(options);
      if (low <= 1 && high >= 1) covered++;
    }
    expect(covered / TRIALS).toBeGreaterThan(0.8);
    expect(covered / TRIALS).toBeLessThan(0.97);
  });

  it('gives the same interval for the same seed, and none of width for one value', () => {
    const values = [1, 4, 2, 8, 5, 7];
    const at = (seed: number) =>
      bootstrapInterval({ values, statistic: medianOf, random: createRandom(seed) });
    expect(at(1)).toEqual(at(1));
    expect(at(1).low).toBeLessThan(at(1).high);
    const random = createRandom(1);
    expect(bootstrapInterval({ values: [3], statistic: meanOf, random })).toEqual({
      low: 3,
      high: 3,
    });
  });

  it('draws a distribution that does not reach 1 when some never ended', () => {
    expect(ecdf([30, 10, 10], 1)).toEqual([
      { value: 10, share: 0.5 },
      { value: 30, share: 0.75 },
    ]);
    fc.assert(
      fc.property(fc.array(fc.nat(50), { minLength: 1 }), fc.nat(5), (values, censored) => {
        const steps = ecdf(values, censored);
        expect(steps.at(-1)?.share).toBeCloseTo(values.length / (values.length + censored), 9);
        for (const { value, share } of steps) {
          const below = values.filter((v) => v <= value).length;
          expect(share).toBeCloseTo(below / (values.length + censored), 9);
        }
      }),
    );
  });
});

describe('LatencyHistogram', () => {
  it('merges instead of averaging, and survives a way through .hlog', () => {
    const a = LatencyHistogram.create();
    const b = LatencyHistogram.create();
    for (let i = 0; i < 990; i++) a.recordMicros(1_000);
    for (let i = 0; i < 10; i++) b.recordMicros(500_000);
    a.merge(b);
    expect(a.count).toBe(1_000);
    expect(a.percentileMs(50)).toBeCloseTo(1, 2);
    // The mean of the two p99.5 would be 250 ms.
    expect(a.percentileMs(99.5) / 500).toBeCloseTo(1, 2);
    const text = a.toHlog('raft write', 0, 1_000);
    const again = LatencyHistogram.fromHlog(text);
    // The format keeps buckets, so that only the largest value loses its last digits.
    const { max, ...kept } = a.summary('send', null) ?? { max: 0 };
    expect(again?.summary('send', null)).toMatchObject(kept);
    expect((again?.percentileMs(100) ?? 0) / max).toBeCloseTo(1, 2);
    expect(again?.summary('intendedStart', 'x.hlog')).toMatchObject({
      count: 1_000,
      clock: 'intendedStart',
    });
    const curve = a.curve();
    expect(curve[0]?.percentile).toBe(0);
    expect(curve.at(-1)?.percentile).toBeCloseTo(99.9, 9);
    expect(curve.map(({ ms }) => ms)).toEqual(curve.map(({ ms }) => ms).sort((x, y) => x - y));
    for (const histogram of [a, b, again]) histogram?.destroy();
  });

  it('has no summary without values and bounds wild ones', () => {
    const histogram = LatencyHistogram.create();
    expect(histogram.summary('send', null)).toBeNull();
    expect(histogram.curve()).toEqual([]);
    histogram.recordMicros(-5);
    histogram.recordMicros(1e15);
    expect(histogram.percentileMs(0)).toBe(0);
    expect(histogram.percentileMs(100) / 3_600_000).toBeCloseTo(1, 2);
    histogram.destroy();
    expect(LatencyHistogram.fromHlog('no histogram here')).toBeNull();
  });
});

describe('SeriesBuilder', () => {
  it('counts ends by window and kind, empty windows too, and survives CSV', () => {
    const builder = new SeriesBuilder('raft', 2, 1_000);
    builder.add('write', 'ok', 1_010, 4);
    builder.add('write', 'ok', 1_090, 8);
    builder.add('write', 'info', 1_250, 0);
    builder.add('read', 'fail', 1_000, 0);
    builder.add('read', 'ok', 900, 1);
    const rows = builder.rows();
    expect(rows.map((r) => [r.operation, r.atMs, r.ok, r.fail, r.info, r.maxMs])).toEqual([
      ['write', 1_000, 2, 0, 0, 8],
      ['write', 1_100, 0, 0, 0, null],
      ['write', 1_200, 0, 0, 1, null],
      ['read', 1_000, 0, 1, 0, null],
    ]);
    expect(seriesFromCsv(seriesToCsv(rows))).toEqual(rows);
    expect(() => seriesFromCsv('a,b\n')).toThrow('line 1: allowed: protocol,block');
    expect(() => seriesFromCsv(`${seriesToCsv(rows)}raft,x\n`)).toThrow('line 6');
  });
});
