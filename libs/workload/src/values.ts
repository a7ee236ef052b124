import { assert } from '@quorate/foundation';

const PREFIX = 0x77; // 'w'
const END = 0x3a; // ':'
const DIGIT_0 = 0x30;
const FILLER = 0x2e; // '.'

/** The fewest bytes of a value: `w`, up to ten digits and `:`. */
export const VALUE_BYTES_MIN = 12;

/**
 * The value of write number `writeNumber` (0 to 2^32 - 1), exactly `payloadBytes` long and at least
 * {@link VALUE_BYTES_MIN}: `w123:` and filler, in ASCII. Each write has a number of its own, so a
 * checker can tell from a value which write it came from.
 */
export function encodeValue(writeNumber: number, payloadBytes: number): Uint8Array {
  assert(payloadBytes >= VALUE_BYTES_MIN, `a value has at least ${VALUE_BYTES_MIN} bytes`);
  const bytes = new Uint8Array(payloadBytes).fill(FILLER);
  rewriteValue(bytes, writeNumber);
  return bytes;
}

/**
 * Turns a value made by {@link encodeValue} into that of another write of the same length, so that
 * a load generator may use its buffers again.
 */
export function rewriteValue(value: Uint8Array, writeNumber: number): void {
  assert(Number.isInteger(writeNumber) && writeNumber >= 0, 'a write number is a whole number');
  assert(writeNumber <= 0xffff_ffff, 'a write number fits 32 bits');
  let length = 1;
  for (let rest = Math.floor(writeNumber / 10); rest > 0; rest = Math.floor(rest / 10)) length++;
  value[0] = PREFIX;
  let rest = writeNumber;
  for (let place = length; place >= 1; place--) {
    value[place] = DIGIT_0 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  value[length + 1] = END;
  // What a longer number left behind; everything else is filler already.
  for (let place = length + 2; place < VALUE_BYTES_MIN; place++) value[place] = FILLER;
}

/** The write number of a value made by {@link encodeValue}, or null for any other bytes. */
export function writeNumberOf(value: Uint8Array): number | null {
  if (value[0] !== PREFIX) return null;
  let number = 0;
  for (let place = 1; place < value.length && place <= 11; place++) {
    const byte = value[place] as number;
    if (byte === END && place > 1) return number;
    if (byte < DIGIT_0 || byte > DIGIT_0 + 9) return null;
    number = number * 10 + (byte - DIGIT_0);
  }
  return null;
}

/** How a history writes the value of a write: short, and equal exactly for equal writes. */
export function valueName(writeNumber: number): string {
  return `w${writeNumber}`;
}

/**
 * What one client last saw of each key, for the expected value of a cas. Known write numbers are
 * kept exactly; a key never seen, or seen absent, expects "no such key".
 */
export class KnownValues {
  private readonly numbers: Float64Array;

  constructor(keyCount: number) {
    this.numbers = new Float64Array(keyCount).fill(-1);
  }

  /** Notes that `key` was seen with the value of `writeNumber`, or absent (null). */
  note(key: number, writeNumber: number | null): void {
    assert(key >= 0 && key < this.numbers.length, 'the key is one of the keys');
    this.numbers[key] = writeNumber ?? -1;
  }

  /** The write number to expect, or null for "no such key". */
  expected(key: number): number | null {
    const number = this.numbers[key] ?? -1;
    return number < 0 ? null : number;
  }
}
