import { assert } from './assert.ts';

/** The empty byte string, shared; nobody writes into it. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);

const UINT32 = 0x1_0000_0000;

/** Reads an unsigned 32-bit little-endian number at `offset`. The caller checked the bounds. */
export function readUint32(bytes: Uint8Array, offset: number): number {
  return (
    ((bytes[offset] as number) |
      ((bytes[offset + 1] as number) << 8) |
      ((bytes[offset + 2] as number) << 16) |
      ((bytes[offset + 3] as number) << 24)) >>>
    0
  );
}

/** Writes `value` (0 to 2^32 - 1) as 4 little-endian bytes at `offset`. */
export function writeUint32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value;
  bytes[offset + 1] = value >>> 8;
  bytes[offset + 2] = value >>> 16;
  bytes[offset + 3] = value >>> 24;
}

/** Reads an unsigned 64-bit little-endian number; above 2^53 the result is inexact. */
export function readUint64(bytes: Uint8Array, offset: number): number {
  return readUint32(bytes, offset) + readUint32(bytes, offset + 4) * UINT32;
}

/** Writes `value`, a whole number from 0 to 2^53 - 1, as 8 little-endian bytes at `offset`. */
export function writeUint64(bytes: Uint8Array, offset: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'a 64-bit field holds 0 to 2^53 - 1');
  writeUint32(bytes, offset, value % UINT32);
  writeUint32(bytes, offset + 4, Math.floor(value / UINT32));
}

/** Joins `parts` into one new array; a single part is returned as it is. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const only = parts[0];
  if (only === undefined) return NO_BYTES;
  if (parts.length === 1) return only;
  const joined = new Uint8Array(byteCount(parts));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** The total length of `parts` in bytes. */
export function byteCount(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  return bytes;
}

/** True when both arrays hold the same bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Orders byte strings as their unsigned bytes do; a prefix comes first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
