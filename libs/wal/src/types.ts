import type { Clock, Disk, LogIndex, NodeId, RecordCodec, WalRecord } from '@quorate/consensus';
import type { WalError } from './errors.ts';

/**
 * When an append counts as done; a label of each result.
 *
 * - `each`: one sync for each batch, nothing merged.
 * - `group`: one sync for each group of batches, before any of them is done. The default.
 * - `periodic`: done when written; a sync every `periodicMicros`. A power cut loses the rest.
 * - `none`: done when written; synced only when a segment ends. A power cut loses the rest.
 * - `memory`: nothing is written at all; for comparisons without a disk.
 */
export type SyncPolicy = 'each' | 'group' | 'periodic' | 'none' | 'memory';

/** Whom a log belongs to; stands in each segment's header and is compared when it is opened. */
export interface WalIdentity {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** The random name of the data directory: a copy or a wiped disk is another disk. */
  readonly diskId: string;
  readonly protocol: string;
}

/** How a log is opened. */
export interface WalOptions {
  readonly disk: Disk;
  /** The log's own directory, relative to the disk's root. */
  readonly directory: string;
  readonly identity: WalIdentity;
  readonly records: RecordCodec;
  readonly clock: Clock;
  /** True: an empty directory becomes a new log. False: an empty directory is refused. */
  readonly create: boolean;
  /** Default `group`. */
  readonly sync?: SyncPolicy;
  /**
   * True: synced groups go through an O_DSYNC descriptor (one call), else write and fdatasync (two
   * calls). Default true; `each` and `group` only.
   */
  readonly writeThrough?: boolean;
  /** The size a segment is preallocated with. Default 64 MiB. */
  readonly segmentBytes?: number;
  /** Released segments kept for reuse. Default 1. */
  readonly recycledSegmentsMax?: number;
  /** How long an idle log waits for company before it writes a batch. Default 0. */
  readonly groupDelayMicros?: number;
  /** A group takes whole batches up to this size, and at least one. Default 1 MiB. */
  readonly groupBytesMax?: number;
  /** Period of the sync under `periodic`. Default 10,000. */
  readonly periodicMicros?: number;
  /** Pause before the next try to preallocate a segment on a full disk. Default 1,000,000. */
  readonly spaceRetryMicros?: number;
  /** Batches that may wait; one more is fatal. The host's own limits lie far below. */
  readonly queuedBatchesMax?: number;
}

/** Which row of the recovery table (`docs/internals/wal.md`) was taken. */
export type RecoveryDecision =
  | 'W1-created'
  | 'W2-empty-refused'
  | 'W3-foreign'
  | 'W4-unknown-format'
  | 'W5-first-header-damaged'
  | 'W6-clean'
  | 'W7-torn'
  | 'W8-corrupt'
  | 'W9-memory';

/** What recovery found and did. */
export interface RecoveryReport {
  readonly decision: RecoveryDecision;
  readonly segments: number;
  readonly batches: number;
  readonly records: number;
  /** The last surviving batch; 0 when there is none. */
  readonly lastBatch: number;
  /** Bytes zeroed in the last segment because they followed a cut. */
  readonly cutBytes: number;
  /** Segments behind the cut, or prepared and never begun, that were deleted. */
  readonly deletedSegments: number;
  /** One sentence for the log of the process. */
  readonly summary: string;
}

/** An open log with what it held. */
export interface OpenedWal {
  readonly wal: Wal;
  /** All surviving records, oldest first. They refer to the bytes read. */
  readonly records: Iterable<WalRecord>;
  readonly recovery: RecoveryReport;
}

/** Counts since the log was opened. */
export interface WalStats {
  readonly batches: number;
  readonly records: number;
  readonly groups: number;
  /** Completed syncs on the way of batches; a write-through group counts as one. */
  readonly syncs: number;
  /** Bytes handed to the disk, padding included. */
  readonly bytesWritten: number;
  /** Bytes of records alone. */
  readonly recordBytes: number;
  readonly rolls: number;
  readonly segmentsCreated: number;
  readonly segmentsRecycled: number;
  readonly segmentsReleased: number;
  /** Segments that hold the log now. */
  readonly segments: number;
  /** Batches taken and not yet done. */
  readonly queuedBatches: number;
  /** Time of all groups from their write to their durability, and the longest one. */
  readonly groupMicrosTotal: number;
  readonly groupMicrosMax: number;
}

/** A write-ahead log: durable, ordered, atomic batches of records. */
export interface Wal {
  /**
   * Appends one atomic batch. `done` is called once, never inside this call, in the order of the
   * appends, when the batch and all earlier ones are durable under the policy; never after a fatal
   * error. With `mustSync` false (hints) or no records, `done` waits only for the earlier batches
   * and the bytes ride with the next group.
   */
  append(batch: readonly WalRecord[], mustSync: boolean, done: () => void): void;
  /**
   * Sets who restates all live facts at the start of a segment. It is asked inside `append`, right
   * after the batch that fills a segment was taken, so the engine must already have handed out
   * exactly the batches appended. Without a source no segment is ever released.
   */
  setCheckpointSource(source: () => readonly WalRecord[]): void;
  /**
   * Says that a durable snapshot, named by a record appended before, covers up to `snapshotIndex`.
   * Segments whose records all lie at or below it are recycled or deleted once a newer segment's
   * checkpoint is durable; until then the wish is remembered.
   */
  release(snapshotIndex: LogIndex): void;
  /** Sets who learns that the log is dead: stop the replica. Called once, never inside a call. */
  onFatal(handler: (error: WalError) => void): void;
  /** False while the next segment cannot be preallocated: refuse proposals with `no_space`. */
  readonly hasSpace: boolean;
  stats(): WalStats;
  /** Writes what waits, marks the end, syncs and closes. Appending afterwards is an error. */
  close(done: (error: WalError | null) => void): void;
}
