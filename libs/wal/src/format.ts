import { RECORD_HEADER_BYTES, RECORD_LENGTH_MIN } from '@quorate/consensus';
import {
  assert,
  type Crc32,
  MalformedBytes,
  ProtoReader,
  ProtoWriter,
  readUint32,
  writeUint32,
} from '@quorate/foundation';
import type { WalIdentity } from './types.ts';

/** Groups start on a multiple of this and are padded to one: a sync never shares a block. */
export const BLOCK_BYTES = 4096;
/** The version of the format; a log with another one is refused. */
export const FORMAT_VERSION = 1;
/** No local record is longer than this. */
export const LOCAL_RECORD_BYTES_MAX = BLOCK_BYTES;
/** What a batch end takes at most: 24 bytes of header and nine fields of at most 10 bytes. */
export const BATCH_END_BYTES_MAX = 128;

/**
 * Kinds of the records that are local to one log. They lie far above the engines' kinds, and below
 * 128, so that the kind is the second byte of the data.
 */
const KIND_SEGMENT_HEADER = 64;
const KIND_BATCH_END = 65;

const SEGMENT_NAME = /^wal-segment-(\d{5,15})\.log$/;
const RECYCLED_NAME = /^wal-recycled-(\d{5,15})\.log$/;

/** The file name of a segment, `wal-segment-00042.log`. */
export function segmentName(number: number): string {
  return `wal-segment-${String(number).padStart(5, '0')}.log`;
}

/** The name under which a released segment waits for its next use. */
export function recycledName(number: number): string {
  return `wal-recycled-${String(number).padStart(5, '0')}.log`;
}

/** The number in a segment's file name, or null for any other name. */
export function segmentNumber(name: string): number | null {
  const match = SEGMENT_NAME.exec(name);
  return match === null ? null : Number(match[1]);
}

/** True for the name of a segment that waits for its next use. */
export function isRecycledName(name: string): boolean {
  return RECYCLED_NAME.test(name);
}

/** The first multiple of the block size at or above `offset`. */
export function alignUp(offset: number): number {
  return Math.ceil(offset / BLOCK_BYTES) * BLOCK_BYTES;
}

/** The first record of a segment. */
export interface SegmentHeader {
  readonly format: number;
  readonly identity: WalIdentity;
  readonly segment: number;
  /** The number of the segment's first batch: what recovery expects to find. */
  readonly firstBatch: number;
  /** The CRC of the batch end before the first batch; 0 at the start of the log. */
  readonly previousCrc: number;
  /** True when the first batch is a checkpoint, so that older segments may go. */
  readonly checkpoint: boolean;
}

/** The record behind the records of each batch; without it the batch does not exist. */
export interface BatchEnd {
  /** The consensus group; always 0 today. */
  readonly group: number;
  /** Dense, the log's own: 1, 2, 3 ... over all segments. */
  readonly batch: number;
  readonly recordCount: number;
  readonly byteCount: number;
  /** Over all bytes of the batch's records, their Length fields included. */
  readonly crc: number;
  /** The CRC field of the batch end before this one: chains the batches together. */
  readonly previousCrc: number;
  readonly segment: number;
  /** The last batch known to be durable when this one was written. */
  readonly durableThrough: number;
  /** {@link identityTag} of the log's owner. */
  readonly tag: number;
}

/** A local record as found in a file. */
export interface FoundLocal<T> {
  readonly value: T;
  /** The record's own CRC field. */
  readonly recordCrc: number;
  /** The offset behind the record. */
  readonly end: number;
}

/** 32 bits that stand for the owner in each batch end: a copied batch of another log never fits. */
export function identityTag(identity: WalIdentity, crc32: Crc32): number {
  return crc32(encodeIdentity(identity));
}

/** Encodes a segment header, without padding. */
export function encodeSegmentHeader(header: SegmentHeader, crc32: Crc32): Uint8Array {
  const data = new ProtoWriter()
    .uint(1, KIND_SEGMENT_HEADER)
    .uint(2, header.format)
    .bytes(3, encodeIdentity(header.identity))
    .uint(4, header.segment)
    .uint(5, header.firstBatch)
    .uint(6, header.previousCrc)
    .bool(7, header.checkpoint)
    .whole();
  return encodeLocal(data, crc32);
}

/** The header at the start of a segment, or null when there is none. */
export function decodeSegmentHeader(
  bytes: Uint8Array,
  crc32: Crc32,
): FoundLocal<SegmentHeader> | null {
  return decodeLocal(bytes, 0, KIND_SEGMENT_HEADER, crc32, (reader) => {
    const value = {
      format: 0,
      identity: { clusterId: '', nodeId: 0, diskId: '', protocol: '' } as unknown as WalIdentity,
      segment: 0,
      firstBatch: 0,
      previousCrc: 0,
      checkpoint: false,
    };
    while (reader.next()) {
      if (reader.field === 2) value.format = reader.uint();
      else if (reader.field === 3) value.identity = decodeIdentity(reader.message());
      else if (reader.field === 4) value.segment = reader.uint();
      else if (reader.field === 5) value.firstBatch = reader.uint();
      else if (reader.field === 6) value.previousCrc = reader.uint();
      else if (reader.field === 7) value.checkpoint = reader.bool();
      else reader.skip();
    }
    return value;
  });
}

