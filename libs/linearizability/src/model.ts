import { assert } from '@quorate/foundation';
import { canonicalText, type JsonValue } from './event.ts';
import type { Operation } from './operation.ts';

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
}

/** A kind of object that a history can be checked against. */
export interface Model {
  readonly name: string;
  /** Prepares the model for one key. `initial` is the value before the first operation. */
  compile(operations: readonly Operation[], initial: JsonValue): CompiledModel;
}

/**
 * One register per key with read, write, cas, delete and append. `null` is "no such key". An
 * append puts its value behind those before it; a read of appended texts may see them as a list or
 * joined to one text, since stores differ in that.
 */
export const registerModel: Model = { name: 'register', compile: compileRegister };

/** The models by the name that `quorate check --model` takes; `kv` is a register for each key. */
export const MODELS: ReadonlyMap<string, Model> = new Map([
  ['register', registerModel],
  ['kv', { ...registerModel, name: 'kv' }],
]);

function compileRegister(operations: readonly Operation[], initial: JsonValue): CompiledModel {
  const values = new Values();
  const initialState = values.stateOf(initial);
  const appends = operations.some(({ f }) => f === 'append');
  const needs = new Int32Array(operations.length).fill(ANY);
  const makes = new Int32Array(operations.length).fill(UNCHANGED);
  operations.forEach(({ f, value }, i) => {
    if (f === 'read') {
      if (value !== undefined) needs[i] = values.stateOf(value);
    } else if (f === 'cas') {
      const [expected, replacement] = casParts(value);
      needs[i] = values.stateOf(expected);
      makes[i] = values.stateOf(replacement);
    } else {
      makes[i] =
        f === 'append' ? COMPUTED : values.stateOf(f === 'delete' ? null : (value ?? null));
    }
  });
  if (appends) return withAppends(operations, values, initialState, needs, makes);
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
  values: Values,
  initialState: number,
  needs: Int32Array,
  makes: Int32Array,
): CompiledModel {
  const wanted = Int32Array.from(needs);
  // A list equals its joined text here, so "finds v" is no longer a comparison of two numbers.
  needs.forEach((need, i) => {
    if (need !== ANY) needs[i] = COMPUTED;
  });
  const next = (state: number, operation: number): number => {
    const want = wanted[operation] as number;
    if (want !== ANY && want !== state && !values.readsAs(state, want)) return REFUSED;
    const make = makes[operation] as number;
    if (make === UNCHANGED) return state;
    if (make !== COMPUTED) return make;
    return values.appended(state, operations[operation]?.value ?? null);
  };
  return { initialState, needs, makes, next };
}

function casParts(value: JsonValue | undefined): readonly [JsonValue, JsonValue] {
  assert(Array.isArray(value) && value.length === 2, 'a cas carries [expected, new]');
  return [value[0] ?? null, value[1] ?? null];
}

/** Gives equal values the same number, from 0 in the order of first sight. */
class Values {
  private readonly numbers = new Map<string, number>();
  private readonly values: JsonValue[] = [];

  stateOf(value: JsonValue): number {
    const text = canonicalText(value);
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    this.numbers.set(text, this.values.length);
    this.values.push(value);
    return this.values.length - 1;
  }

  appended(state: number, value: JsonValue): number {
    const before = this.values[state] ?? null;
    if (before === null) return this.stateOf([value]);
    if (Array.isArray(before)) return this.stateOf([...before, value]);
    if (typeof before === 'string' && typeof value === 'string') {
      return this.stateOf(before + value);
    }
    return REFUSED;
  }

  readsAs(state: number, want: number): boolean {
    const held = this.values[state];
    const seen = this.values[want];
    if (typeof seen !== 'string' || !Array.isArray(held)) return false;
    return held.every((part) => typeof part === 'string') && held.join('') === seen;
  }
}
