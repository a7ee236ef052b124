/** Longest byte string turned into text by one call: all arguments stand on the stack at once. */
const ARGUMENTS_MAX = 8192;

/**
 * The text whose character codes are the bytes: an exact and reversible name for a byte string. A
 * Map finds such text by value; it could not find a Uint8Array so.
 */
export function latin1FromBytes(bytes: Uint8Array): string {
  if (bytes.length <= ARGUMENTS_MAX) return fromCharCodes(bytes);
  let text = '';
  for (let at = 0; at < bytes.length; at += ARGUMENTS_MAX) {
    text += fromCharCodes(bytes.subarray(at, at + ARGUMENTS_MAX));
  }
  return text;
}

function fromCharCodes(bytes: Uint8Array): string {
  // `apply` takes any array-like object, but its type knows arrays only.
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}

/** Shorter texts are made by calls with a few arguments each, which need no view of the bytes. */
const SHORT_BYTES_MAX = 32;

/** {@link latin1FromBytes} of the bytes in [start, end); the way of every key that is applied. */
export function latin1FromRange(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > SHORT_BYTES_MAX) return latin1FromBytes(bytes.subarray(start, end));
  let text = '';
  let at = start;
  for (; at + 4 <= end; at += 4) {
    text += String.fromCharCode(
      bytes[at] as number,
      bytes[at + 1] as number,
      bytes[at + 2] as number,
      bytes[at + 3] as number,
    );
  }
  for (; at < end; at++) text += String.fromCharCode(bytes[at] as number);
  return text;
}

/** The bytes that {@link latin1FromBytes} named. */
export function bytesFromLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
