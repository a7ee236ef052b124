const FNV_PRIME = 0x01000193;
const FNV_OFFSET = 0x811c9dc5;
const SECOND_PRIME = 0x85ebca6b;

/** Spreads the last bytes of a 32-bit hash over all its bits (the finisher of MurmurHash3). */
function finish(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Mixes the bytes in [start, end) and their number into a 32-bit hash, four bytes at a step
 * (MurmurHash3's body): commands are hashed by every replica, and byte by byte that took a sixth of
 * the time of `apply`. The result is a signed number.
 */
export function mixBytes(hash: number, bytes: Uint8Array, start: number, end: number): number {
  let h = hash;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const word =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    h = mixWord(h, word);
  }
  let rest = 0;
  for (; at < end; at++) rest = (rest << 8) | (bytes[at] as number);
  return mixNumber(mixWord(h, rest), end - start);
}

/** Mixes a whole number from 0 to 2^53 - 1 into a 32-bit hash and spreads it over all its bits. */
export function mixNumber(hash: number, value: number): number {
  const low = mixWord(hash, value >>> 0);
  return finish(mixWord(low, Math.floor(value / 0x1_0000_0000) >>> 0)) | 0;
}

function mixWord(hash: number, word: number): number {
  const k = Math.imul(word, 0xcc9e2d51);
  const h = hash ^ Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/**
 * A running hash in two 32-bit lanes (FNV-1a with two multipliers), to compare the states of
 * replicas. It finds defects, not forgers: it is no cryptographic hash.
 */
export class StateHash {
  private first = FNV_OFFSET;
  private second = 0;

  /** Adds a byte string with its length, so that neighbours cannot trade bytes unseen. */
  bytes(value: Uint8Array): this {
    let a = this.first;
    let b = this.second;
    for (let i = 0; i < value.length; i++) {
      const byte = value[i] as number;
      a = Math.imul(a ^ byte, FNV_PRIME);
      b = Math.imul((b << 5) ^ (b >>> 27) ^ byte, SECOND_PRIME);
    }
    this.first = a;
    this.second = b;
    return this.number(value.length);
  }

  /** Adds a latin1 text as the bytes that it stands for. */
  latin1(value: string): this {
    let a = this.first;
    let b = this.second;
    for (let i = 0; i < value.length; i++) {
      const byte = value.charCodeAt(i);
      a = Math.imul(a ^ byte, FNV_PRIME);
      b = Math.imul((b << 5) ^ (b >>> 27) ^ byte, SECOND_PRIME);
    }
    this.first = a;
    this.second = b;
    return this.number(value.length);
  }

  /** Adds a whole number from 0 to 2^53 - 1. */
  number(value: number): this {
    const low = value >>> 0;
    const high = Math.floor(value / 0x1_0000_0000) >>> 0;
    this.first = Math.imul(Math.imul(this.first ^ low, FNV_PRIME) ^ high, FNV_PRIME);
    this.second = Math.imul(this.second ^ low, SECOND_PRIME) ^ (this.second >>> 15);
    this.second = Math.imul(this.second ^ high, SECOND_PRIME) ^ (this.second >>> 15);
    return this;
  }

  /** The two lanes now, each a number below 2^32. */
  lanes(): readonly [number, number] {
    return [finish(this.first), finish(this.second)];
  }
}

/** Two lanes as 16 hexadecimal digits. */
export function lanesToHex(lanes: readonly [number, number]): string {
  const digits = (lane: number): string => (lane >>> 0).toString(16).padStart(8, '0');
  return digits(lanes[0]) + digits(lanes[1]);
}
