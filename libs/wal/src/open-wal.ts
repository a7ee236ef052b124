import type { DiskError, DiskFile, Done, WalRecord } from '@quorate/consensus';
import { assert, required } from '@quorate/foundation';
import { DiskWal } from './disk-wal.ts';
import type { DiskWalState } from './disk-wal-state.ts';
import { WalError, type WalErrorCode } from './errors.ts';
import { FAILURE_MARK_NAME, leaveFailureMark, rewriteSegment } from './failure-mark.ts';
import {
  alignUp,
  BLOCK_BYTES,
  encodeSegmentHeader,
  FORMAT_VERSION,
  isRecycledName,
  segmentName,
  segmentNumber,
} from './format.ts';
import { createMemoryWal } from './memory-wal.ts';
import { readSegments } from './read-segments.ts';
import { type LogScan, type SegmentBytes, scanLog } from './scan.ts';
import type { LiveSegment } from './segment-release.ts';
import { fillWithZeros, SegmentSupply } from './segment-supply.ts';
import { inTurn } from './sequence.ts';
import type { OpenedWal, RecoveryDecision, RecoveryReport, WalOptions } from './types.ts';

/** The default size of a segment. */
export const SEGMENT_BYTES_DEFAULT = 64 * 1024 * 1024;
/** The smallest size of a segment: a header and a few groups. */
export const SEGMENT_BYTES_MIN = 4 * BLOCK_BYTES;

type Settings = Required<WalOptions>;
type OpenDone = (error: WalError | null, opened: OpenedWal | null) => void;

/** What the decision leads to when it is a refusal. */
const REFUSALS: Partial<Record<RecoveryDecision, WalErrorCode>> = {
  'W2-empty-refused': 'WAL_ERR_EMPTY',
  'W3-foreign': 'WAL_ERR_FOREIGN',
  'W4-unknown-format': 'WAL_ERR_FORMAT',
  'W5-first-header-damaged': 'WAL_ERR_CORRUPT',
  'W8-corrupt': 'WAL_ERR_CORRUPT',
};

/**
 * Opens a log: reads it, decides by the table of `docs/internals/wal.md`, repairs a torn end, makes
 * durable all that it reports, and hands it over. `done` is called once, never inside this call.
 * Refuses with a `WalError` rather than lose a batch that was once durable.
 */
export function openWal(options: WalOptions, done: OpenDone): void {
  const settings = withDefaults(options);
  if (settings.sync === 'memory') {
    settings.clock.defer(() => done(null, openMemory(settings)));
    return;
  }
  new WalOpening(settings, done).begin();
}

function withDefaults(options: WalOptions): Settings {
  const sync = options.sync ?? 'group';
  const synced = sync === 'each' || sync === 'group';
  const settings = {
    sync,
    segmentBytes: SEGMENT_BYTES_DEFAULT,
    recycledSegmentsMax: 1,
    groupDelayMicros: 0,
    groupBytesMax: 1024 * 1024,
    periodicMicros: 10_000,
    spaceRetryMicros: 1_000_000,
    queuedBatchesMax: 65_536,
    ...options,
    writeThrough: synced && (options.writeThrough ?? true),
  };
  assert(settings.segmentBytes % BLOCK_BYTES === 0, 'a segment is whole blocks');
  assert(settings.segmentBytes >= SEGMENT_BYTES_MIN, 'a segment holds a header and groups');
  return settings;
}

function openMemory(settings: Settings): OpenedWal {
  const summary = 'the log is kept in memory only: nothing survives this process.';
  const recovery = emptyReport('W9-memory', summary);
  return { wal: createMemoryWal(settings.clock), records: [], recovery };
}

function emptyReport(decision: RecoveryDecision, summary: string): RecoveryReport {
  return {
    decision,
    segments: 0,
    batches: 0,
    records: 0,
    lastBatch: 0,
    cutBytes: 0,
    deletedSegments: 0,
    summary,
  };
}

/** One opening: each method is a step that ends in the next one, in `fail` or in `done`. */
class WalOpening {
  private readonly settings: Settings;
  private readonly done: OpenDone;
  private recycled: readonly string[] = [];
  /** True when an earlier process left the mark of a failed write or sync. */
  private distrustsCache = false;

  constructor(settings: Settings, done: OpenDone) {
    this.settings = settings;
    this.done = done;
  }

  begin(): void {
    const { disk, directory, create } = this.settings;
    if (!create) {
      this.list();
      return;
    }
    disk.makeDirectory(directory, (error) => {
      if (error !== null) return this.failDisk(error);
      inTurn(
        parentsOf(directory),
        (parent, next) => disk.syncDirectory(parent, next),
        (syncError) => {
          if (syncError !== null) return this.failDisk(syncError);
          this.list();
        },
      );
    });
  }

