import type { JsonValue } from './event.ts';
import { ANY, COMPUTED, type CompiledModel, type Model, UNCHANGED } from './model.ts';
import type { Operation } from './operation.ts';

/** In {@link KeyProblem.returnAt}: the operation never ended. */
export const NEVER = 0x7fff_ffff;

/**
 * The operations of one key in the shape that the search works on: columns of whole numbers.
 * Places in time are ranks among the invocations and returns of this key alone.
 */
export interface KeyProblem {
  readonly operations: readonly Operation[];
  readonly model: CompiledModel;
  /** True when each operation is a conditional assignment, so that the shortcuts hold. */
  readonly exact: boolean;
  readonly invokeAt: Int32Array;
  readonly returnAt: Int32Array;
  /** In order of time: operation i invoked is i, operation i returned is -1 - i. */
  readonly events: Int32Array;
  /** The slot of an operation while it is open; the slot is free again once it returned. */
  readonly slotOf: Int32Array;
  readonly slotCount: number;
}

/** Which operations see, and which leave, each state; the index that the shortcuts work with. */
export interface StateIndex {
  readonly observersOf: ReadonlyMap<number, readonly number[]>;
  readonly producersOf: ReadonlyMap<number, readonly number[]>;
}

/**
 * Prepares the operations of one key. Operations that cannot matter are left out: a read whose
 * result nobody knows, and an indefinite mutation whose value no one saw (were it in an order, it
 * could be taken out of it again).
 */
export function buildProblem(
  operations: readonly Operation[],
  model: Model,
  initial: JsonValue,
): KeyProblem {
  let kept = operations.filter(({ f, value }) => f !== 'read' || value !== undefined);
  let compiled = model.compile(kept, initial);
  for (;;) {
    const relevant = withoutUnseen(kept, compiled);
    if (relevant.length === kept.length) break;
    kept = relevant;
    compiled = model.compile(kept, initial);
  }
  return layOut(kept, compiled);
}

/** True when operation `i` changes nothing: a read. */
export function isObserver(problem: KeyProblem, i: number): boolean {
  return problem.model.makes[i] === UNCHANGED;
}

/** Builds the {@link StateIndex} of `chosen` operations; only for exact problems. */
export function indexStates(problem: KeyProblem, chosen: Iterable<number>): StateIndex {
  const observersOf = new Map<number, number[]>();
  const producersOf = new Map<number, number[]>();
  for (const i of chosen) {
    const need = problem.model.needs[i] as number;
    const make = problem.model.makes[i] as number;
    if (need >= 0) pushTo(observersOf, need, i);
    if (make >= 0) pushTo(producersOf, make, i);
  }
  return { observersOf, producersOf };
}

function pushTo(map: Map<number, number[]>, state: number, i: number): void {
  const list = map.get(state);
  if (list === undefined) map.set(state, [i]);
  else list.push(i);
}

function withoutUnseen(operations: readonly Operation[], model: CompiledModel): Operation[] {
  if (!isExact(model)) return [...operations];
  const seen = new Set<number>();
  for (const need of model.needs) if (need !== ANY) seen.add(need);
  return operations.filter(
    ({ outcome }, i) => outcome === 'ok' || seen.has(model.makes[i] as number),
  );
}

function isExact(model: CompiledModel): boolean {
  return !model.needs.includes(COMPUTED) && !model.makes.includes(COMPUTED);
}

function layOut(operations: readonly Operation[], model: CompiledModel): KeyProblem {
  const count = operations.length;
  const codes: number[] = [];
  operations.forEach(({ returnIndex }, i) => {
    codes.push(i);
    if (returnIndex !== Number.POSITIVE_INFINITY) codes.push(-1 - i);
  });
  const placeOf = (code: number): number => {
    const operation = operations[code >= 0 ? code : -1 - code] as Operation;
    return code >= 0 ? operation.invokeIndex : operation.returnIndex;
  };
  const events = Int32Array.from(codes).sort((a, b) => placeOf(a) - placeOf(b));
  const invokeAt = new Int32Array(count);
  const returnAt = new Int32Array(count).fill(NEVER);
  const slotOf = new Int32Array(count);
  const free: number[] = [];
  let slotCount = 0;
  events.forEach((code, rank) => {
    if (code >= 0) {
      invokeAt[code] = rank;
      slotOf[code] = free.pop() ?? slotCount++;
    } else {
      returnAt[-1 - code] = rank;
      free.push(slotOf[-1 - code] as number);
    }
  });
  return {
    operations,
    model,
    exact: isExact(model),
    invokeAt,
    returnAt,
    events,
    slotOf,
    slotCount,
  };
}
