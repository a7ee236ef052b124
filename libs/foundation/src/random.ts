import { assert } from './assert.ts';

/** A seeded stream of pseudo-random numbers. Each component owns one; none is shared. */
export interface Random {
  /** The next whole number in [0, 2^32). */
  nextUint32(): number;
  /** A whole number in [0, bound), uniform. `bound` is 1 to 2^32. */
  below(bound: number): number;
  /** A whole number in [min, max], uniform, both ends included. */
  between(min: number, max: number): number;
  /** A number in [0, 1) with 32 random bits, for workloads and fault draws, never for decisions. */
  fraction(): number;
  /** A new independent stream named by `label`; drawing from it never shifts this one. */
  split(label: string): Random;
}

/**
 * Opens the stream of `seed` (a number or a text). The generator is xoshiro128** (Blackman and
 * Vigna, 2018), its state filled by splitmix32, so equal seeds give equal streams on any machine.
 */
export function createRandom(seed: number | string): Random {
  return new Xoshiro128(typeof seed === 'number' ? `#${seed}` : seed);
}

const UINT32 = 0x1_0000_0000;

class Xoshiro128 implements Random {
  private a: number;
  private b: number;
  private c: number;
  private d: number;
  private readonly name: string;

  constructor(name: string) {
    this.name = name;
    let state = hashText(name);
    const fill = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let z = state ^ (state >>> 16);
      z = Math.imul(z, 0x21f0aaad);
      z ^= z >>> 15;
      z = Math.imul(z, 0x735a2d97);
      return (z ^ (z >>> 15)) | 0;
    };
    this.a = fill();
    this.b = fill();
    this.c = fill();
    this.d = fill() | 1; // An all-zero state would stay zero for ever.
  }

  nextUint32(): number {
    const times5 = Math.imul(this.b, 5);
    const result = Math.imul((times5 << 7) | (times5 >>> 25), 9) >>> 0;
    const t = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= t;
    this.d = (this.d << 11) | (this.d >>> 21);
    return result;
  }

  below(bound: number): number {
    assert(Number.isInteger(bound) && bound >= 1 && bound <= UINT32, 'bound is 1 to 2^32');
    // Rejection keeps the draw uniform; at most one draw in two is thrown away.
    const limit = UINT32 - (UINT32 % bound);
    for (;;) {
      const drawn = this.nextUint32();
      if (drawn < limit) return drawn % bound;
    }
  }

  between(min: number, max: number): number {
    assert(min <= max, 'min is at most max');
    return min + this.below(max - min + 1);
  }

  fraction(): number {
    return this.nextUint32() / UINT32;
  }

  split(label: string): Random {
    return new Xoshiro128(`${this.name}/${label}`);
  }
}

/** FNV-1a over UTF-16 units: enough to tell labels apart, not a cryptographic hash. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash | 0;
}
