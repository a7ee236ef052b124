import type { RecordCodec, WalRecord } from '@quorate/consensus';
import {
  alignUp,
  BATCH_END_BYTES_MAX,
  BLOCK_BYTES,
  encodeBatchEnd,
  encodeSegmentHeader,
  type SegmentHeader,
} from './format.ts';

/** A batch that waits for its group. */
export interface QueuedBatch {
  readonly number: number;
  readonly records: readonly WalRecord[];
  readonly mustSync: boolean;
  /** True for the batch with which a new segment starts. */
  readonly opensSegment: boolean;
  /** What it takes at most, batch end included. */
  readonly bytesMax: number;
}

/** Where a group goes and what it continues. */
export interface GroupContext {
  readonly segment: number;
  readonly previousCrc: number;
  readonly durableThrough: number;
  readonly tag: number;
  /** The header to write first when the group opens its segment. */
  readonly header: SegmentHeader | null;
}

/** A group as bytes: whole blocks. */
export interface EncodedGroup {
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  readonly recordBytes: number;
  readonly recordCount: number;
  readonly lastBatch: number;
  /** The CRC of the last batch end, to which the next group chains. */
  readonly lastCrc: number;
  /** The highest index in any of its records. */
  readonly highestIndex: number;
}

const PADDING = new Uint8Array(BLOCK_BYTES);

/** The bytes that a batch takes at most; encodes its records on the way. */
export function batchBytesMax(records: readonly WalRecord[], codec: RecordCodec): number {
  let bytes = BATCH_END_BYTES_MAX;
  for (const record of records) bytes += codec.encode(record).length;
  return bytes;
}

/** Lays batches out as one group: header if asked, records and end of each batch, padding. */
export function encodeGroup(
  batches: readonly QueuedBatch[],
  context: GroupContext,
  codec: RecordCodec,
): EncodedGroup {
  const { crc32 } = codec;
  const parts: Uint8Array[] = [];
  let bytes = 0;
  let recordBytes = 0;
  let recordCount = 0;
  let highestIndex = 0;
  let lastBatch = 0;
  let lastCrc = context.previousCrc;
  const put = (part: Uint8Array): void => {
    parts.push(part);
    bytes += part.length;
  };
  if (context.header !== null) {
    put(encodeSegmentHeader(context.header, crc32));
    put(PADDING.subarray(bytes));
  }
  for (const batch of batches) {
    const start = bytes;
    let crc = 0;
    for (const record of batch.records) {
      const encoded = codec.encode(record);
      crc = crc32(encoded, crc);
      put(encoded);
      if (record.index > highestIndex) highestIndex = record.index;
    }
    const byteCount = bytes - start;
    const end = {
      group: 0,
      batch: batch.number,
      recordCount: batch.records.length,
      byteCount,
      crc,
      previousCrc: lastCrc,
      segment: context.segment,
      durableThrough: context.durableThrough,
      tag: context.tag,
    };
    const encodedEnd = encodeBatchEnd(end, crc32);
    put(encodedEnd);
    lastCrc = crcField(encodedEnd);
    lastBatch = batch.number;
    recordBytes += byteCount;
    recordCount += batch.records.length;
  }
  if (bytes % BLOCK_BYTES !== 0) put(PADDING.subarray(0, alignUp(bytes) - bytes));
  return { parts, bytes, recordBytes, recordCount, lastBatch, lastCrc, highestIndex };
}

/** Copies small parts into one buffer, so that the system call gets one address instead of many. */
export function gather(
  parts: readonly Uint8Array[],
  bytes: number,
  buffer: Uint8Array,
): readonly Uint8Array[] {
  if (bytes > buffer.length) return parts;
  let at = 0;
  for (const part of parts) {
    buffer.set(part, at);
    at += part.length;
  }
  return [buffer.subarray(0, bytes)];
}

function crcField(record: Uint8Array): number {
  return new DataView(record.buffer, record.byteOffset, 8).getUint32(4, true);
}
