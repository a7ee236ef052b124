import type { Cancel, DiskError, DiskFile, Instant, LogIndex, WalRecord } from '@quorate/consensus';
import { assert, BoundedQueue, required } from '@quorate/foundation';
import { Acknowledgements } from './acknowledgements.ts';
import { type DiskWalState, noCounts } from './disk-wal-state.ts';
import { WalError } from './errors.ts';
import { leaveFailureMark } from './failure-mark.ts';
import { alignUp, BLOCK_BYTES, FORMAT_VERSION, identityTag } from './format.ts';
import {
  batchBytesMax,
  type EncodedGroup,
  encodeGroup,
  gather,
  type QueuedBatch,
} from './group.ts';
import { type LiveSegment, SegmentRelease } from './segment-release.ts';
import type { SegmentSupply } from './segment-supply.ts';
import type { Wal, WalStats } from './types.ts';

/** Groups up to this size are copied into one buffer before they are written. */
const GATHER_BYTES_MAX = 256 * 1024;
/** It begins this large and grows with the groups. */
const GATHER_BYTES_FIRST = 16 * 1024;
/** A segment counts as full when less than this, or a quarter of a small segment, is left. */
const SEGMENT_RESERVE_BYTES = 1024 * 1024;

/**
 * The log on a disk. One write is in flight; what arrives meanwhile forms the next group (group
 * commit: Gray and Reuter, Transaction Processing, 9.4.8). All is driven by completions of the
 * disk, nothing waits on a promise.
 */
export class DiskWal implements Wal {
  private readonly state: DiskWalState;
  private readonly supply: SegmentSupply;
  private readonly tag: number;
  /** True when a group is durable before it is acknowledged. */
  private readonly syncsGroups: boolean;
  private readonly pending: BoundedQueue<QueuedBatch>;
  private readonly acknowledgements: Acknowledgements;
  private readonly compaction: SegmentRelease;
  private buffer = new Uint8Array(GATHER_BYTES_FIRST);
  private pendingBytes = 0;
  private pendingMustSync = 0;
  private phase: 'open' | 'closing' | 'closed' | 'failed' = 'open';
  private file: DiskFile;
  private offset: number;
  private previousCrc: number;
  private lastBatch: number;
  private lastMustSync = 0;
  private writtenThrough: number;
  private durableThrough: number;
  private marked: boolean;
  private writing = false;
  private syncing = false;
  /** Operations on the log's file that were handed to the disk and have not ended. */
  private fileOperations = 0;
  private syncWanted: (() => void)[] = [];
  private rollQueued = false;
  private checkpointSource: (() => readonly WalRecord[]) | null = null;
  private delayTimer: Cancel | null = null;
  private periodicTimer: Cancel | null = null;
  private fatal: WalError | null = null;
  /** The failure mark is being left; nobody is told of the failure before. */
  private marking = false;
  private fatalHandler: ((error: WalError) => void) | null = null;
  private closeDone: ((error: WalError | null) => void) | null = null;
  private lettingGo = false;
  private readonly counts = noCounts();

  constructor(state: DiskWalState, supply: SegmentSupply) {
    this.state = state;
    this.supply = supply;
    this.tag = identityTag(state.identity, state.records.crc32);
    this.syncsGroups = state.sync === 'each' || state.sync === 'group';
    this.pending = new BoundedQueue(state.queuedBatchesMax);
    this.file = state.file;
    this.offset = state.offset;
    this.previousCrc = state.previousCrc;
    this.lastBatch = state.nextBatch - 1;
    this.writtenThrough = this.lastBatch;
    this.durableThrough = this.lastBatch; // Opening synced all that it kept.
    this.marked = state.marked;
    this.acknowledgements = new Acknowledgements(
      state.queuedBatchesMax,
      state.clock,
      this.lastBatch,
    );
    const failed = (error: DiskError): void => this.failDisk(error);
    this.compaction = new SegmentRelease({ ...state, supply, failed });
    supply.prepare(this.current.number + 1);
  }

  get hasSpace(): boolean {
    return this.supply.hasSpace;
  }