/** Encodes a batch end. */
export function encodeBatchEnd(end: BatchEnd, crc32: Crc32): Uint8Array {
  const data = new ProtoWriter(BATCH_END_BYTES_MAX)
    .uint(1, KIND_BATCH_END)
    .uint(2, end.group)
    .uint(3, end.batch)
    .uint(4, end.recordCount)
    .uint(5, end.byteCount)
    .uint(6, end.crc)
    .uint(7, end.previousCrc)
    .uint(8, end.segment)
    .uint(9, end.durableThrough)
    .uint(10, end.tag)
    .whole();
  const bytes = encodeLocal(data, crc32);
  assert(bytes.length <= BATCH_END_BYTES_MAX, 'a batch end fits its bound');
  return bytes;
}

/** The batch end that starts at `offset`, or null when there is none. */
export function decodeBatchEnd(
  bytes: Uint8Array,
  offset: number,
  crc32: Crc32,
): FoundLocal<BatchEnd> | null {
  // Most offsets are no batch end; two bytes tell, before anything is summed.
  if (bytes[offset + RECORD_HEADER_BYTES + 1] !== KIND_BATCH_END) return null;
  return decodeLocal(bytes, offset, KIND_BATCH_END, crc32, (reader) => {
    const value = {
      group: 0,
      batch: 0,
      recordCount: 0,
      byteCount: 0,
      crc: 0,
      previousCrc: 0,
      segment: 0,
      durableThrough: 0,
      tag: 0,
    };
    while (reader.next()) {
      if (reader.field === 2) value.group = reader.uint();
      else if (reader.field === 3) value.batch = reader.uint();
      else if (reader.field === 4) value.recordCount = reader.uint();
      else if (reader.field === 5) value.byteCount = reader.uint();
      else if (reader.field === 6) value.crc = reader.uint();
      else if (reader.field === 7) value.previousCrc = reader.uint();
      else if (reader.field === 8) value.segment = reader.uint();
      else if (reader.field === 9) value.durableThrough = reader.uint();
      else if (reader.field === 10) value.tag = reader.uint();
      else reader.skip();
    }
    return value;
  });
}

function encodeIdentity(identity: WalIdentity): Uint8Array {
  return new ProtoWriter()
    .text(1, identity.clusterId)
    .uint(2, identity.nodeId)
    .text(3, identity.diskId)
    .text(4, identity.protocol)
    .whole();
}

function decodeIdentity(reader: ProtoReader): WalIdentity {
  const identity = { clusterId: '', nodeId: 0, diskId: '', protocol: '' };
  while (reader.next()) {
    if (reader.field === 1) identity.clusterId = reader.text();
    else if (reader.field === 2) identity.nodeId = reader.uint();
    else if (reader.field === 3) identity.diskId = reader.text();
    else if (reader.field === 4) identity.protocol = reader.text();
    else reader.skip();
  }
  return identity as unknown as WalIdentity;
}

/** Puts data into the record layout with Term = Index = 0. */
function encodeLocal(data: Uint8Array, crc32: Crc32): Uint8Array {
  const bytes = new Uint8Array(RECORD_HEADER_BYTES + data.length);
  assert(bytes.length <= LOCAL_RECORD_BYTES_MAX, 'a local record fits a block');
  writeUint32(bytes, 0, RECORD_LENGTH_MIN + data.length);
  bytes.set(data, RECORD_HEADER_BYTES);
  writeUint32(bytes, 4, crc32(bytes.subarray(8)));
  return bytes;
}

function decodeLocal<T>(
  bytes: Uint8Array,
  offset: number,
  kind: number,
  crc32: Crc32,
  read: (reader: ProtoReader) => T,
): FoundLocal<T> | null {
  if (offset + RECORD_HEADER_BYTES + 2 > bytes.length) return null;
  const data = offset + RECORD_HEADER_BYTES;
  if (bytes[data] !== 0x08 || bytes[data + 1] !== kind) return null;
  const end = offset + 8 + readUint32(bytes, offset);
  if (end - offset > LOCAL_RECORD_BYTES_MAX || end > bytes.length || end < data) return null;
  const recordCrc = readUint32(bytes, offset + 4);
  if (crc32(bytes.subarray(offset + 8, end)) !== recordCrc) return null;
  for (let at = offset + 8; at < data; at++) if (bytes[at] !== 0) return null;
  try {
    return { value: read(new ProtoReader(bytes, data, end)), recordCrc, end };
  } catch (error) {
    if (error instanceof MalformedBytes) return null;
    throw error;
  }
}
