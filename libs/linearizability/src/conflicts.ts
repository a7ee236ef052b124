import { indexStates, isObserver, type KeyProblem, NEVER, type StateIndex } from './problem.ts';

/** A contradiction that needs no search: the operations in it, and what is wrong in one line. */
export interface Conflict {
  readonly operations: readonly number[];
  readonly explanation: string;
}

/**
 * Looks for the contradictions that show without a search, in O(n log n): a value that nobody can
 * have left at the time it was seen, and two values that both had to be current at one moment. For
 * registers whose written values differ these are all there are (Gibbons and Korach 1997, section
 * 4); otherwise the search decides. Null when there is none.
 */
export function findConflict(problem: KeyProblem): Conflict | null {
  if (!problem.exact) return null;
  const index = indexStates(problem, problem.operations.keys());
  return findImpossibleRead(problem, index) ?? findOverlap(problem, index);
}

function findImpossibleRead(problem: KeyProblem, { producersOf }: StateIndex): Conflict | null {
  const { model, invokeAt, returnAt } = problem;
  const overwriterBefore = lastOverwriter(problem);
  const byReturn = new Map<number, readonly number[]>();
  for (const [state, producers] of producersOf) {
    byReturn.set(
      state,
      [...producers].sort((a, b) => (returnAt[a] as number) - (returnAt[b] as number)),
    );
  }
  const begunBy = (p: number, end: number, reader: number): boolean =>
    p !== reader && (invokeAt[p] as number) < end;
  for (let reader = 0; reader < problem.operations.length; reader++) {
    const need = model.needs[reader] as number;
    if (need < 0 || returnAt[reader] === NEVER) continue;
    const overwriter = overwriterBefore(invokeAt[reader] as number);
    if (overwriter === -1 && need === model.initialState) continue;
    const since = overwriter === -1 ? -1 : (invokeAt[overwriter] as number);
    const producers = byReturn.get(need) ?? [];
    const end = returnAt[reader] as number;
    let place = lowerBound(producers.length, (i) => {
      return (returnAt[producers[i] as number] as number) >= since;
    });
    while (place < producers.length && !begunBy(producers[place] as number, end, reader)) place++;
    const viable = place < producers.length;
    if (!viable) return impossibleRead(problem, reader, overwriter, producers);
  }
  return null;
}

function impossibleRead(
  problem: KeyProblem,
  reader: number,
  overwriter: number,
  producers: readonly number[],
): Conflict {
  const { invokeAt, returnAt } = problem;
  const begun = producers.some((p) => (invokeAt[p] as number) < (returnAt[reader] as number));
  if (overwriter === -1 || (!begun && problem.model.needs[reader] !== problem.model.initialState)) {
    const explanation = 'a value was seen that nobody had written by then';
    return { operations: [reader], explanation };
  }
  const explanation = 'a value was seen after an acknowledged operation had replaced it';
  return { operations: [overwriter, reader], explanation };
}

/** A function from a time to the last-begun mutation among those that had returned by then. */
function lastOverwriter(problem: KeyProblem): (before: number) => number {
  const { invokeAt, returnAt } = problem;
  const mutations = definiteMutations(problem).sort(
    (a, b) => (returnAt[a] as number) - (returnAt[b] as number),
  );
  const latest: number[] = [];
  for (const m of mutations) {
    const best = latest.at(-1);
    const later = best === undefined || (invokeAt[m] as number) > (invokeAt[best] as number);
    latest.push(later ? m : best);
  }
  return (before) => {
    const count = lowerBound(mutations.length, (i) => {
      return (returnAt[mutations[i] as number] as number) >= before;
    });
    return count === 0 ? -1 : (latest[count - 1] as number);
  };
}

/** A stretch of time in which one value was current without a break, with its two witnesses. */
interface Zone {
  readonly state: number;
  readonly producer: number;
  readonly from: number;
  readonly to: number;
  readonly first: number;
  readonly last: number;
}

function findOverlap(problem: KeyProblem, index: StateIndex): Conflict | null {
  const zones = zonesOf(problem, index).sort((a, b) => a.from - b.from);
  const explanation = 'two values would have to be current at the same time';
  let widest: Zone | null = null;
  for (const zone of zones) {
    if (widest !== null && zone.from < widest.to) {
      const both = [widest, zone].flatMap(({ producer, first, last }) => [producer, first, last]);
      return { operations: [...new Set(both)].filter((i) => i >= 0), explanation };
    }
    widest = zone;
  }
  // From here on the zones are disjoint and ordered.
  const { invokeAt, returnAt, model } = problem;
  for (let i = 0; i < problem.operations.length; i++) {
    const at = invokeAt[i] as number;
    const zone = zones[lowerBound(zones.length, (z) => (zones[z] as Zone).from >= at) - 1];
    if (zone === undefined || (returnAt[i] as number) >= zone.to || i === zone.producer) continue;
    const need = model.needs[i] as number;
    const make = model.makes[i] as number;
    if ((make < 0 || make === zone.state) && (need < 0 || need === zone.state)) continue;
    const found = [zone.producer, zone.first, zone.last, i];
    return { operations: [...new Set(found)].filter((o) => o >= 0), explanation };
  }
  return null;
}

function zonesOf(problem: KeyProblem, { observersOf, producersOf }: StateIndex): Zone[] {
  const { invokeAt, returnAt, model } = problem;
  const zones: Zone[] = [];
  const add = (state: number, producer: number): void => {
    // An indefinite observer may never have happened, so it proves nothing.
    const observers = observersOf.get(state)?.filter((i) => returnAt[i] !== NEVER) ?? [];
    const members = producer < 0 ? observers : [producer, ...observers];
    let [first] = members;
    if (first === undefined) return;
    let last = first;
    for (const i of members) {
      if ((returnAt[i] as number) < (returnAt[first] as number)) first = i;
      if ((invokeAt[i] as number) > (invokeAt[last] as number)) last = i;
    }
    const from = producer < 0 ? -1 : (returnAt[first] as number);
    const to = invokeAt[last] as number;
    if (from < to) zones.push({ state, producer, from, to, first, last });
  };
  for (const [state, producers] of producersOf) {
    const [only] = producers;
    if (producers.length === 1 && only !== undefined && state !== model.initialState) {
      add(state, only);
    }
  }
  if (!producersOf.has(model.initialState)) add(model.initialState, -1);
  return zones;
}

/** The operations that certainly happened and changed something. */
export function definiteMutations(problem: KeyProblem): number[] {
  const mutations: number[] = [];
  for (let i = 0; i < problem.operations.length; i++) {
    if (problem.returnAt[i] !== NEVER && !isObserver(problem, i)) mutations.push(i);
  }
  return mutations;
}

/** The first place in [0, count) from which `reached` is true, or `count`. */
export function lowerBound(count: number, reached: (place: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (reached(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
