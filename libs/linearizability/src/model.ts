import { assert } from '@quorate/foundation';
import { growsFromNothing, growthGuide } from './append-growth.ts';
import { type JsonValue, OPERATION_NAMES } from './event.ts';
import type { Operation } from './operation.ts';
import { StateTable } from './state-table.ts';

/** In {@link CompiledModel.needs}: the operation may take effect in any state. */
export const ANY = -1;
/** In {@link CompiledModel.makes}: the operation leaves the state as it is. */
export const UNCHANGED = -1;
/** In `needs` and `makes`: only {@link CompiledModel.next} knows. Switches shortcuts off. */
export const COMPUTED = -2;
/** What {@link CompiledModel.next} returns when the operation cannot take effect. */
export const REFUSED = -1;

/**
 * A sequential specification, prepared for the operations of one key. States are small whole
 * numbers from 0, equal for equal states. `needs` and `makes` describe the operations that are
 * conditional assignments ("finds v", "leaves v"), from which the checker draws its shortcuts.
 */
export interface CompiledModel {
  readonly initialState: number;
  /** For each operation the state it must find, {@link ANY}, or {@link COMPUTED}. */
  readonly needs: Int32Array;
  /** For each operation the state it leaves, {@link UNCHANGED}, or {@link COMPUTED}. */
  readonly makes: Int32Array;
  /** The state after the operation at place `operation`, or {@link REFUSED}. */
  next(state: number, operation: number): number;
  /**
   * True when all operations append to lists and read them whole, from an empty list or nothing on.
   * Then a value can be left out, together with its appends and out of each list that was seen:
   * what is left is linearizable if the whole is.
   */
  readonly onlyLists?: boolean;
  /** About how many bytes the states hold that `next` made; they count against the limit. */
  bytesHeld?(): number;
}

/**
 * A kind of object that a history can be checked against. A model of your own names its operations
 * and says what each does to a state; `read` is the one name with a meaning of its own: its value
 * is what was seen, and one that ended without a value saw something that nobody kept.
 */
export interface Model {
  readonly name: string;
  /** The values of `f` that the model knows. */
  readonly operations: readonly string[];
  /** Prepares the model for one key. `initial` is the value before the first operation. */
  compile(operations: readonly Operation[], initial: JsonValue): CompiledModel;
}

/**
 * One register per key with read, write, cas, delete and append. `null` is "no such key". An
 * append puts its value behind those before it; a read of appended texts may see them as a list or
 * joined to one text, since stores differ in that.
 */
export const registerModel: Model = {
  name: 'register',
  operations: OPERATION_NAMES,
  compile: compileRegister,
};

/** The models by the name that `quorate check --model` takes; `kv` is a register for each key. */
export const MODELS: ReadonlyMap<string, Model> = new Map([
  ['register', registerModel],
  ['kv', { ...registerModel, name: 'kv' }],
]);

function compileRegister(operations: readonly Operation[], initial: JsonValue): CompiledModel {
  const states = new StateTable();
  const initialState = states.stateOf(initial);
  const appends = operations.some(({ f }) => f === 'append');
  const needs = new Int32Array(operations.length).fill(ANY);
  const makes = new Int32Array(operations.length).fill(UNCHANGED);
  operations.forEach(({ f, value }, i) => {
    if (f === 'read') {
      if (value !== undefined) needs[i] = states.stateOf(value);
    } else if (f === 'cas') {
      const [expected, replacement] = casParts(value);
      needs[i] = states.stateOf(expected);
      makes[i] = states.stateOf(replacement);
    } else {
      makes[i] =
        f === 'append' ? COMPUTED : states.stateOf(f === 'delete' ? null : (value ?? null));
    }
  });
  if (appends) return withAppends(operations, states, initial, needs, makes);
  const next = (state: number, operation: number): number => {
    const need = needs[operation] as number;
    if (need !== ANY && need !== state) return REFUSED;
    const make = makes[operation] as number;
    return make === UNCHANGED ? state : make;
  };
  return { initialState, needs, makes, next };
}

function withAppends(
  operations: readonly Operation[],
  states: StateTable,
  initial: JsonValue,
  needs: Int32Array,
  makes: Int32Array,
): CompiledModel {
  const initialState = states.stateOf(initial);
  const wanted = Int32Array.from(needs);
  // A list equals its joined text here, so "finds v" is no longer a comparison of two numbers.
  needs.forEach((need, i) => {
    if (need !== ANY) needs[i] = COMPUTED;
  });
  const leadsOn = growthGuide(operations, states, initialState);
  const next = (state: number, operation: number): number => {
    const want = wanted[operation] as number;
    if (want !== ANY && want !== state && !states.readsAs(state, want)) return REFUSED;
    const make = makes[operation] as number;
    if (make === UNCHANGED) return state;
    if (make !== COMPUTED) return make;
    const value = operations[operation]?.value ?? null;
    const after = states.appended(state, value);
    return after !== null && leadsOn(after, value) ? after : REFUSED;
  };
  const onlyLists = growsFromNothing(operations, initial);
  return { initialState, needs, makes, next, onlyLists, bytesHeld: () => states.bytesHeld };
}

function casParts(value: JsonValue | undefined): readonly [JsonValue, JsonValue] {
  assert(Array.isArray(value) && value.length === 2, 'a cas carries [expected, new]');
  return [value[0] ?? null, value[1] ?? null];
}
