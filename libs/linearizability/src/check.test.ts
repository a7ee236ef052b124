import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linearizableByTrial, stepOf } from './brute-force-oracle.ts';
import { Budget, DEFAULT_LIMITS } from './budget.ts';
import { checkLinearizability, exitCodeOf } from './check.ts';
import type { JsonValue, OperationName } from './event.ts';
import { generateHistory } from './generated-history.ts';
import { registerModel } from './model.ts';
import { formatHistory, parseHistory } from './ndjson.ts';
import { eventsOf, type Operation, pairOperations } from './operation.ts';
import { buildProblem } from './problem.ts';
import { searchOrder } from './search.ts';

const anyOperation = fc.record({
  f: fc.constantFrom<OperationName>('read', 'write', 'cas', 'delete'),
  a: fc.integer({ min: 0, max: 2 }),
  b: fc.integer({ min: 0, max: 2 }),
  info: fc.boolean(),
  start: fc.integer({ min: 0, max: 30 }),
  length: fc.integer({ min: 1, max: 12 }),
});

/** Any small history on one key, most of them not linearizable. */
const anyHistory = fc.array(anyOperation, { minLength: 1, maxLength: 7 }).map((drafts) =>
  drafts
    .map(({ f, a, b, info, start, length }, i): Operation => {
      const value = (v: number): JsonValue => (v === 0 ? null : v);
      const lost = info && a !== 0;
      const argument =
        f === 'read'
          ? lost
            ? undefined
            : value(a)
          : f === 'cas'
            ? [value(a), value(b)]
            : f === 'delete'
              ? undefined
              : b;
      return {
        process: i,
        f,
        key: 'k',
        value: argument,
        outcome: lost ? 'info' : 'ok',
        invokeIndex: start * 100 + i,
        returnIndex: lost ? Number.POSITIVE_INFINITY : (start + length) * 100 + 50 + i,
        invokeTime: start,
        returnTime: lost ? null : start + length,
      };
    })
    .sort((x, y) => x.invokeIndex - y.invokeIndex),
);

