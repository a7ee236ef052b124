import { canonicalText, type JsonValue } from './event.ts';
import type { Operation } from './operation.ts';
import type { StateTable } from './state-table.ts';

/** Whether a state made by an append of `value` can still lead to what was seen. */
export type GrowthGuide = (state: number, value: JsonValue) => boolean;

function onlyGrows(operations: readonly Operation[]): boolean {
  return operations.every(({ f }) => f === 'append' || f === 'read');
}

/** True when `operations` only append to lists and read them, from an empty list or nothing on. */
export function growsFromNothing(operations: readonly Operation[], initial: JsonValue): boolean {
  const startsEmpty = initial === null || (Array.isArray(initial) && initial.length === 0);
  const seesLists = operations.every(
    ({ f, value }) => f !== 'read' || value === null || Array.isArray(value),
  );
  return startsEmpty && onlyGrows(operations) && seesLists;
}

/** The values that the appends among `operations` put behind, as texts. */
export function appendedValues(operations: readonly Operation[]): Set<string> {
  const appends = operations.filter(({ f }) => f === 'append');
  return new Set(appends.map(({ value }) => canonicalText(value ?? null)));
}

/** `operation` with the values of `missing` left out of the list that it saw. */
export function leftOut(
  operation: Operation,
  missing: ReadonlySet<string>,
  initial: JsonValue,
): Operation {
  const { f, value } = operation;
  if (missing.size === 0 || f !== 'read' || !Array.isArray(value)) return operation;
  const rest = value.filter((part) => !missing.has(canonicalText(part)));
  if (rest.length === value.length) return operation;
  // A list of which nothing is left is what was there before the first append.
  return { ...operation, value: rest.length === 0 ? initial : rest };
}

/**
 * Where a key is only appended to and read, its states form one chain: each is the one before with
 * something behind it. What the longest read saw is one of them, so that a state which is no
 * beginning of it and does not contain it leads nowhere. This loses no order, and keeps the search
 * of a healthy history from guessing among concurrent appends.
 */
export function growthGuide(
  operations: readonly Operation[],
  states: StateTable,
  initialState: number,
): GrowthGuide {
  const everything: GrowthGuide = () => true;
  if (!onlyGrows(operations)) return everything;
  const seen = operations.flatMap(({ f, value, outcome }) =>
    f === 'read' && outcome === 'ok' && value !== undefined && value !== null ? [value] : [],
  );
  const [first] = seen;
  if (first === undefined) return everything;
  const longest = seen.reduce((a, b) => (lengthOf(b) > lengthOf(a) ? b : a), first);
  if (seen.every((value) => Array.isArray(value))) {
    return alongList(states.pathTo(states.stateOf(longest)), states);
  }
  const allTexts = operations.every(
    ({ f, value }) => typeof value === 'string' || (f === 'read' && value === null),
  );
  const fromNothing = states.charactersOf(initialState) === 0;
  return allTexts && fromNothing ? alongText(longest as string, states) : everything;
}

function lengthOf(value: JsonValue): number {
  return typeof value === 'string' || Array.isArray(value) ? value.length : -1;
}

function alongList(path: readonly number[], states: StateTable): GrowthGuide {
  return (state) => {
    const length = states.lengthOf(state);
    return length > path.length || path[length - 1] === state;
  };
}

// The state before led on, so that only what was put behind it needs a look.
function alongText(longest: string, states: StateTable): GrowthGuide {
  return (state, value) => {
    const end = states.charactersOf(state);
    const start = end - (value as string).length;
    return (
      start >= longest.length ||
      (end <= longest.length && longest.startsWith(value as string, start))
    );
  };
}
