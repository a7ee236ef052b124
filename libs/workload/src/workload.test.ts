import { createRandom } from '@quorate/foundation';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countMissedStarts, scheduleArrivals } from './arrivals.ts';
import { createKeyChooser, type KeyDistribution } from './keys.ts';
import { CAS, createKindChooser, DELETE, GET, PUT } from './mix.ts';
import { NO_WRITE, OperationSource, planOpenLoop } from './plan.ts';
import { encodeValue, KnownValues, VALUE_BYTES_MIN, writeNumberOf } from './values.ts';

const SECOND = 1_000_000;

describe('scheduleArrivals', () => {
  const starts = (kind: 'poisson' | 'uniform', seed: number, ratePerSecond = 2_000) =>
    scheduleArrivals({
      kind,
      ratePerSecond,
      durationMicros: 10 * SECOND,
      random: createRandom(seed),
    });

  it('spaces Poisson arrivals exponentially: mean 1/rate, standard deviation equal to it', () => {
    const at = starts('poisson', 1);
    const gaps = [...at].map((t, i) => t - (at[i - 1] ?? 0));
    const mean = gaps.reduce((a, b) => a + b, 0) / gaps.length;
    const deviation = Math.sqrt(gaps.reduce((a, b) => a + (b - mean) ** 2, 0) / gaps.length);
    expect(mean).toBeGreaterThan(485);
    expect(mean).toBeLessThan(515);
    expect(deviation / mean).toBeGreaterThan(0.97);
    expect(deviation / mean).toBeLessThan(1.03);
    expect(gaps.every((gap) => gap >= 0)).toBe(true);
    expect(at.at(-1)).toBeLessThan(10 * SECOND);
  });

  it('spaces uniform arrivals evenly from a drawn phase', () => {
    const at = starts('uniform', 3);
    expect(at).toHaveLength(20_000);
    expect(at[0]).toBeLessThan(500);
    expect((at[9] as number) - (at[8] as number)).toBeCloseTo(500, 6);
    expect(starts('uniform', 4)[0]).not.toBe(at[0]);
  });

  it('gives equal schedules for equal seeds', () => {
    expect(starts('poisson', 9)).toEqual(starts('poisson', 9));
    expect(starts('poisson', 9)).not.toEqual(starts('poisson', 10));
  });

  it('counts starts that came too late', () => {
    const intended = Float64Array.of(0, 1000, 2000, 3000);
    const actual = Float64Array.of(10, 1000, 4500, 3000);
    expect(countMissedStarts(intended, actual, 1000)).toEqual({
      missed: 1,
      share: 0.25,
      worstMicros: 2500,
    });
  });
});

describe('createKeyChooser', () => {
  const draw = (distribution: KeyDistribution, keyCount: number, client = 0, clients = 1) => {
    const random = createRandom('keys');
    const choose = createKeyChooser({ distribution, keyCount, client, clients, random });
    const counts = new Array<number>(keyCount).fill(0);
    for (let i = 0; i < 40_000; i++) {
      const key = choose();
      counts[key] = (counts[key] as number) + 1;
    }
    return counts;
  };

  it('draws uniform keys evenly', () => {
    for (const count of draw({ kind: 'uniform' }, 20)) {
      expect(Math.abs(count - 2_000)).toBeLessThan(250);
    }
  });

  it('draws zipf keys by rank: the k-th is 1/k as frequent as the first', () => {
    const counts = draw({ kind: 'zipf', exponent: 1 }, 100);
    const first = counts[0] as number;
    expect(first / (counts[1] as number)).toBeCloseTo(2, 0);
    expect(first / (counts[9] as number)).toBeGreaterThan(8);
    expect(first / (counts[9] as number)).toBeLessThan(12.5);
  });

  it('sends the hot share to the hot keys', () => {
    const counts = draw({ kind: 'hot', hotKeys: 2, hotShare: 0.9 }, 50);
    const hot = (counts[0] as number) + (counts[1] as number);
    expect(hot / 40_000).toBeCloseTo(0.9, 1);
    expect(Math.min(...counts)).toBeGreaterThan(0);
  });

  it('walks through all keys in order, each client from its own place', () => {
    const random = createRandom(1);
    const options = {
      distribution: { kind: 'sequential' } as const,
      keyCount: 6,
      clients: 2,
      random,
    };
    const choose = createKeyChooser({ ...options, client: 1 });
    expect([1, 2, 3, 4, 5, 6, 7].map(choose)).toEqual([3, 4, 5, 0, 1, 2, 3]);
  });

  it('shares exactly the common keys between clients', () => {
    const keysOf = (client: number) => {
      const counts = draw({ kind: 'overlap', share: 0.25 }, 40, client, 3);
      return new Set(counts.flatMap((count, key) => (count > 0 ? [key] : [])));
    };
    const [a, b, c] = [keysOf(0), keysOf(1), keysOf(2)] as const;
    const common = [...a].filter((key) => b.has(key) && c.has(key));
    expect(common).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect([...a].filter((key) => b.has(key))).toEqual(common);
    expect(new Set([...a, ...b, ...c]).size).toBe(40);
  });
});

