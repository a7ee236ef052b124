import {
  assert,
  type Crc32,
  MalformedBytes,
  NO_BYTES,
  ProtoReader,
  readUint32,
  readUint64,
  writeUint32,
  writeUint64,
} from '@quorate/foundation';
import type { LogIndex, NodeId, Round } from './ids.ts';
import { EntryType, RecordKind, type WalRecord } from './records.ts';
import { fieldBytes, putField, putVarint, varintBytes } from './varint.ts';

/** Bytes before a record's Data: Length 4, CRC32 4, Term 8, Index 8. */
export const RECORD_HEADER_BYTES = 24;
/** The smallest legal Length field: Term and Index with no Data. A smaller one starts no record. */
export const RECORD_LENGTH_MIN = 16;
/** The largest legal Length field: bounds what a damaged one can make a reader allocate. */
export const RECORD_LENGTH_MAX = 256 * 1024 * 1024;

/**
 * The one codec of WAL records, used by the log, by the frames between peers and by tools.
 *
 * ```
 * +-----------+----------+---------+----------+-----------+
 * | Length 4B | CRC32 4B | Term 8B | Index 8B | Data, var |   little endian
 * +-----------+----------+---------+----------+-----------+
 * ```
 *
 * Length counts Term, Index and Data; the CRC-32 covers Term, Index and Data. Data is the protobuf
 * message `RecordData` of `docs/reference/quorate.proto`.
 */
export interface RecordCodec {
  /** The record's bytes; encoded on the first call, remembered in `record.encoded`. */
  encode(record: WalRecord): Uint8Array;
  /**
   * The record that starts at `offset` and ends at or before `end`, or null when the bytes there
   * are no whole record with a matching CRC. Its length is `decoded.encoded.length`. The result
   * refers to `bytes`; `encoded` and `payload` are views.
   */
  decode(bytes: Uint8Array, offset: number, end: number): WalRecord | null;
  /** The CRC-32 in use, for the parts of formats that are not records. */
  readonly crc32: Crc32;
}

/** Makes the codec on a given CRC-32: zlib's in Node, {@link crc32Table} elsewhere. */
export function createRecordCodec(crc32: Crc32): RecordCodec {
  return {
    crc32,
    encode(record) {
      if (record.encoded === null) record.encoded = encodeRecord(record, crc32);
      return record.encoded;
    },
    decode: (bytes, offset, end) => decodeRecord(bytes, offset, end, crc32),
  };
}

function encodeRecord(record: WalRecord, crc32: Crc32): Uint8Array {
  const { payload } = record;
  const payloadField = payload.length === 0 ? 0 : 1 + varintBytes(payload.length) + payload.length;
  const dataBytes =
    fieldBytes(record.kind) +
    fieldBytes(record.entryType) +
    fieldBytes(record.node) +
    fieldBytes(record.counter) +
    payloadField;
  const length = RECORD_LENGTH_MIN + dataBytes;
  assert(length <= RECORD_LENGTH_MAX, 'a record fits its length limit');
  const bytes = new Uint8Array(8 + length);
  writeUint32(bytes, 0, length);
  writeUint64(bytes, 8, record.round);
  writeUint64(bytes, 16, record.index);
  let at = RECORD_HEADER_BYTES;
  at = putField(bytes, at, 0x08, record.kind);
  at = putField(bytes, at, 0x10, record.entryType);
  at = putField(bytes, at, 0x18, record.node);
  at = putField(bytes, at, 0x20, record.counter);
  if (payload.length > 0) {
    bytes[at] = 0x2a;
    at = putVarint(bytes, at + 1, payload.length);
    bytes.set(payload, at);
    at += payload.length;
  }
  assert(at === bytes.length, 'a record is as long as its length says');
  writeUint32(bytes, 4, crc32(bytes.subarray(8)));
  return bytes;
}

function decodeRecord(
  bytes: Uint8Array,
  offset: number,
  end: number,
  crc32: Crc32,
): WalRecord | null {
  if (end - offset < RECORD_HEADER_BYTES) return null;
  const length = readUint32(bytes, offset);
  if (length < RECORD_LENGTH_MIN || length > end - offset - 8) return null;
  const whole = bytes.subarray(offset, offset + 8 + length);
  if (readUint32(whole, 4) !== crc32(whole.subarray(8))) return null;
  try {
    return decodeChecked(whole);
  } catch (error) {
    if (error instanceof MalformedBytes) return null;
    throw error;
  }
}

function decodeChecked(whole: Uint8Array): WalRecord | null {
  const round = readUint64(whole, 8);
  const index = readUint64(whole, 16);
  let kind = 0;
  let entryType = 0;
  let node = 0;
  let counter = 0;
  let payload = NO_BYTES;
  const reader = new ProtoReader(whole, RECORD_HEADER_BYTES, whole.length);
  while (reader.next()) {
    if (reader.field === 1) kind = reader.uint();
    else if (reader.field === 2) entryType = reader.uint();
    else if (reader.field === 3) node = reader.uint();
    else if (reader.field === 4) counter = reader.uint();
    else if (reader.field === 5) payload = reader.bytes();
    else reader.skip();
  }
  if (!Number.isSafeInteger(round) || !Number.isSafeInteger(index)) return null;
  if (kind < RecordKind.promise || kind > RecordKind.snapshot) return null;
  if (entryType > EntryType.membership) return null;
  return {
    kind: kind as RecordKind,
    entryType: entryType as EntryType,
    round: round as Round,
    index: index as LogIndex,
    node: node as NodeId | 0,
    counter,
    payload,
    encoded: whole,
  };
}
