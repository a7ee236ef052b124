/**
 * CRC-32 (IEEE 802.3, reflected, as in zlib) of `bytes`; `previous` is the CRC of what came before,
 * so that parts can be summed in turn. The result is an unsigned 32-bit number.
 */
export type Crc32 = (bytes: Uint8Array, previous?: number) => number;

const TABLE = buildTable();

/** The portable {@link Crc32}: a table of 256 words. Node bodies inject zlib's, which is faster. */
export const crc32Table: Crc32 = (bytes, previous = 0) => {
  let crc = ~previous;
  for (let i = 0; i < bytes.length; i++) {
    // The index is below 256 and the byte below bytes.length, so neither read is undefined.
    crc = (TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
};

function buildTable(): Int32Array {
  const table = new Int32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    table[n] = c;
  }
  return table;
}
