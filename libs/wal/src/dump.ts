import {
  type Disk,
  EntryType,
  type RecordCodec,
  RecordKind,
  type WalRecord,
} from '@quorate/consensus';
import { WalError } from './errors.ts';
import { decodeSegmentHeader, segmentName, segmentNumber } from './format.ts';
import { readSegments } from './read-segments.ts';
import { type LogScan, type SegmentBytes, scanLog } from './scan.ts';
import type { RecoveryDecision } from './types.ts';

/** What {@link verifyWal} found; nothing on the disk was changed. */
export interface WalVerdict {
  /** True when the log opens and loses nothing that was durable. */
  readonly sound: boolean;
  readonly decision: RecoveryDecision;
  readonly segments: number;
  readonly batches: number;
  readonly records: number;
  readonly lastBatch: number;
  /** Bytes behind the end that opening would cut. */
  readonly cutBytes: number;
  /** One sentence for a person; names the place of the damage and the way out. */
  readonly summary: string;
}

/** Where a log to look at lies. */
export interface WalLocation {
  readonly disk: Disk;
  readonly directory: string;
  readonly records: RecordCodec;
}

const SOUND: ReadonlySet<RecoveryDecision> = new Set(['W6-clean', 'W7-torn']);

/** Reads a log by the rules of recovery and says what opening it would do. Changes nothing. */
export function verifyWal(
  location: WalLocation,
  done: (error: WalError | null, verdict: WalVerdict | null) => void,
): void {
  scanDirectory(location, (error, found) => {
    if (error !== null || found === null) return done(error, null);
    const { scan } = found;
    const batches = scan.segments.flatMap((segment) => segment.batches);
    done(null, {
      sound: SOUND.has(scan.decision),
      decision: scan.decision,
      segments: scan.segments.length,
      batches: batches.length,
      records: batches.reduce((sum, batch) => sum + batch.records.length, 0),
      lastBatch: scan.nextBatch - 1,
      cutBytes: scan.dirtyEnd - scan.endOffset,
      summary: scan.summary,
    });
  });
}

/**
 * The log as printable lines: segments, batches with their offsets, records, and the verdict at the
 * end. A damaged log is shown up to the damage. Payloads appear by their length alone.
 */
export function dumpWal(
  location: WalLocation,
  done: (error: WalError | null, lines: Iterable<string> | null) => void,
): void {
  scanDirectory(location, (error, found) => {
    if (error !== null || found === null) return done(error, null);
    done(null, dumpLines(found.segments, found.scan, location.records));
  });
}

function scanDirectory(
  location: WalLocation,
  done: (
    error: WalError | null,
    found: { readonly segments: readonly SegmentBytes[]; readonly scan: LogScan } | null,
  ) => void,
): void {
  const { disk, directory, records } = location;
  disk.list(directory, (error, names) => {
    if (error !== null) {
      done(new WalError('WAL_ERR_IO', `${directory}: ${error.message}`, error.code), null);
      return;
    }
    const numbers = names.map(segmentNumber).filter((number) => number !== null);
    if (numbers.length === 0) {
      done(new WalError('WAL_ERR_EMPTY', `${directory} holds no segment`), null);
      return;
    }
    readSegments(
      disk,
      directory,
      numbers.sort((a, b) => a - b),
      (readError, segments) => {
        if (readError !== null) {
          const message = `${directory}: ${readError.message}`;
          done(new WalError('WAL_ERR_IO', message, readError.code), null);
        } else done(null, { segments, scan: scanLog(segments, null, records) });
      },
    );
  });
}

function* dumpLines(
  files: readonly SegmentBytes[],
  scan: LogScan,
  codec: RecordCodec,
): Generator<string> {
  const read = new Map(scan.segments.map((segment) => [segment.header.segment, segment]));
  for (const { number, bytes } of files) {
    const header = decodeSegmentHeader(bytes, codec.crc32)?.value ?? null;
    if (header === null || header.segment !== number) {
      yield `${segmentName(number)} ${bytes.length} bytes, not begun`;
      continue;
    }
    const { identity, firstBatch, checkpoint } = header;
    yield `${segmentName(number)} ${bytes.length} bytes, format ${header.format}, ` +
      `cluster ${identity.clusterId}, node ${identity.nodeId}, disk ${identity.diskId}, ` +
      `protocol ${identity.protocol}, first batch ${firstBatch}${checkpoint ? ', checkpoint' : ''}`;
    for (const batch of read.get(number)?.batches ?? []) {
      const { end } = batch;
      yield `  batch ${end.batch} at ${batch.startOffset}..${batch.endOffset}, ` +
        `${end.recordCount} records, ${end.byteCount} bytes, durable through ${end.durableThrough}`;
      for (const record of batch.records) yield `    ${describeRecord(record)}`;
    }
  }
  yield `${scan.decision}: ${scan.summary}`;
}

/** One record in one line, in the words of the contract. */
function describeRecord(record: WalRecord): string {
  const words: string[] = [nameOf(RecordKind, record.kind)];
  if (record.entryType !== EntryType.none) words.push(nameOf(EntryType, record.entryType));
  if (record.index !== 0) words.push(`index ${record.index}`);
  if (record.round !== 0) words.push(`round ${record.round}`);
  if (record.node !== 0) words.push(`node ${record.node}`);
  if (record.counter !== 0) words.push(`counter ${record.counter}`);
  if (record.payload.length > 0) words.push(`${record.payload.length} bytes`);
  return words.join(' ');
}

function nameOf(names: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(names).find((name) => names[name] === value) ?? String(value);
}