  append(batch: readonly WalRecord[], mustSync: boolean, done: () => void): void {
    if (this.phase === 'failed') return;
    assert(this.phase === 'open', 'a closed log takes no batch');
    if (batch.length > 0) {
      this.counts.batches++;
      this.enqueue(batch, mustSync, false);
      if (mustSync) this.lastMustSync = this.lastBatch;
      this.rollWhenFull();
    }
    if (!this.acknowledgements.add(this.lastMustSync, done)) this.failFull();
    this.startWhenUrgent();
  }

  setCheckpointSource(source: () => readonly WalRecord[]): void {
    this.checkpointSource = source;
  }

  release(snapshotIndex: LogIndex): void {
    if (this.phase !== 'open') return;
    this.compaction.allow(snapshotIndex, this.lastMustSync);
    this.releaseWhenCovered();
  }

  onFatal(handler: (error: WalError) => void): void {
    this.fatalHandler = handler;
    if (this.fatal !== null) this.state.clock.defer(() => this.reportFatal());
  }

  stats(): WalStats {
    return {
      ...this.counts,
      segmentsCreated: this.supply.created,
      segmentsRecycled: this.supply.reused,
      segmentsReleased: this.compaction.released,
      segments: this.state.segments.length,
      queuedBatches: this.acknowledgements.length,
    };
  }

  close(done: (error: WalError | null) => void): void {
    assert(this.closeDone === null && this.phase !== 'closed', 'a log is closed once');
    this.closeDone = done;
    if (this.phase === 'failed') {
      this.letGo();
      return;
    }
    this.phase = 'closing';
    this.delayTimer?.();
    this.periodicTimer?.();
    this.state.clock.defer(() => this.continueClosing());
  }

  /** A disk operation outside the way of batches failed: the log is as dead as after a write. */
  failDisk(error: DiskError): void {
    if (this.phase !== 'failed' && !this.marking) {
      this.marking = true;
      leaveFailureMark(this.state.disk, this.state.directory, () => {
        this.marking = false;
        this.reportFatal();
      });
    }
    this.fail(new WalError('WAL_ERR_IO', `${error.code}: ${error.message}`, error.code));
  }

  private get current(): LiveSegment {
    return required(this.state.segments.at(-1), 'a log has a last segment');
  }

  private enqueue(records: readonly WalRecord[], mustSync: boolean, opensSegment: boolean): void {
    const bytes = batchBytesMax(records, this.state.records);
    // Under `each` every batch is padded alone.
    const bytesMax = this.state.sync === 'each' ? alignUp(bytes) : bytes;
    const number = ++this.lastBatch;
    if (!this.pending.push({ number, records, mustSync, opensSegment, bytesMax })) this.failFull();
    this.pendingBytes += bytesMax;
    if (mustSync) this.pendingMustSync++;
    this.marked = false;
  }

  /**
   * Queues the checkpoint of a new segment right behind the batch just taken, when what is queued
   * would nearly fill this one and the next one is there. A batch that still does not fit makes its
   * segment longer: so each segment but the first starts with a checkpoint, and any two neighbours
   * may be cut apart by compaction.
   */
  private rollWhenFull(): void {
    if (this.rollQueued || !this.supply.ready) return;
    const { segmentBytes } = this.state;
    const reserve = Math.min(SEGMENT_RESERVE_BYTES, segmentBytes / 4);
    if (this.offset + alignUp(this.pendingBytes) + reserve <= segmentBytes) return;
    this.rollQueued = true;
    this.enqueue(this.checkpointSource?.() ?? [], true, true);
  }

  private startWhenUrgent(): void {
    const large = this.pendingBytes >= this.state.groupBytesMax;
    if (this.writing || this.phase === 'failed') return;
    if (this.delayTimer !== null && !large) return;
    this.delayTimer?.(); // A full group waits for no company.
    this.delayTimer = null;
    if (this.pendingMustSync === 0 && !large) return;
    if (this.state.groupDelayMicros === 0 || large || this.phase === 'closing') {
      this.startGroup();
      return;
    }
    const { clock, groupDelayMicros } = this.state;
    this.delayTimer = clock.schedule((clock.now() + groupDelayMicros) as Instant, () => {
      this.delayTimer = null;
      if (!this.writing && this.phase === 'open') this.startGroup();
    });
  }

