import { expect, it } from 'vitest';
import { encodeValue, rewriteValue, writeNumberOf } from './values.ts';

it('rewrites a value into exactly what encoding it anew gives', () => {
  const numbers = [0, 0xffff_ffff, 7, 123_456, 10, 9, 1_000_000_000, 42];
  for (const length of [12, 256]) {
    const value = encodeValue(4_000_000_000, length);
    for (const number of numbers) {
      rewriteValue(value, number);
      expect(value).toEqual(encodeValue(number, length));
      expect(writeNumberOf(value)).toBe(number);
    }
  }
});