  private list(): void {
    const { disk, directory } = this.settings;
    disk.list(directory, (error, names) => {
      if (error !== null && error.code === 'ENOENT') return this.refuseEmpty();
      if (error !== null) return this.failDisk(error);
      const numbers = names.map(segmentNumber).filter((number) => number !== null);
      this.recycled = names.filter(isRecycledName);
      this.distrustsCache = names.includes(FAILURE_MARK_NAME);
      if (numbers.length > 0) return this.read(numbers.sort((a, b) => a - b));
      if (!this.settings.create) return this.refuseEmpty();
      this.dropRecycled(() => this.createFirst());
    });
  }

  private refuseEmpty(): void {
    const { directory } = this.settings;
    const message =
      `${directory} holds no log (W2-empty-refused). A replica that lost its log must not vote ` +
      'under its old id: remove it from the cluster and add it as a new member.';
    this.done(new WalError('WAL_ERR_EMPTY', message), null);
  }

  /** Files kept for reuse are few and their state unknown: a new process starts without them. */
  private dropRecycled(next: () => void): void {
    const { disk, directory } = this.settings;
    inTurn(
      this.recycled,
      (name, removed) => disk.remove(`${directory}/${name}`, removed),
      (error) => {
        if (error !== null) return this.failDisk(error);
        disk.syncDirectory(directory, (syncError) => {
          if (syncError !== null) return this.failDisk(syncError);
          next();
        });
      },
    );
  }

  /** W1: an empty directory becomes a log with one segment, durable before anything is appended. */
  private createFirst(): void {
    const { disk, directory, segmentBytes, identity, records } = this.settings;
    const path = `${directory}/${segmentName(1)}`;
    const header = {
      format: FORMAT_VERSION,
      identity,
      segment: 1,
      firstBatch: 1,
      previousCrc: 0,
      checkpoint: false,
    };
    const failed = (error: DiskError | null): error is DiskError => {
      if (error !== null) this.failDisk(error);
      return error !== null;
    };
    disk.open(path, { mode: 'create', writeThrough: false }, (error, file) => {
      if (failed(error)) return;
      fillWithZeros(file, 0, segmentBytes, (fillError) => {
        if (failed(fillError)) return;
        file.write(0, [encodeSegmentHeader(header, records.crc32)], (writeError) => {
          if (failed(writeError)) return;
          file.sync((syncError) => {
            if (failed(syncError)) return;
            disk.syncDirectory(directory, (nameError) => {
              if (failed(nameError)) return;
              this.handOverNew(path, file);
            });
          });
        });
      });
    });
  }

  private handOverNew(path: string, file: DiskFile): void {
    const segment = {
      number: 1,
      firstBatch: 1,
      checkpoint: false,
      fileBytes: this.settings.segmentBytes,
      highestIndex: 0,
    };
    const end = { offset: BLOCK_BYTES, nextBatch: 1, previousCrc: 0, marked: false };
    const report = emptyReport('W1-created', 'a new log was created.');
    this.reopen(path, file, (appending) => {
      this.handOver([segment], appending, end, [], { ...report, segments: 1 });
    });
  }

  private read(numbers: readonly number[]): void {
    const { disk, directory } = this.settings;
    readSegments(disk, directory, numbers, (error, segments) => {
      if (error !== null) return this.failDisk(error);
      this.decide(segments);
    });
  }

  private decide(segments: readonly SegmentBytes[]): void {
    const scan = scanLog(segments, this.settings.identity, this.settings.records);
    const unborn = scan.decision === 'W5-first-header-damaged' && segments.length === 1;
    if (unborn && this.settings.create) {
      // The first header is durable before a log is ever used, so a creation was interrupted.
      this.dropRecycled(() => this.createFirst());
      return;
    }
    const refusal = REFUSALS[scan.decision];
    if (refusal !== undefined) {
      const where = this.settings.directory;
      this.done(new WalError(refusal, `${where}: ${scan.summary} (${scan.decision})`), null);
      return;
    }
    const kept = scan.segments.length;
    const later = segments.slice(kept).map(({ number }) => segmentName(number));
    this.recycled = [...this.recycled, ...later.reverse()];
    this.deleteLater(() => {
      const last = required(segments[kept - 1], 'a recovered log has a segment');
      if (this.distrustsCache) this.rewrite(scan, later.length, last);
      else this.repair(scan, later.length);
    });
  }

  /** Segments behind the end go, the newest one first, each removal durable before the next. */
  private deleteLater(next: () => void): void {
    const { disk, directory } = this.settings;
    inTurn(
      this.recycled,
      (name, removed) => {
        disk.remove(`${directory}/${name}`, (error) => {
          if (error !== null) return removed(error, undefined);
          disk.syncDirectory(directory, removed);
        });
      },
      (error) => {
        if (error !== null) return this.failDisk(error);
        next();
      },
    );
  }