  private takeGroup(): QueuedBatch[] {
    const group: QueuedBatch[] = [];
    let bytes = 0;
    for (;;) {
      const next = this.pending.peek();
      if (next === undefined) break;
      if (group.length > 0 && next.opensSegment) break;
      if (group.length > 0 && bytes + next.bytesMax > this.state.groupBytesMax) break;
      this.pending.shift();
      group.push(next);
      bytes += next.bytesMax;
      this.pendingBytes -= next.bytesMax;
      if (next.mustSync) this.pendingMustSync--;
      if (next.mustSync && this.state.sync === 'each') break;
    }
    return group;
  }

  private startGroup(): void {
    const group = this.takeGroup();
    const first = group[0];
    if (first === undefined) return;
    this.writing = true;
    const startedAt = this.state.clock.now();
    if (!first.opensSegment) this.writeGroup(group, startedAt);
    else if (this.syncsGroups) this.openSegment(group, startedAt);
    else this.sync(() => this.openSegment(group, startedAt));
  }

  private openSegment(group: readonly QueuedBatch[], startedAt: Instant): void {
    const { number, file } = this.supply.take();
    const first = required(group[0], 'a group has a first batch');
    this.file.close((error) => {
      if (error !== null) this.failDisk(error);
    });
    this.file = file;
    this.offset = 0;
    this.rollQueued = false;
    this.counts.rolls++;
    this.state.segments.push({
      number,
      firstBatch: first.number,
      checkpoint: this.checkpointSource !== null,
      fileBytes: this.state.segmentBytes,
      highestIndex: 0,
    });
    this.supply.prepare(number + 1);
    this.writeGroup(group, startedAt);
  }

  private writeGroup(batches: readonly QueuedBatch[], startedAt: Instant): void {
    const { current } = this;
    const opens = this.offset === 0;
    const header = {
      format: FORMAT_VERSION,
      identity: this.state.identity,
      segment: current.number,
      firstBatch: current.firstBatch,
      previousCrc: this.previousCrc,
      checkpoint: current.checkpoint,
    };
    const context = {
      segment: current.number,
      previousCrc: this.previousCrc,
      durableThrough: this.durableThrough,
      tag: this.tag,
      header: opens ? header : null,
    };
    const group = encodeGroup(batches, context, this.state.records);
    assert(group.bytes % BLOCK_BYTES === 0, 'a group is whole blocks');
    const at = this.offset;
    this.offset += group.bytes;
    this.previousCrc = group.lastCrc;
    current.fileBytes = Math.max(current.fileBytes, this.offset);
    current.highestIndex = Math.max(current.highestIndex, group.highestIndex);
    const parts = gather(group.parts, group.bytes, this.roomFor(group.bytes));
    this.fileOperations++;
    this.file.write(at, parts, (error) => {
      if (this.endedBadly(error)) return;
      if (!this.syncsGroups || this.state.writeThrough) return this.endGroup(group, startedAt);
      this.fileOperations++;
      this.file.sync((syncError) => {
        if (this.endedBadly(syncError)) return;
        this.endGroup(group, startedAt);
      });
    });
  }

  /** Where a group of so many bytes is gathered; too small for one beyond the maximum. */
  private roomFor(bytes: number): Uint8Array {
    if (bytes > this.buffer.length && bytes <= GATHER_BYTES_MAX) {
      const size = Math.max(bytes, 2 * this.buffer.length);
      this.buffer = new Uint8Array(Math.min(size, GATHER_BYTES_MAX));
    }
    return this.buffer;
  }

  /** An operation on the log's file ended; true when the log has failed, with it or before. */
  private endedBadly(error: DiskError | null): boolean {
    this.fileOperations--;
    if (error !== null) this.failDisk(error);
    if (this.phase !== 'failed') return false;
    this.letGo();
    return true;
  }

