/** The bytes of a varint that holds `value`, a whole number from 0 to 2^53 - 1. */
export function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) count++;
  return count;
}

/** Writes a varint at `offset`; returns the offset behind it. */
export function putVarint(bytes: Uint8Array, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  while (rest >= 128) {
    bytes[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  bytes[at++] = rest;
  return at;
}

/** The bytes of a varint field with a number below 16; 0 when it is left out. */
export function fieldBytes(value: number): number {
  return value === 0 ? 0 : 1 + varintBytes(value);
}

/** Writes a varint field under its tag byte unless it is 0; returns the offset behind it. */
export function putField(bytes: Uint8Array, offset: number, tag: number, value: number): number {
  if (value === 0) return offset;
  bytes[offset] = tag;
  return putVarint(bytes, offset + 1, value);
}