  /**
   * W6 and W7: zeros behind the end, so that nothing there is ever read again, then a sync: what a
   * killed process wrote and did not sync may be read now and must not be lost later.
   */
  private repair(scan: LogScan, deletedSegments: number): void {
    const { disk, directory } = this.settings;
    const last = required(scan.segments.at(-1), 'a recovered log has a segment');
    const path = `${directory}/${segmentName(last.header.segment)}`;
    disk.open(path, { mode: 'write', writeThrough: false }, (error, file) => {
      if (error !== null) return this.failDisk(error);
      fillWithZeros(file, scan.zeroFrom, scan.dirtyEnd, (zeroError) => {
        if (zeroError !== null) return this.failDisk(zeroError);
        file.sync((syncError) => {
          if (syncError !== null) return this.failSync(syncError);
          disk.syncDirectory(directory, (nameError) => {
            if (nameError !== null) return this.failDisk(nameError);
            this.reopen(path, file, (appending) => {
              this.handOverRecovered(scan, deletedSegments, appending);
            });
          });
        });
      });
    });
  }

  /** As `repair`, for a log whose last process met a failed write or sync. */
  private rewrite(scan: LogScan, deletedSegments: number, last: SegmentBytes): void {
    const { disk, directory, segmentBytes, writeThrough } = this.settings;
    const name = segmentName(last.number);
    const bytes = last.bytes.subarray(0, scan.endOffset);
    const fileBytes = Math.max(segmentBytes, alignUp(scan.endOffset));
    rewriteSegment({ disk, directory, name, bytes, fileBytes }, (error) => {
      if (error !== null) return this.failDisk(error);
      disk.open(`${directory}/${name}`, { mode: 'write', writeThrough }, (openError, file) => {
        if (openError !== null) return this.failDisk(openError);
        this.handOverRecovered(scan, deletedSegments, file);
      });
    });
  }

  private handOverRecovered(scan: LogScan, deletedSegments: number, file: DiskFile): void {
    const batches = scan.segments.flatMap((segment) => segment.batches);
    const records: WalRecord[] = batches.flatMap((batch) => batch.records);
    const segments = scan.segments.map(({ header, fileBytes, batches: held }) => ({
      number: header.segment,
      firstBatch: header.firstBatch,
      checkpoint: header.checkpoint,
      fileBytes,
      highestIndex: highestIndexOf(held.flatMap((batch) => batch.records)),
    }));
    const report: RecoveryReport = {
      decision: scan.decision,
      segments: segments.length,
      batches: batches.length,
      records: records.length,
      lastBatch: scan.nextBatch - 1,
      cutBytes: scan.dirtyEnd - scan.endOffset,
      deletedSegments,
      summary: scan.summary,
    };
    const end = {
      offset: alignUp(scan.endOffset),
      nextBatch: scan.nextBatch,
      previousCrc: scan.previousCrc,
      marked: batches.at(-1)?.records.length === 0,
    };
    this.handOver(segments, file, end, records, report);
  }

  private handOver(
    segments: LiveSegment[],
    file: DiskFile,
    end: Pick<DiskWalState, 'offset' | 'nextBatch' | 'previousCrc' | 'marked'>,
    records: readonly WalRecord[],
    recovery: RecoveryReport,
  ): void {
    let wal: DiskWal | null = null;
    const supply = new SegmentSupply({
      ...this.settings,
      failed: (error) => wal?.failDisk(error),
    });
    wal = new DiskWal({ ...this.settings, ...end, segments, file }, supply);
    this.done(null, { wal, records, recovery });
  }

  /** Exchanges a plain descriptor for a write-through one where the settings ask for it. */
  private reopen(path: string, file: DiskFile, next: (file: DiskFile) => void): void {
    if (!this.settings.writeThrough) {
      next(file);
      return;
    }
    file.close((closeError) => {
      if (closeError !== null) return this.failDisk(closeError);
      const done: Done<DiskFile> = (error, opened) => {
        if (error !== null) return this.failDisk(error);
        next(opened);
      };
      this.settings.disk.open(path, { mode: 'write', writeThrough: true }, done);
    });
  }

  private failSync(error: DiskError): void {
    const { disk, directory } = this.settings;
    leaveFailureMark(disk, directory, () => this.failDisk(error));
  }

  private failDisk(error: DiskError): void {
    const message = `${this.settings.directory}: ${error.code}: ${error.message}`;
    this.done(new WalError('WAL_ERR_IO', message, error.code), null);
  }
}

function highestIndexOf(records: readonly WalRecord[]): number {
  let highest = 0;
  for (const record of records) highest = Math.max(highest, record.index);
  return highest;
}

/** The directories whose entries lead to `path`, the root first. */
function parentsOf(path: string): string[] {
  const steps = path.split('/').filter((step) => step !== '' && step !== '.');
  return steps.map((_, index) => steps.slice(0, index).join('/'));
}