describe('checkLinearizability', () => {
  it('agrees with a search of all orders on small histories', () => {
    let broken = 0;
    fc.assert(
      fc.property(anyHistory, fc.constantFrom<JsonValue>(null, 1), (history, initial) => {
        const { verdict } = checkLinearizability(history, { initial });
        const expected = linearizableByTrial(history, initial);
        if (!expected) broken++;
        expect(verdict).toBe(expected ? 'linearizable' : 'notLinearizable');
      }),
      { numRuns: 2_000, seed: 20261121 },
    );
    expect(broken).toBeGreaterThan(200);
  });

  it('passes histories linearizable by construction, in an order that explains them', () => {
    for (let seed = 0; seed < 40; seed++) {
      const history = generateHistory({
        seed,
        operations: 300,
        clients: 2 + (seed % 12),
        keys: 1,
        mix: { read: 4, write: 3, cas: 2, delete: 1 },
        valuesMax: seed % 2 === 0 ? null : 4,
        infoShare: 0.05,
      });
      expect(checkLinearizability(history).verdict, `seed ${seed}`).toBe('linearizable');
      const problem = buildProblem(history, registerModel, null);
      const { order } = searchOrder(problem, new Budget(DEFAULT_LIMITS));
      replay(order.map((i) => problem.operations[i] as Operation));
    }
  });

  it('fails when one read of a unique value is made stale, with at most 10 operations', () => {
    for (let seed = 0; seed < 30; seed++) {
      const history = generateHistory({
        seed,
        operations: 600,
        clients: 8,
        keys: 2,
        mix: { read: 4, write: 4, delete: seed % 3 === 0 ? 1 : 0 },
        valuesMax: null,
        infoShare: 0.01,
      });
      const broken = makeStale(history, 'k1');
      const result = checkLinearizability(broken);
      expect(result.verdict, `seed ${seed}`).toBe('notLinearizable');
      expect(exitCodeOf(result.verdict)).toBe(3);
      const [violation] = result.violations;
      expect(violation?.operations.length).toBeLessThanOrEqual(10);
      // The part fails by itself, also after a way through a file.
      const again = pairOperations(
        parseHistory(formatHistory(eventsOf(violation?.operations ?? []))),
      );
      expect(checkLinearizability(again).verdict).toBe('notLinearizable');
      expect(linearizableByTrial(again)).toBe(false);
    }
  });

  it('finds a smallest part that is a part: what it takes from a good history stays good', () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        const { violations } = checkLinearizability(history);
        const [violation] = violations;
        if (violation === undefined) return;
        expect(violation.operations.length).toBeLessThanOrEqual(history.length);
        expect(linearizableByTrial(violation.operations)).toBe(false);
      }),
      { numRuns: 1_500, seed: 99 },
    );
  });

  it('lets an indefinite write take effect at any later time, and a failed one never', () => {
    const lines = (writeEnd: string): string =>
      [
        '{"time":0,"process":0,"type":"invoke","f":"write","key":"x","value":"a"}',
        `{"time":1,"process":0,"type":"${writeEnd}","f":"write","key":"x","value":"a"}`,
        '{"time":2,"process":1,"type":"invoke","f":"read","key":"x"}',
        '{"time":3,"process":1,"type":"ok","f":"read","key":"x","value":null}',
        '{"time":4,"process":1,"type":"invoke","f":"read","key":"x"}',
        '{"time":5,"process":1,"type":"ok","f":"read","key":"x","value":"a"}',
      ].join('\n');
    const judge = (text: string) =>
      checkLinearizability(pairOperations(parseHistory(text))).verdict;
    expect(judge(lines('info'))).toBe('linearizable');
    expect(judge(lines('fail'))).toBe('notLinearizable');
    expect(judge(lines('ok'))).toBe('notLinearizable');
  });

  it('shows a list that only grows without the values that have no part in the failure', () => {
    let time = 0;
    const line = (f: string, value: JsonValue): string =>
      ['invoke', 'ok']
        .map((type) => JSON.stringify({ time: time++, process: 0, type, f, key: 'k', value }))
        .join('\n');
    const grown = (length: number): number[] => Array.from({ length }, (_, i) => i);
    const lines = grown(30).flatMap((i) => [line('append', i), line('read', grown(i + 1))]);
    const text = [...lines, line('read', grown(29)), line('append', 30)].join('\n');
    const { violations } = checkLinearizability(pairOperations(parseHistory(text)));
    const [violation] = violations;
    const shown = violation?.operations.map(({ f, value }) => [f, value]);
    // The last value alone: it was there, and then it was not.
    expect(shown).toEqual([
      ['append', 29],
      ['read', null],
    ]);
    expect(violation?.explanation).toContain('values without part in it are left out');
  });

  it('says unknown at its limits, never a pass', () => {
    const history = generateHistory({
      seed: 5,
      operations: 2_000,
      clients: 48,
      keys: 1,
      mix: { read: 4, write: 2, cas: 4 },
      valuesMax: 3,
      infoShare: 0,
    });
    const steps = checkLinearizability(history, { limits: { stepsMax: 50 } });
    expect(steps).toMatchObject({ verdict: 'unknown', undecidedKeys: ['k0'] });
    expect(steps.reason).toContain('step limit');
    expect(exitCodeOf(steps.verdict)).toBe(2);
    const memory = checkLinearizability(history, { limits: { memoryBytesMax: 4096 } });
    expect(memory.reason).toContain('memory limit');
    const late = checkLinearizability(history, { limits: { expired: () => true } });
    expect(['unknown', 'linearizable']).toContain(late.verdict);
  });

  // The target of this house: ten times the operations, at most fifteen times the cost.
  it.each([
    ['registers', { read: 5, write: 4, cas: 1, delete: 1 }, () => 16],
    // Lists get longer with the operations of a key, and so does every read: more keys instead.
    ['lists', { read: 1, append: 1 }, (count: number) => count / 125],
  ] as const)('grows about linearly to 100,000 operations of 64 clients: %s', (_, mix, keys) => {
    const costOf = (operations: number) => {
      const options = { seed: 3, operations, clients: 64, mix, valuesMax: null, infoShare: 0.002 };
      const history = generateHistory({ ...options, keys: keys(operations) });
      const startedAt = performance.now();
      const { verdict, stepsUsed } = checkLinearizability(history);
      expect(verdict).toBe('linearizable');
      return { steps: stepsUsed, millis: performance.now() - startedAt };
    };
    costOf(10_000); // The first run also compiles.
    const small = costOf(10_000);
    const large = costOf(100_000);
    expect(large.steps).toBeLessThan(15 * small.steps);
    expect(large.millis).toBeLessThan(60 * small.millis); // A machine has other work, too.
  });
});

/** Plays an order against the oracle's register and against real time. */
function replay(order: readonly Operation[]): void {
  let state: JsonValue = null;
  let latestInvoke = -1;
  for (const operation of order) {
    const next: JsonValue | undefined = stepOf(state, operation);
    expect(next).not.toBeUndefined();
    state = next ?? null;
    expect(operation.returnIndex).toBeGreaterThan(latestInvoke);
    latestInvoke = Math.max(latestInvoke, operation.invokeIndex);
  }
}

/** Lets the last read of `key` see a value that two later acknowledged writes had replaced. */
function makeStale(history: readonly Operation[], key: string): Operation[] {
  const writes = history.filter((o) => o.key === key && o.f === 'write' && o.outcome === 'ok');
  const reads = history.filter((o) => o.key === key && o.f === 'read' && o.outcome === 'ok');
  const reader = reads.at(-1) as Operation;
  const before = writes.filter((w) => w.returnIndex < reader.invokeIndex);
  const last = before.at(-1) as Operation;
  const old = before.filter((w) => w.returnIndex < last.invokeIndex).at(-1) as Operation;
  return history.map((o) => (o === reader ? { ...o, value: old.value } : o));
}
