import { RECORD_LENGTH_MIN, type RecordCodec, type WalRecord } from '@quorate/consensus';
import { readUint32 } from '@quorate/foundation';
import {
  alignUp,
  type BatchEnd,
  BLOCK_BYTES,
  decodeBatchEnd,
  decodeSegmentHeader,
  FORMAT_VERSION,
  type FoundLocal,
  identityTag,
  type SegmentHeader,
  segmentName,
} from './format.ts';
import type { RecoveryDecision, WalIdentity } from './types.ts';

/** One segment file, whole. */
export interface SegmentBytes {
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** One batch that survived. */
export interface ScannedBatch {
  readonly end: BatchEnd;
  readonly segment: number;
  /** Where its first record starts, and the offset behind its batch end. */
  readonly startOffset: number;
  readonly endOffset: number;
  readonly recordCrc: number;
  readonly records: readonly WalRecord[];
}

/** What is known of a segment that holds part of the log. */
export interface ScannedSegment {
  readonly header: SegmentHeader;
  readonly fileBytes: number;
  readonly batches: readonly ScannedBatch[];
}

/** The judgement on a directory of segments; nothing was changed yet. */
export interface LogScan {
  readonly decision: RecoveryDecision;
  /** The segments with surviving batches, oldest first; the last one is the log's end. */
  readonly segments: readonly ScannedSegment[];
  /** The offset behind the last surviving batch, in the last of `segments`. */
  readonly endOffset: number;
  /** The offset behind the last byte that is not zero in that segment. */
  readonly dirtyEnd: number;
  /**
   * Where zeros are written from to hide what lies behind. The rest of the last batch's block was
   * padded with its group: writing there again could tear a durable batch in a power cut. Only a
   * torn group, of which nobody was told, leaves something else behind a batch in its block.
   */
  readonly zeroFrom: number;
  /** The number of the next batch, and the CRC it must chain to. */
  readonly nextBatch: number;
  readonly previousCrc: number;
  /** One sentence: what was found and, for a refusal, the way out. */
  readonly summary: string;
}

interface Expected {
  readonly batch: number;
  readonly previousCrc: number;
  readonly segment: number;
  readonly tag: number;
}

const NOTHING = {
  ...{ segments: [], endOffset: 0, dirtyEnd: 0, zeroFrom: 0 },
  ...{ nextBatch: 1, previousCrc: 0 },
};

/**
 * Reads a log and decides by the table of `docs/internals/wal.md` (labels W3 to W8) what it is.
 * Pure: segments in, judgement out. `segments` is sorted by number and not empty; a null identity
 * takes the owner from the first header, for tools that only look.
 */
export function scanLog(
  segments: readonly SegmentBytes[],
  identity: WalIdentity | null,
  codec: RecordCodec,
): LogScan {
  const first = segments[0] as SegmentBytes;
  const header = decodeSegmentHeader(first.bytes, codec.crc32)?.value ?? null;
  if (header === null || header.segment !== first.number) {
    const summary =
      `${segmentName(first.number)} has no readable header, so nothing behind it can be trusted. ` +
      WAY_OUT;
    return { ...NOTHING, decision: 'W5-first-header-damaged', summary };
  }
  const owner = identity ?? header.identity;
  for (const segment of segments) {
    const refusal = refuseHeader(segment, owner, codec);
    if (refusal !== null) return refusal;
  }
  return judgeEnd(segments, readChain(segments, header, owner, codec), owner, codec);
}

const WAY_OUT =
  'Restore this replica from its peers: start it with an empty data directory as a new member; ' +
  'never copy another directory over it.';

/** W3 and W4: a readable header that names another owner or another format. */
function refuseHeader(
  segment: SegmentBytes,
  owner: WalIdentity,
  codec: RecordCodec,
): LogScan | null {
  const header = decodeSegmentHeader(segment.bytes, codec.crc32)?.value ?? null;
  // A header with another number is what a recycled file held before; it says nothing.
  if (header === null || header.segment !== segment.number) return null;
  const name = segmentName(segment.number);
  if (header.format !== FORMAT_VERSION) {
    const summary = `${name} has format ${header.format}; this build reads ${FORMAT_VERSION}.`;
    return { ...NOTHING, decision: 'W4-unknown-format', summary };
  }
  for (const key of ['clusterId', 'nodeId', 'diskId', 'protocol'] as const) {
    if (header.identity[key] === owner[key]) continue;
    const found = `${key} ${header.identity[key]}`;
    const summary = `${name} belongs to ${found}, not ${owner[key]}. Give it its own directory.`;
    return { ...NOTHING, decision: 'W3-foreign', summary };
  }
  return null;
}

interface Chain {
  readonly segments: { header: SegmentHeader; fileBytes: number; batches: ScannedBatch[] }[];
  /** The position in the input of the segment in which the chain ends. */
  readonly position: number;
  readonly endOffset: number;
  readonly nextBatch: number;
  readonly previousCrc: number;
}

/** Follows the batches while number, previous CRC, segment and owner fit. */
function readChain(
  segments: readonly SegmentBytes[],
  firstHeader: SegmentHeader,
  owner: WalIdentity,
  codec: RecordCodec,
): Chain {
  const tag = identityTag(owner, codec.crc32);
  const read: Chain['segments'] = [];
  let position = -1;
  let endOffset = 0;
  let nextBatch = firstHeader.firstBatch;
  let previousCrc = firstHeader.previousCrc;
  for (let index = 0; index < segments.length; index++) {
    const { number, bytes } = segments[index] as SegmentBytes;
    const header = decodeSegmentHeader(bytes, codec.crc32)?.value ?? null;
    const previous = read.at(-1);
    if (header === null || header.segment !== number) break;
    if (previous !== undefined && number !== previous.header.segment + 1) break;
    if (header.firstBatch !== nextBatch || header.previousCrc !== previousCrc) break;
    const batches: ScannedBatch[] = [];
    let at = BLOCK_BYTES;
    for (;;) {
      const expected = { batch: nextBatch, previousCrc, segment: number, tag };
      const batch = readBatchNear(bytes, at, expected, codec);
      if (batch === null) break;
      batches.push(batch);
      at = batch.endOffset;
      nextBatch++;
      previousCrc = batch.recordCrc;
    }
    // A begun segment without its first batch is no part of the log yet, save the very first one.
    if (batches.length === 0 && index > 0) break;
    read.push({ header, fileBytes: bytes.length, batches });
    position = index;
    endOffset = at;
  }
  return { segments: read, position, endOffset, nextBatch, previousCrc };
}

/** The next batch follows at once (same group) or at the next block (next group). */
function readBatchNear(
  bytes: Uint8Array,
  at: number,
  expected: Expected,
  codec: RecordCodec,
): ScannedBatch | null {
  const here = readBatch(bytes, at, expected, codec);
  if (here !== null || at % BLOCK_BYTES === 0) return here;
  return readBatch(bytes, alignUp(at), expected, codec);
}

function readBatch(
  bytes: Uint8Array,
  start: number,
  expected: Expected,
  codec: RecordCodec,
): ScannedBatch | null {
  const records: WalRecord[] = [];
  let at = start;
  while (at + 8 + RECORD_LENGTH_MIN <= bytes.length) {
    if (readUint32(bytes, at) < RECORD_LENGTH_MIN) return null;
    const found = decodeBatchEnd(bytes, at, codec.crc32);
    if (found !== null) return acceptBatch(bytes, start, at, found, records, expected, codec);
    const record = codec.decode(bytes, at, bytes.length);
    if (record === null || record.encoded === null) return null;
    records.push(record);
    at += record.encoded.length;
  }
  return null;
}

function acceptBatch(
  bytes: Uint8Array,
  start: number,
  endAt: number,
  found: FoundLocal<BatchEnd>,
  records: readonly WalRecord[],
  expected: Expected,
  codec: RecordCodec,
): ScannedBatch | null {
  const end = found.value;
  const fits =
    end.batch === expected.batch &&
    end.previousCrc === expected.previousCrc &&
    end.segment === expected.segment &&
    end.tag === expected.tag &&
    end.group === 0 &&
    end.recordCount === records.length &&
    end.byteCount === endAt - start &&
    end.crc === codec.crc32(bytes.subarray(start, endAt));
  if (!fits) return null;
  return {
    end,
    segment: expected.segment,
    startOffset: start,
    endOffset: found.end,
    recordCrc: found.recordCrc,
    records,
  };
}

/** W6, W7, W8: what lies behind the last batch that fits. */
function judgeEnd(
  segments: readonly SegmentBytes[],
  chain: Chain,
  owner: WalIdentity,
  codec: RecordCodec,
): LogScan {
  const last = segments[chain.position] as SegmentBytes;
  const dirtyEnd = endOfBytes(last.bytes, chain.endOffset);
  const { endOffset, nextBatch, previousCrc } = chain;
  const block = last.bytes.subarray(0, alignUp(endOffset));
  const zeroFrom = endOfBytes(block, endOffset) > endOffset ? endOffset : block.length;
  const { segments: kept } = chain;
  const scan = { segments: kept, endOffset, dirtyEnd, zeroFrom, nextBatch, previousCrc };
  const tag = identityTag(owner, codec.crc32);
  for (let index = chain.position; index < segments.length; index++) {
    const { number, bytes } = segments[index] as SegmentBytes;
    const from = index === chain.position ? endOffset : 0;
    const header = decodeSegmentHeader(bytes, codec.crc32)?.value ?? null;
    // A roll follows the sync of all that came before it, so a header is a proof like a batch end.
    const rolled = header !== null && header.segment === number && header.firstBatch > nextBatch;
    const expected = { batch: nextBatch, previousCrc: 0, segment: number, tag };
    const proof = rolled || findProof(bytes, from, expected, codec);
    if (!proof) continue;
    const summary =
      `batch ${nextBatch} should follow at offset ${endOffset} of ${segmentName(last.number)} ` +
      `and is damaged or gone, but ${segmentName(number)} says that it was durable. ${WAY_OUT}`;
    return { ...scan, decision: 'W8-corrupt', summary };
  }
  const begun = segments.slice(chain.position + 1).some(({ bytes }) => {
    return endOfBytes(bytes.subarray(0, BLOCK_BYTES), 0) > 0;
  });
  if (dirtyEnd === endOffset && !begun) {
    const summary = `${nextBatch - 1} is the last batch, nothing lies behind it.`;
    return { ...scan, decision: 'W6-clean', summary };
  }
  const summary =
    `${nextBatch - 1} is the last whole batch; what lies behind offset ${endOffset} of ` +
    `${segmentName(last.number)} was never reported durable and is cut.`;
  return { ...scan, decision: 'W7-torn', summary };
}

/**
 * True when a batch end of this log says that batch `expected.batch` was durable. The design asks
 * for the block boundaries, where groups start; every offset is looked at here, which finds those
 * and also the later batches of a group whose first record is damaged too. Two bytes rule out
 * nearly all offsets, so 64 MiB take a fraction of a second, and only when an end is judged.
 */
function findProof(
  bytes: Uint8Array,
  from: number,
  expected: Expected,
  codec: RecordCodec,
): boolean {
  const limit = endOfBytes(bytes, from);
  for (let at = from; at < limit; at++) {
    const found = decodeBatchEnd(bytes, at, codec.crc32);
    if (found === null) continue;
    const end = found.value;
    if (end.tag !== expected.tag || end.segment !== expected.segment) continue;
    if (end.durableThrough >= expected.batch) return true;
  }
  return false;
}

/** The offset behind the last byte that is not zero, at least `from`. */
function endOfBytes(bytes: Uint8Array, from: number): number {
  let end = bytes.length;
  while (end > from && end % 4 !== 0 && bytes[end - 1] === 0) end--;
  // Most of a segment is zeros: whole words first, which is several times faster.
  if (bytes.byteOffset % 4 === 0 && end % 4 === 0) {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, end / 4);
    let word = words.length;
    while (word * 4 > from + 4 && words[word - 1] === 0) word--;
    end = word * 4;
  }
  while (end > from && bytes[end - 1] === 0) end--;
  return Math.max(end, from);
}
