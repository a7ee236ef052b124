/** Numbers from here on are times: a scope's clocks start at it and counts never reach it. */
export const TIME_BASE = 2 ** 50;

/** Fields that are caches, settings or sources of constants, no state. */
const LEFT_OUT: ReadonlySet<string> = new Set(['encoded', 'config', 'random', 'codec', 'limits']);

/**
 * A canonical digest of an object graph: two graphs of equal content have equal digests, whatever
 * the identity of their objects and the order of their maps. Times count relative to `now`, so a
 * state that only stands later is the same state. Functions count for nothing: an engine keeps its
 * state in fields. 64 bits, so that among a million states two differ with near certainty.
 */
export function digestOf(value: unknown, now: number): string {
  const digest = new StateDigest(now);
  digest.add(value);
  return digest.text();
}

class StateDigest {
  private high = 0x811c9dc5;
  private low = 0x9747b28c;
  private readonly now: number;
  private readonly seen = new Map<object, number>();

  constructor(now: number) {
    this.now = now;
  }

  text(): string {
    return `${(this.high >>> 0).toString(36)}.${(this.low >>> 0).toString(36)}`;
  }

  add(value: unknown): void {
    if (typeof value === 'number') this.number(value);
    else if (typeof value === 'string') this.word(value);
    else if (typeof value === 'object' && value !== null) this.object(value);
    else if (typeof value === 'function') this.mix(7);
    else this.mix(value === true ? 11 : value === false ? 13 : value === null ? 17 : 19);
  }

  private object(value: object): void {
    const number = this.seen.get(value);
    if (number !== undefined) {
      this.mix(23);
      this.mix(number);
      return;
    }
    this.seen.set(value, this.seen.size);
    if (value instanceof Uint8Array) {
      this.mix(29 + value.length);
      for (const byte of value) this.mix(byte);
    } else if (Array.isArray(value)) {
      this.mix(31 + value.length);
      for (const item of value) this.add(item);
    } else if (value instanceof Map) {
      this.mix(37 + value.size);
      for (const key of sorted(value.keys())) {
        this.add(key);
        this.add(value.get(key));
      }
    } else if (value instanceof Set) {
      this.mix(41 + value.size);
      for (const item of sorted(value.values())) this.add(item);
    } else {
      this.fields(value);
    }
  }

  private fields(value: object): void {
    this.word(value.constructor.name);
    for (const key of Object.keys(value)) {
      if (LEFT_OUT.has(key)) continue;
      this.word(key);
      this.add((value as Record<string, unknown>)[key]);
    }
  }

  private number(value: number): void {
    if (Number.isSafeInteger(value)) {
      const isTime = value >= TIME_BASE / 2;
      const shown = isTime ? value - this.now : value;
      this.mix(isTime ? 43 : 47);
      this.mix(shown | 0);
      this.mix(Math.floor(shown / 0x1_0000_0000) | 0);
    } else this.word(String(value));
  }

  private word(value: string): void {
    this.mix(value.length);
    for (let i = 0; i < value.length; i++) this.mix(value.charCodeAt(i));
  }

  private mix(value: number): void {
    this.high = Math.imul(this.high ^ value, 0x01000193);
    const turned = (this.low << 5) | (this.low >>> 27);
    this.low = (Math.imul(turned ^ value, 0x2c1b3c6d) + 0x9e3779b9) | 0;
  }
}

function sorted(keys: Iterable<unknown>): unknown[] {
  const all = [...keys];
  const plain = all.every((key) => typeof key === 'number' || typeof key === 'string');
  if (!plain) return all;
  return (all as (number | string)[]).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
