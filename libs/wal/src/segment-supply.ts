import type { Cancel, Clock, Disk, DiskError, DiskFile, Done, Instant } from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import { BLOCK_BYTES, recycledName, segmentName } from './format.ts';

/** Zeros are written in pieces of this size, so that a log's own write never waits long. */
const ZEROS = new Uint8Array(1024 * 1024);

/** A segment file that exists under its final name, preallocated, durable and empty. */
export interface PreparedSegment {
  readonly number: number;
  readonly file: DiskFile;
}

/** What a {@link SegmentSupply} works with. */
export interface SegmentSupplyOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly clock: Clock;
  readonly segmentBytes: number;
  readonly writeThrough: boolean;
  readonly recycledSegmentsMax: number;
  readonly spaceRetryMicros: number;
  /** A disk operation failed for another reason than a full disk. */
  readonly failed: (error: DiskError) => void;
}

/**
 * Prepares the next segment ahead of the roll: a recycled file, or a new one filled with zeros,
 * because each sync of a growing or sparse file also writes metadata (up to 1.7 times slower). A
 * full disk is met here, while the log can still say so in time (`hasSpace`), and not in a write.
 */
export class SegmentSupply {
  private readonly options: SegmentSupplyOptions;
  /** Names of released files, ready for their next use. */
  private readonly recycled: string[] = [];
  private prepared: PreparedSegment | null = null;
  private full = false;
  private busy = false;
  private stopped = false;
  private onIdle: (() => void) | null = null;
  private retry: Cancel | null = null;
  private createdCount = 0;
  private recycledCount = 0;

  constructor(options: SegmentSupplyOptions) {
    this.options = options;
  }

  /** False while the last try to prepare a segment met a full disk. */
  get hasSpace(): boolean {
    return !this.full;
  }

  /** True when the next segment can be taken. */
  get ready(): boolean {
    return this.prepared !== null;
  }

  get created(): number {
    return this.createdCount;
  }

  get reused(): number {
    return this.recycledCount;
  }

  /** Starts to prepare the segment with this number. */
  prepare(number: number): void {
    assert(!this.busy && this.prepared === null, 'one segment is prepared at a time');
    if (this.stopped) return;
    this.busy = true;
    const name = this.recycled.shift();
    const done = (error: DiskError | null, file: DiskFile | null): void => {
      this.finish(number, error, file);
    };
    if (name === undefined) this.create(number, done);
    else this.reuse(name, number, done);
  }

  /** Hands over the prepared segment. */
  take(): PreparedSegment {
    const { prepared } = this;
    assert(prepared !== null, 'a segment is taken when it is ready');
    this.prepared = null;
    return prepared;
  }

  /** True when a released file of the regular size should be kept for reuse. */
  get wantsRecycled(): boolean {
    return !this.stopped && this.recycled.length < this.options.recycledSegmentsMax;
  }

  /** Adds a file that stands under its recycled name. */
  addRecycled(name: string): void {
    this.recycled.push(name);
  }

  /** Ends the work; `done` is called when no operation is under way any more. */
  stop(done: () => void): void {
    this.stopped = true;
    this.retry?.();
    this.retry = null;
    const close = (): void => {
      const { prepared } = this;
      this.prepared = null;
      if (prepared === null) done();
      else prepared.file.close(() => done());
    };
    if (this.busy) this.onIdle = close;
    else close();
  }

  private path(name: string): string {
    return `${this.options.directory}/${name}`;
  }

  private finish(number: number, error: DiskError | null, file: DiskFile | null): void {
    this.busy = false;
    if (error === null && file !== null) {
      this.full = false;
      this.prepared = { number, file };
    } else if (error !== null && isFull(error)) {
      this.full = true;
      if (!this.stopped) this.retryLater(number);
    } else if (error !== null) {
      this.options.failed(error);
    }
    const { onIdle } = this;
    this.onIdle = null;
    onIdle?.();
  }

  private retryLater(number: number): void {
    const { clock, spaceRetryMicros } = this.options;
    this.retry = clock.schedule((clock.now() + spaceRetryMicros) as Instant, () => {
      this.retry = null;
      this.prepare(number);
    });
  }

  private create(number: number, done: Done<DiskFile | null>): void {
    const { disk, segmentBytes, directory, writeThrough } = this.options;
    const path = this.path(segmentName(number));
    const giveUp = (cause: DiskError, file: DiskFile): void => {
      // A file that ran out of space must not keep what little there is.
      if (isFull(cause)) file.close(() => disk.remove(path, () => done(cause, null)));
      else {
        // Anything else is fatal, and nothing is acknowledged behind it (S5): it is told at once.
        done(cause, null);
        file.close(() => {});
      }
    };
    disk.open(path, { mode: 'create', writeThrough: false }, (error, file) => {
      if (error !== null) return done(error, null);
      fillWithZeros(file, 0, segmentBytes, (fillError) => {
        if (fillError !== null) return giveUp(fillError, file);
        file.sync((syncError) => {
          if (syncError !== null) return giveUp(syncError, file);
          this.createdCount++;
          disk.syncDirectory(directory, (nameError) => {
            if (nameError !== null) return giveUp(nameError, file);
            reopen(disk, path, file, writeThrough, done);
          });
        });
      });
    });
  }

  /** The old header goes first: while it stands the file must not bear a segment's name. */
  private reuse(name: string, number: number, done: Done<DiskFile | null>): void {
    const { disk, directory, writeThrough } = this.options;
    const path = this.path(segmentName(number));
    disk.open(this.path(name), { mode: 'write', writeThrough: false }, (error, file) => {
      if (error !== null) return done(error, null);
      fillWithZeros(file, 0, BLOCK_BYTES, (fillError) => {
        if (fillError !== null) return done(fillError, null);
        file.sync((syncError) => {
          if (syncError !== null) return done(syncError, null);
          disk.rename(this.path(name), path, (renameError) => {
            if (renameError !== null) return done(renameError, null);
            this.recycledCount++;
            disk.syncDirectory(directory, (nameError) => {
              if (nameError !== null) return done(nameError, null);
              reopen(disk, path, file, writeThrough, done);
            });
          });
        });
      });
    });
  }
}

/** The name under which the supply keeps a released segment. */
export function nameForReuse(number: number): string {
  return recycledName(number);
}

/** True for the errors of a disk without room. */
export function isFull(error: DiskError): boolean {
  return error.code === 'ENOSPC' || error.code === 'EDQUOT';
}

/** Writes zeros over [from, to), in pieces. */
export function fillWithZeros(file: DiskFile, from: number, to: number, done: Done): void {
  const step = (at: number): void => {
    if (at >= to) {
      done(null, undefined);
      return;
    }
    const length = Math.min(ZEROS.length, to - at);
    file.write(at, [ZEROS.subarray(0, length)], (error) => {
      if (error !== null) return done(error, undefined);
      step(at + length);
    });
  };
  if (from < to) step(from);
  else file.size((error) => done(error, undefined)); // Ends in a later turn, as everything does.
}

function reopen(
  disk: Disk,
  path: string,
  file: DiskFile,
  writeThrough: boolean,
  done: Done<DiskFile | null>,
): void {
  if (!writeThrough) {
    done(null, file);
    return;
  }
  file.close((error) => {
    if (error !== null) return done(error, null);
    disk.open(path, { mode: 'write', writeThrough: true }, done);
  });
}
