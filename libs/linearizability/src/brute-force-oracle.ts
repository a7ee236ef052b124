import type { HistoryEvent, JsonValue } from './event.ts';
import type { Operation } from './operation.ts';

/**
 * Decides by trying every order of every subset of the indefinite operations of one key; for tests
 * of the checker on a handful of operations. It shares nothing with it: plain values, no memory of
 * what failed, no shortcut, and a register of its own.
 */
export function linearizableByTrial(
  operations: readonly Operation[],
  initial: JsonValue = null,
): boolean {
  const attempt = (left: readonly Operation[], state: JsonValue): boolean => {
    if (left.every(({ outcome }) => outcome === 'info')) return true;
    const firstReturn = Math.min(...left.map(({ returnIndex }) => returnIndex));
    return left.some((operation) => {
      if (operation.invokeIndex > firstReturn) return false;
      const next = stepOf(state, operation);
      if (next === undefined) return false;
      return attempt(
        left.filter((other) => other !== operation),
        next,
      );
    });
  };
  return attempt(operations, initial);
}

/**
 * The operations of a history, paired without the product's code: an invocation ends with the next
 * event of its process, or never.
 */
export function operationsByTrial(events: readonly HistoryEvent[]): Operation[] {
  return events.flatMap((invoke, invokeIndex): Operation[] => {
    if (invoke.type !== 'invoke') return [];
    const endIndex = events.findIndex((e, i) => i > invokeIndex && e.process === invoke.process);
    const end = events[endIndex];
    if (end?.type === 'fail') return [];
    const { process, f, key, time: invokeTime } = invoke;
    const isOk = end?.type === 'ok';
    const argument = f === 'read' ? undefined : invoke.value;
    const shared = { process, f, key, invokeIndex, invokeTime };
    return isOk
      ? [
          {
            ...shared,
            value: f === 'read' ? end.value : argument,
            outcome: 'ok',
            returnIndex: endIndex,
            returnTime: end.time,
          },
        ]
      : [
          {
            ...shared,
            value: argument,
            outcome: 'info',
            returnIndex: Number.POSITIVE_INFINITY,
            returnTime: null,
          },
        ];
  });
}

/**
 * Tells of the operations of a failing `part` whether the `whole` shows them as well. Two things
 * may be missing: the end of what was open where the history was cut off; and, from all lists that
 * reads saw, a value whose appends are not in the part. Of a list that lost everything `initial` is
 * left.
 */
export function showsPartOf(
  whole: readonly Operation[],
  part: readonly Operation[],
  initial: JsonValue = null,
): (operation: Operation) => boolean {
  const appendedIn = (operations: readonly Operation[]) =>
    operations.filter(({ f }) => f === 'append').map(({ value }) => canonical(value));
  const isSeen = (text: string) =>
    part.some(({ f, value }) => {
      return f === 'read' && Array.isArray(value) && value.some((one) => canonical(one) === text);
    });
  const held = appendedIn(part);
  const gone = appendedIn(whole).filter((text) => !held.includes(text) && !isSeen(text));
  return ({ invokeIndex, f, value }) => {
    const original = whole.find((other) => other.invokeIndex === invokeIndex);
    if (original === undefined || original.f !== f) return false;
    const shown = canonical(value);
    if (shown === canonical(original.value)) return true;
    if (f !== 'read' || value === undefined) return f === 'read';
    if (!Array.isArray(original.value)) return false;
    const rest = original.value.filter((one) => !gone.includes(canonical(one)));
    return shown === canonical(rest.length === 0 ? initial : rest);
  };
}

/** The state after an operation on a plain value; undefined when it cannot take effect there. */
export function stepOf(state: JsonValue, { f, value }: Operation): JsonValue | undefined {
  const argument = value ?? null;
  if (f === 'read') return value === undefined || shows(state, value) ? state : undefined;
  if (f === 'write') return argument;
  if (f === 'delete') return null;
  if (f === 'append') {
    if (state === null) return [argument];
    if (Array.isArray(state)) return [...state, argument];
    const isText = typeof state === 'string' && typeof argument === 'string';
    return isText ? state + argument : undefined;
  }
  const [expected, replacement] = argument as readonly [JsonValue, JsonValue];
  return shows(state, expected) ? replacement : undefined;
}

/** Values of tests hold no objects, so that equal ones have equal texts. */
function canonical(value: JsonValue | undefined): string {
  return JSON.stringify(value ?? null);
}

/** A list of texts may be seen joined. */
function shows(state: JsonValue, seen: JsonValue): boolean {
  if (canonical(state) === canonical(seen)) return true;
  const isTexts = Array.isArray(state) && state.every((part) => typeof part === 'string');
  return isTexts && state.join('') === seen;
}
