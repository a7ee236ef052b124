/**
 * The frame that an idle session carries: an empty message of field 103 (see `HELLO_FIELD` for who
 * has the others). It says nothing; writing it makes the network notice a peer that is gone.
 */
export const PROBE_FRAME: Uint8Array = Uint8Array.of(0xba, 0x06, 0x00);

/** True for the bytes of {@link PROBE_FRAME}; the host never sees them. */
export function isProbe(frame: Uint8Array): boolean {
  return frame.length === PROBE_FRAME.length && frame.every((byte, i) => byte === PROBE_FRAME[i]);
}
