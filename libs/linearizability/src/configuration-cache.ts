import { assert } from '@quorate/foundation';

/**
 * The configurations that a search has already tried, each a fixed number of 32-bit words. It
 * compares all words, never only a hash: a false "seen" would call a good history broken. It holds
 * at most `bytesMax` bytes and says so instead of growing further.
 */
export class ConfigurationCache {
  private readonly width: number;
  private readonly bytesMax: number;
  private words: Int32Array;
  private table: Int32Array; // Place of a configuration plus 1; 0 is an empty cell.
  private count = 0;

  /** `width` is the number of words of each configuration. */
  constructor(width: number, bytesMax: number) {
    assert(width > 0 && bytesMax > 0, 'a cache has a width and a limit');
    this.width = width;
    this.bytesMax = bytesMax;
    this.words = new Int32Array(64 * width);
    this.table = new Int32Array(256);
  }

  /** The bytes that the configurations and their table take. */
  get bytesHeld(): number {
    return (this.words.length + this.table.length) * 4;
  }

  /** Adds `configuration`: 'added', 'seen' when it was there, 'full' when the limit is reached. */
  add(configuration: Int32Array): 'added' | 'seen' | 'full' {
    assert(configuration.length === this.width, 'configurations share one width');
    const mask = this.table.length - 1;
    let cell = hashOf(configuration) & mask;
    for (;;) {
      const place = this.table[cell] as number;
      if (place === 0) break;
      if (this.equals(place - 1, configuration)) return 'seen';
      cell = (cell + 1) & mask;
    }
    if (!this.reserve()) return 'full';
    this.words.set(configuration, this.count * this.width);
    this.count++;
    this.table[cell] = this.count;
    if (this.count * 2 > this.table.length) this.rehash();
    return 'added';
  }

  private equals(place: number, configuration: Int32Array): boolean {
    const start = place * this.width;
    for (let i = 0; i < this.width; i++) {
      if (this.words[start + i] !== configuration[i]) return false;
    }
    return true;
  }

  private reserve(): boolean {
    if ((this.count + 1) * this.width <= this.words.length) return true;
    const doubled = this.words.length * 2;
    if (doubled * 4 + this.table.length * 8 > this.bytesMax) return false;
    const words = new Int32Array(doubled);
    words.set(this.words);
    this.words = words;
    return true;
  }

  private rehash(): void {
    const table = new Int32Array(this.table.length * 2);
    const mask = table.length - 1;
    for (let place = 0; place < this.count; place++) {
      const start = place * this.width;
      let cell = hashOf(this.words.subarray(start, start + this.width)) & mask;
      while (table[cell] !== 0) cell = (cell + 1) & mask;
      table[cell] = place + 1;
    }
    this.table = table;
  }
}

function hashOf(words: Int32Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < words.length; i++) {
    hash = Math.imul(hash ^ (words[i] as number), 0x01000193);
    hash ^= hash >>> 15;
  }
  return (hash ^ (hash >>> 13)) >>> 0;
}
