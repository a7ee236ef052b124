import { canonicalText, type JsonValue } from './event.ts';

/** What a state holds. Lists are linked to what they were before their last part. */
interface State {
  /** What is held, save for a list with parts; `undefined` there. */
  readonly value: JsonValue | undefined;
  /** Of a list with parts: the list without its last one. */
  readonly before: number;
  readonly part: JsonValue;
  /** Parts of a list; 0 for everything else. */
  readonly length: number;
  /** Characters of a text, or of a list's texts together; -1 for what is not made of texts. */
  readonly characters: number;
}

/** Bytes that a state costs beside its key, roughly: an object and its places in map and list. */
const STATE_BYTES = 200;
const NOT_TEXT = -1;

/**
 * Gives equal values the same number, from 0 in the order of first sight. A list is kept as its
 * last part behind a shorter list, so that appending costs the same however long the list is.
 */
export class StateTable {
  /** Texts by themselves, everything else by its {@link canonicalText}. */
  private readonly texts = new Map<string, number>();
  private readonly numbers = new Map<string, number>();
  private readonly states: State[] = [];
  private bytes = 0;

  /** About how many bytes the table holds. */
  get bytesHeld(): number {
    return this.bytes;
  }

  /** The number of `value`. */
  stateOf(value: JsonValue): number {
    if (!Array.isArray(value)) return this.plain(value);
    let state = this.plain([]);
    for (const part of value as readonly JsonValue[]) state = this.extended(state, part);
    return state;
  }

  /** The state after an append; null where nothing can be put behind. */
  appended(state: number, part: JsonValue): number | null {
    const held = this.at(state).value;
    if (held === null) return this.extended(this.plain([]), part);
    if (held === undefined || Array.isArray(held)) return this.extended(state, part);
    if (typeof held === 'string' && typeof part === 'string') return this.plain(held + part);
    return null;
  }

  /** True when `state` is a list of texts that, joined, are the text that `want` is. */
  readsAs(state: number, want: number): boolean {
    const held = this.at(state);
    const { value, characters } = this.at(want);
    const isList = held.length > 0 || Array.isArray(held.value);
    if (!isList || typeof value !== 'string' || held.characters !== characters) return false;
    return (
      this.pathTo(state)
        .map((step) => this.at(step).part)
        .join('') === value
    );
  }

  /** The states that a list went through from its first part on, itself last. */
  pathTo(state: number): number[] {
    const path: number[] = [];
    for (let at = state; this.at(at).length > 0; at = this.at(at).before) path.push(at);
    return path.reverse();
  }

  /** The parts that a list has; 0 for everything else. */
  lengthOf(state: number): number {
    return this.at(state).length;
  }

  /** The characters of a text or of a list of texts; 0 for "no such key", else -1. */
  charactersOf(state: number): number {
    return this.at(state).value === null ? 0 : this.at(state).characters;
  }

  private plain(value: JsonValue): number {
    const isText = typeof value === 'string';
    const numbers = isText ? this.texts : this.numbers;
    const key = isText ? value : canonicalText(value);
    const known = numbers.get(key);
    if (known !== undefined) return known;
    const characters = isText ? value.length : Array.isArray(value) ? 0 : NOT_TEXT;
    return this.added(numbers, key, { value, before: -1, part: null, length: 0, characters });
  }

  private extended(before: number, part: JsonValue): number {
    // No JSON text begins with "+", so that lists and plain values never share a key.
    const key = `+${before} ${canonicalText(part)}`;
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    const { length, characters } = this.at(before);
    const isText = typeof part === 'string' && characters !== NOT_TEXT;
    return this.added(this.numbers, key, {
      value: undefined,
      before,
      part,
      length: length + 1,
      characters: isText ? characters + part.length : NOT_TEXT,
    });
  }

  private added(numbers: Map<string, number>, key: string, state: State): number {
    numbers.set(key, this.states.length);
    this.states.push(state);
    this.bytes += STATE_BYTES + 2 * key.length;
    return this.states.length - 1;
  }

  private at(state: number): State {
    return this.states[state] as State;
  }
}
