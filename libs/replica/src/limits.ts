/** Every queue, window and slice of a replica, bounded by name; times in microseconds. */
export interface ReplicaLimits {
  /** Commands in one batch; 1 is legal and a benchmark axis. */
  readonly commandsMax: number;
  /** Command bytes in one batch; a larger command goes alone. */
  readonly batchBytesMax: number;
  /** One command; a larger one is `tooLarge`. */
  readonly commandBytesMax: number;
  /**
   * Batches proposed and not concluded. Beyond it commands wait and form larger batches: the busier
   * the replica, the fewer entries, messages and syncs a command costs.
   */
  readonly inFlightBatchesMax: number;
  /** Commands waiting to be proposed; beyond it `busy`. */
  readonly proposalsQueuedMax: number;
  /** Their bytes. */
  readonly proposalsQueuedBytesMax: number;
  /** Linearizable reads waiting for a ticket; beyond it `busy`. */
  readonly readsQueuedMax: number;
  /** Read tickets not confirmed; beyond it reads wait and share the next ticket. */
  readonly inFlightReadTicketsMax: number;
  /** Readies handed to the log and not durable; beyond it nothing new is proposed. */
  readonly readiesUnpersistedMax: number;
  /** Their bytes. */
  readonly bytesUnpersistedMax: number;
  /** Entry bytes applied in one turn; what is left waits for the next, after the sockets. */
  readonly applyBytesMax: number;
  /** A transfer without an answer for this time is given up. */
  readonly snapshotAckTimeoutMicros: number;
  /** A transfer being received gives way to another peer's after this time without a chunk. */
  readonly snapshotIdleMicros: number;
  /** Pause before the next try after an own snapshot could not be written. */
  readonly snapshotRetryMicros: number;
  /** How long a graceful stop waits for proposals in flight. */
  readonly stopWaitMicros: number;
}

/** The limits that the comparisons use, the same for each protocol. */
export const REPLICA_LIMITS_DEFAULT: ReplicaLimits = {
  commandsMax: 1024,
  batchBytesMax: 1024 * 1024,
  commandBytesMax: 4 * 1024 * 1024,
  inFlightBatchesMax: 16,
  proposalsQueuedMax: 16_384,
  proposalsQueuedBytesMax: 64 * 1024 * 1024,
  readsQueuedMax: 16_384,
  inFlightReadTicketsMax: 16,
  readiesUnpersistedMax: 256,
  bytesUnpersistedMax: 64 * 1024 * 1024,
  applyBytesMax: 2 * 1024 * 1024,
  snapshotAckTimeoutMicros: 10_000_000,
  snapshotIdleMicros: 1_000_000,
  snapshotRetryMicros: 5_000_000,
  stopWaitMicros: 500_000,
};

/** When a replica takes a snapshot of its own state: whichever comes first. */
export interface SnapshotPolicy {
  /** Entries applied since the last snapshot. */
  readonly snapshotEveryEntries: number;
  /** Their payload bytes. */
  readonly snapshotEveryBytes: number;
}

/** A snapshot every 10,000 entries or 100 MB. */
export const SNAPSHOT_POLICY_DEFAULT: SnapshotPolicy = {
  snapshotEveryEntries: 10_000,
  snapshotEveryBytes: 100_000_000,
};
