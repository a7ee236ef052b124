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

/** The bytes that {@link latin1FromBytes} named. */
export function bytesFromLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