  private endGroup(group: EncodedGroup, startedAt: Instant): void {
    const { counts } = this;
    const micros = this.state.clock.now() - startedAt;
    counts.groups++;
    counts.records += group.recordCount;
    counts.recordBytes += group.recordBytes;
    counts.bytesWritten += group.bytes;
    counts.groupMicrosTotal += micros;
    counts.groupMicrosMax = Math.max(counts.groupMicrosMax, micros);
    this.writing = false;
    this.writtenThrough = group.lastBatch;
    if (this.syncsGroups) {
      counts.syncs++;
      this.durableThrough = group.lastBatch;
    } else if (this.state.sync === 'periodic') this.syncLater();
    this.startWhenUrgent(); // The disk works on while the host handles the completions.
    this.acknowledgements.complete(this.writtenThrough);
    this.releaseWhenCovered();
    this.continueClosing();
  }

  private syncLater(): void {
    if (this.periodicTimer !== null || this.phase !== 'open') return;
    const { clock, periodicMicros } = this.state;
    this.periodicTimer = clock.schedule((clock.now() + periodicMicros) as Instant, () => {
      this.periodicTimer = null;
      if (this.durableThrough < this.writtenThrough) this.sync(() => {});
    });
  }

  /** Syncs what is written now; a sync under way does not cover it, so another one follows. */
  private sync(done: () => void): void {
    this.syncWanted.push(done);
    if (this.syncing || this.phase === 'failed') return;
    const wanted = this.syncWanted;
    this.syncWanted = [];
    this.syncing = true;
    const covered = this.writtenThrough;
    this.fileOperations++;
    this.file.sync((error) => {
      if (this.endedBadly(error)) return;
      this.syncing = false;
      this.counts.syncs++;
      this.durableThrough = Math.max(this.durableThrough, covered);
      if (this.syncWanted.length > 0) this.sync(() => {});
      for (const callback of wanted) callback();
      if (this.durableThrough < this.writtenThrough && this.state.sync === 'periodic') {
        this.syncLater();
      }
      this.releaseWhenCovered();
      this.continueClosing();
    });
  }

  private releaseWhenCovered(): void {
    const { awaits, working } = this.compaction;
    if (this.phase !== 'open' || working || awaits === null) return;
    if (awaits <= this.durableThrough) {
      this.compaction.releaseOldest(() => {
        this.releaseWhenCovered();
        this.continueClosing();
      });
    } else if (!this.syncsGroups && awaits <= this.writtenThrough && !this.syncing) {
      this.sync(() => {}); // Compaction never trusts bytes that were only written.
    }
  }

  /** Closing: what waits is written, then made durable, then a mark proves the end; then let go. */
  private continueClosing(): void {
    const busy = this.writing || this.syncing || this.compaction.working;
    if (this.phase !== 'closing' || busy) return;
    if (this.pending.length > 0) {
      this.startGroup();
    } else if (this.durableThrough < this.writtenThrough) {
      this.sync(() => {});
    } else if (!this.marked && this.lastBatch > 0) {
      // The mark is an empty batch; it says that all before it is durable, so that damage to the
      // last real batch can be told from a torn write.
      this.enqueue([], true, false);
      this.marked = true;
      this.startGroup();
    } else {
      this.phase = 'closed';
      this.letGo();
    }
  }

  /**
   * Closes the file, never under an operation in flight: the number of a closed descriptor may be
   * another file's by the time that it is carried out.
   */
  private letGo(): void {
    const done = this.closeDone;
    if (done === null || this.lettingGo || this.fileOperations > 0) return;
    this.lettingGo = true;
    this.supply.stop(() => {
      this.file.close(() => done(this.fatal));
    });
  }

  private failFull(): void {
    const limit = this.state.queuedBatchesMax;
    this.fail(new WalError('WAL_ERR_QUEUE_FULL', `more than ${limit} batches wait for the disk`));
  }

  /** The end: nothing is acknowledged any more, nothing is retried (safety net S5). */
  private fail(error: WalError): void {
    if (this.phase === 'failed' || this.phase === 'closed') return;
    this.phase = 'failed';
    this.fatal = error;
    this.delayTimer?.();
    this.periodicTimer?.();
    this.acknowledgements.clear();
    this.pending.drain();
    this.letGo();
    this.state.clock.defer(() => this.reportFatal());
  }

  private reportFatal(): void {
    const handler = this.fatalHandler;
    if (handler === null || this.fatal === null || this.marking) return;
    this.fatalHandler = null;
    handler(this.fatal);
  }
}
