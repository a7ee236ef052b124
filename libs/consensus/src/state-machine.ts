import type { LogIndex } from './ids.ts';

/** A snapshot being read in slices, cut at the index at which it was opened. */
export interface SnapshotReader {
  /** The next slice, at most about `bytesMax` bytes long, or null at the end. */
  next(bytesMax: number): Uint8Array | null;
  /** Ends the reading early, so that the state machine may forget the cut. */
  close(): void;
}

/**
 * A replicated state machine: deterministic, without clock, I/O or randomness. Its state is a
 * function of the batches applied, the same on every replica.
 */
export interface StateMachine {
  /** Applies one command batch; returns one result per command of the batch, in order. */
  apply(index: LogIndex, batch: Uint8Array): readonly Uint8Array[];
  /** Cuts a snapshot at the applied index; it stays readable while `apply` goes on. */
  snapshot(): SnapshotReader;
  /**
   * Takes the next slice of a snapshot; the first one discards the current state, the one with
   * `last` makes the restored state current. Throws on bytes that no snapshot holds.
   */
  restore(slice: Uint8Array, last: boolean): void;
}
