import { HistoryError } from './errors.ts';
import type { HistoryEvent, JsonValue } from './event.ts';

/**
 * One operation of a history, from its invocation to its end. Operations that ended in `fail` never
 * happened and are no operations. `value` is the argument of a mutation (`[expected, new]` for a
 * cas) and what a read saw; undefined for a read means that nobody kept what it saw.
 */
export interface Operation {
  readonly process: number;
  readonly f: string;
  readonly key: string;
  readonly value: JsonValue | undefined;
  /** `info` may take effect at any time after its invocation, or never. */
  readonly outcome: 'ok' | 'info';
  /** Place of the invocation among the events of the history, counted from 0. */
  readonly invokeIndex: number;
  /** Place of the `ok`; infinite for `info`. */
  readonly returnIndex: number;
  /** Nanoseconds since the start of the run. */
  readonly invokeTime: number;
  /** Nanoseconds since the start of the run; null for `info`. */
  readonly returnTime: number | null;
}

/**
 * Pairs invocations with their ends, ordered by invocation. An invocation without an end counts as
 * `info`. Throws {@link HistoryError} when the events are no history: an end without a beginning,
 * two operations of one process at a time, or a process used after its `info`.
 */
export function pairOperations(events: readonly HistoryEvent[]): Operation[] {
  const operations: (Operation | null)[] = [];
  const open = new Map<number, { event: HistoryEvent; index: number; slot: number }>();
  const ended = new Set<number>();
  events.forEach((event, index) => {
    const before = open.get(event.process);
    if (event.type === 'invoke') {
      refuseUnless(before === undefined, event, 'invokes while its last operation is still open');
      refuseUnless(!ended.has(event.process), event, 'is used again after it ended in "info"');
      open.set(event.process, { event, index, slot: operations.length });
      operations.push(null);
      return;
    }
    refuseUnless(before !== undefined, event, `has a "${event.type}" without an "invoke"`);
    const same = before.event.f === event.f && before.event.key === event.key;
    refuseUnless(same, event, `ends a ${event.f} of ${JSON.stringify(event.key)}, never invoked`);
    open.delete(event.process);
    if (event.type === 'info') ended.add(event.process);
    if (event.type === 'fail') return;
    operations[before.slot] = operationOf(before.event, before.index, event, index);
  });
  for (const { event, index, slot } of open.values()) {
    operations[slot] = operationOf(event, index, null, Number.POSITIVE_INFINITY);
  }
  return operations.filter((operation) => operation !== null);
}

/** The events of `operations`, ordered as they happened; the inverse of {@link pairOperations}. */
export function eventsOf(operations: readonly Operation[]): HistoryEvent[] {
  const events: { index: number; event: HistoryEvent }[] = [];
  for (const operation of operations) {
    const { process, f, key, value, invokeIndex, returnIndex, invokeTime, returnTime } = operation;
    const shared = { process, f, key };
    const argument = f === 'read' || value === undefined ? {} : { value };
    const seen = value === undefined ? {} : { value };
    events.push({
      index: invokeIndex,
      event: { time: invokeTime, type: 'invoke', ...shared, ...argument },
    });
    if (returnTime !== null) {
      events.push({
        index: returnIndex,
        event: { time: returnTime, type: 'ok', ...shared, ...seen },
      });
    }
  }
  return events.sort((a, b) => a.index - b.index).map(({ event }) => event);
}

/**
 * Splits operations by key, keeping their order. Linearizability is local: a history is
 * linearizable exactly when its part for each object is (Herlihy and Wing 1990, theorem 1).
 */
export function partitionByKey(operations: readonly Operation[]): Map<string, Operation[]> {
  const parts = new Map<string, Operation[]>();
  for (const operation of operations) {
    const part = parts.get(operation.key);
    if (part === undefined) parts.set(operation.key, [operation]);
    else part.push(operation);
  }
  return parts;
}

function operationOf(
  invoke: HistoryEvent,
  invokeIndex: number,
  end: HistoryEvent | null,
  endIndex: number,
): Operation {
  const ok = end !== null && end.type === 'ok';
  const value = invoke.f === 'read' ? end?.value : invoke.value;
  return {
    process: invoke.process,
    f: invoke.f,
    key: invoke.key,
    value: invoke.f === 'read' && !ok ? undefined : value,
    outcome: ok ? 'ok' : 'info',
    invokeIndex,
    returnIndex: ok ? endIndex : Number.POSITIVE_INFINITY,
    invokeTime: invoke.time,
    returnTime: ok ? end.time : null,
  };
}

function refuseUnless(condition: boolean, event: HistoryEvent, problem: string): asserts condition {
  if (!condition) throw new HistoryError(event.line ?? null, `process ${event.process} ${problem}`);
}