describe('createKindChooser', () => {
  it('keeps the shares of the mix and never draws an absent kind', () => {
    const choose = createKindChooser({ put: 1, get: 2, cas: 1 }, createRandom(5));
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 20_000; i++) {
      const kind = choose();
      counts[kind] = (counts[kind] as number) + 1;
    }
    expect(counts[DELETE]).toBe(0);
    expect((counts[GET] as number) / 20_000).toBeCloseTo(0.5, 1);
    expect((counts[PUT] as number) / (counts[CAS] as number)).toBeCloseTo(1, 1);
  });

  it('refuses an empty mix', () => {
    expect(() => createKindChooser({}, createRandom(1))).toThrow('at least one operation');
  });
});

describe('values', () => {
  it('carry their write number, and only their own bytes are read as one', () => {
    const number = fc.integer({ min: 0, max: 0xffff_ffff });
    const length = fc.integer({ min: VALUE_BYTES_MIN, max: 300 });
    fc.assert(
      fc.property(number, length, (writeNumber, payloadBytes) => {
        const value = encodeValue(writeNumber, payloadBytes);
        expect(value).toHaveLength(payloadBytes);
        expect(writeNumberOf(value)).toBe(writeNumber);
      }),
    );
    expect(writeNumberOf(new TextEncoder().encode('hello world!'))).toBeNull();
    expect(writeNumberOf(new TextEncoder().encode('w:'))).toBeNull();
    expect(writeNumberOf(new Uint8Array(0))).toBeNull();
  });

  it('remembers what a client saw of a key', () => {
    const known = new KnownValues(4);
    expect(known.expected(2)).toBeNull();
    known.note(2, 4_000_000_000);
    expect(known.expected(2)).toBe(4_000_000_000);
    known.note(2, null);
    expect(known.expected(2)).toBeNull();
  });
});

describe('planOpenLoop and OperationSource', () => {
  const options = {
    seed: 'plan',
    mix: { put: 4, get: 4, delete: 1, cas: 1 },
    keyCount: 100,
    keyDistribution: { kind: 'uniform' },
    clients: 8,
  } as const;
  const open = {
    ...options,
    arrival: 'poisson',
    ratePerSecond: 3_000,
    durationMicros: 2 * SECOND,
  } as const;

  it('gives each write a number of its own and goes on with them', () => {
    const first = planOpenLoop(open);
    const second = planOpenLoop({ ...open, firstWriteNumber: first.nextWriteNumber });
    const numbers = [...first.writeNumbers, ...second.writeNumbers].filter((n) => n !== NO_WRITE);
    expect(new Set(numbers).size).toBe(numbers.length);
    first.kinds.forEach((kind, i) => {
      expect(first.writeNumbers[i] !== NO_WRITE).toBe(kind === PUT || kind === CAS);
    });
    expect(planOpenLoop(open)).toEqual(first);
  });

  it('draws for each client alike, however the others are scheduled', () => {
    const draws = (order: readonly number[]) => {
      const source = new OperationSource(options);
      const drawn: string[][] = [[], []];
      for (const client of order) {
        source.draw(client);
        drawn[client]?.push(`${source.kind} ${source.key}`);
      }
      return drawn;
    };
    expect(draws([0, 1, 0, 1, 0, 1])).toEqual(draws([1, 1, 1, 0, 0, 0]));
  });
});
