import { appendedValues } from './append-growth.ts';
import { Budget, type CheckLimits } from './budget.ts';
import { findConflict, lowerBound } from './conflicts.ts';
import { canonicalText } from './event.ts';
import type { Operation } from './operation.ts';
import { isObserver, type KeyProblem, NEVER } from './problem.ts';
import { searchOrder } from './search.ts';

/** Attempts at a smaller part; each is one check of what is left. */
const ATTEMPTS_MAX = 2_000;
/** Steps that one attempt may take; an attempt that takes more counts as not failing. */
const ATTEMPT_STEPS_MAX = 200_000;

/** Builds the problem of a part of the operations; the places in it are those of the whole. */
export type PartBuilder = (kept: readonly number[], cutAt: number) => KeyProblem;

/**
 * Shrinks a failing set of operations (`start`, places in `problem`) to one from which nothing can
 * be taken any more, by removing ever smaller chunks (delta debugging, Zeller and Hildebrandt
 * 2002). Only removals are tried after which a failure still proves the whole to fail: see
 * {@link soundPart}. `cutAt` is the event after which the history is cut off.
 */
export function minimise(
  problem: KeyProblem,
  start: readonly number[],
  cutAt: number,
  build: PartBuilder,
  limits: CheckLimits,
): number[] {
  let attempts = 0;
  const fails = (kept: readonly number[]): boolean => {
    attempts++;
    return failsWithin(build(kept, cutAt), limits);
  };
  let kept = soundPart(problem, new Set(start));
  if (!fails(kept)) kept = soundPart(problem, new Set(problem.operations.keys()));
  let chunk = Math.ceil(kept.length / 2);
  const mayGoOn = (): boolean => attempts < ATTEMPTS_MAX && !limits.expired();
  while (chunk >= 1 && mayGoOn()) {
    let shrunk = false;
    for (let end = kept.length; end > 0 && mayGoOn(); end -= chunk) {
      const part = new Set(kept);
      for (const i of kept.slice(Math.max(0, end - chunk), end)) part.delete(i);
      const smaller = soundPart(problem, part);
      if (smaller.length >= kept.length || smaller.length === 0 || !fails(smaller)) continue;
      kept = smaller;
      shrunk = true;
      end = Math.min(end, kept.length + chunk);
    }
    if (chunk === 1 && !shrunk) break;
    chunk = Math.max(1, Math.floor(chunk / 2));
  }
  return withSources(problem, kept);
}

/**
 * Adds to `part` what must not be missing from it, so that "the part fails" implies "the whole
 * fails". A read may always go. A mutation may go when no kept operation can have seen its effect:
 * each one that saw this value ended before the mutation began, or another kept operation certainly
 * replaced the value in between. (Were the whole linearizable, taking such a mutation out of its
 * order would leave an order of the part.) An append to a list that only grows may go together with
 * all others of its value; the caller leaves the value out of the lists that were seen. Where there
 * are other appends, no mutation may go.
 */
export function soundPart(problem: KeyProblem, part: ReadonlySet<number>): number[] {
  const kept = new Set(part);
  let missing = [...problem.operations.keys()].filter(
    (i) => !kept.has(i) && !isObserver(problem, i),
  );
  if (!problem.exact) {
    const onlyLists = problem.model.onlyLists === true;
    const held = appendedValues([...kept].map((i) => problem.operations[i] as Operation));
    for (const i of missing) {
      const value = problem.operations[i]?.value ?? null;
      if (!onlyLists || held.has(canonicalText(value))) kept.add(i);
    }
    return sorted(kept);
  }
  for (;;) {
    const mayGo = removable(problem, kept);
    const must = missing.filter((i) => !mayGo(i));
    if (must.length === 0) return sorted(kept);
    for (const i of must) kept.add(i);
    missing = missing.filter((i) => mayGo(i));
  }
}

function removable(problem: KeyProblem, kept: ReadonlySet<number>): (i: number) => boolean {
  const { invokeAt, returnAt, model } = problem;
  const observers = new Map<number, number[]>();
  const mutations: number[] = [];
  for (const i of kept) {
    const need = model.needs[i] as number;
    const seers = observers.get(need);
    if (seers !== undefined) seers.push(i);
    else if (need >= 0) observers.set(need, [i]);
    if (!isObserver(problem, i) && returnAt[i] !== NEVER) mutations.push(i);
  }
  mutations.sort((a, b) => (invokeAt[a] as number) - (invokeAt[b] as number));
  const firstReturnFrom = new Array<number>(mutations.length + 1).fill(NEVER);
  for (let place = mutations.length - 1; place >= 0; place--) {
    const own = returnAt[mutations[place] as number] as number;
    firstReturnFrom[place] = Math.min(own, firstReturnFrom[place + 1] as number);
  }
  return (i) => {
    const end = returnAt[i] as number;
    const place = lowerBound(mutations.length, (m) => {
      return (invokeAt[mutations[m] as number] as number) > end;
    });
    const replacedAt = firstReturnFrom[place] as number;
    return (observers.get(model.makes[i] as number) ?? []).every(
      (o) =>
        (returnAt[o] as number) < (invokeAt[i] as number) || (invokeAt[o] as number) > replacedAt,
    );
  };
}

/** Adds the one write of each value that is seen, where there is one: the drawing needs it. */
function withSources(problem: KeyProblem, kept: readonly number[]): number[] {
  const { model } = problem;
  const whole = new Set(kept);
  for (const i of kept) {
    const need = model.needs[i] as number;
    if (need < 0) continue;
    const sources = [...model.makes.keys()].filter((p) => model.makes[p] === need);
    const [source] = sources;
    if (sources.length === 1 && source !== undefined) whole.add(source);
  }
  return soundPart(problem, whole);
}

/** True when `part` certainly fails; false when it does not, or when that took too many steps. */
export function failsWithin(part: KeyProblem, limits: CheckLimits): boolean {
  if (findConflict(part) !== null) return true;
  const budget = new Budget({ ...limits, stepsMax: ATTEMPT_STEPS_MAX });
  return searchOrder(part, budget).end === 'exhausted';
}

function sorted(places: ReadonlySet<number>): number[] {
  return [...places].sort((a, b) => a - b);
}
