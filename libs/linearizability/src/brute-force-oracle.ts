import type { JsonValue } from './event.ts';
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

/** A list of texts may be seen joined. Values of tests have no objects, so JSON compares them. */
function shows(state: JsonValue, seen: JsonValue): boolean {
  if (JSON.stringify(state) === JSON.stringify(seen)) return true;
  const isTexts = Array.isArray(state) && state.every((part) => typeof part === 'string');
  return isTexts && state.join('') === seen;
}
