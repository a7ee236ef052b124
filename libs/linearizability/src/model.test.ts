import { describe, expect, it } from 'vitest';
import { checkLinearizability } from './check.ts';
import type { JsonValue } from './event.ts';
import { ANY, COMPUTED, type Model, REFUSED, registerModel, UNCHANGED } from './index.ts';
import { parseHistory } from './ndjson.ts';
import { type Operation, pairOperations } from './operation.ts';

/** A counter as somebody else would write it: `add` a number, `read` the sum. */
const counter: Model = {
  name: 'counter',
  operations: ['read', 'add'],
  compile(operations: readonly Operation[], initial: JsonValue) {
    const start = Number(initial ?? 0);
    const sums = [start];
    const numberOf = (sum: number): number => {
      const known = sums.indexOf(sum);
      return known >= 0 ? known : sums.push(sum) - 1;
    };
    const isRead = (i: number): boolean => operations[i]?.f === 'read';
    return {
      initialState: 0,
      needs: Int32Array.from(operations, (_, i) => (isRead(i) ? COMPUTED : ANY)),
      makes: Int32Array.from(operations, (_, i) => (isRead(i) ? UNCHANGED : COMPUTED)),
      next(state: number, i: number) {
        const value = Number(operations[i]?.value);
        const sum = sums[state] as number;
        if (isRead(i)) return value === sum ? state : REFUSED;
        return numberOf(sum + value);
      },
    };
  },
};

function historyOf(...rows: readonly (readonly [number, string, string, number?])[]): string {
  return rows
    .map(([process, type, f, value], time) => JSON.stringify({ time, process, type, f, value }))
    .join('\n');
}

describe('a model from outside', () => {
  const rows = (seen: number) =>
    historyOf(
      [0, 'invoke', 'add', 2],
      [1, 'invoke', 'add', 3],
      [0, 'ok', 'add', 2],
      [2, 'invoke', 'read'],
      [1, 'info', 'add', 3],
      [2, 'ok', 'read', seen],
      [0, 'invoke', 'read'],
      [0, 'ok', 'read', 5],
    );
  const judge = (text: string, initial: JsonValue = null) => {
    const operations = pairOperations(parseHistory(text, counter.operations));
    return checkLinearizability(operations, { model: counter, initial });
  };

  it('judges its own operations, pending ones included, from its own start', () => {
    for (const seen of [2, 5]) expect(judge(rows(seen)).verdict).toBe('linearizable');
    for (const seen of [0, 3, 7]) expect(judge(rows(seen)).verdict).toBe('notLinearizable');
    expect(judge(rows(2), 1).verdict).toBe('notLinearizable');
    expect(judge(rows(3)).violations[0]?.operations.map(({ f }) => f)).toContain('add');
  });

  it('names the operations that a history may have', () => {
    expect(() => parseHistory(rows(2))).toThrow(/"f" is "add", allowed: read, write, cas/);
    expect(() => parseHistory(historyOf([0, 'invoke', 'write', 1]), counter.operations)).toThrow(
      /"f" is "write", allowed: read, add/,
    );
  });
});

describe('the memory limit', () => {
  it('counts the states that appends make, which are most of the memory there', () => {
    const appends = Array.from({ length: 14 }, (_, i) => [i, 'invoke', 'append', i] as const);
    const ends = Array.from({ length: 14 }, (_, i) => [i, 'ok', 'append', i] as const);
    const reset = [
      [20, 'invoke', 'write', 1],
      [20, 'ok', 'write', 1],
      [20, 'invoke', 'read'],
      [20, 'ok', 'read', 99],
    ] as const;
    const operations = pairOperations(parseHistory(historyOf(...appends, ...ends, ...reset)));
    const memoryBytesMax = 200_000;
    const { verdict, reason, stepsUsed } = checkLinearizability(operations, {
      model: registerModel,
      limits: { memoryBytesMax },
    });
    expect(verdict).toBe('unknown');
    expect(reason).toContain('memory limit');
    expect(stepsUsed).toBeLessThan(memoryBytesMax / 100);
  });
});
