import {
  decodeSnapshotMeta,
  type Ready,
  type ReadyNumber,
  RecordKind,
  readyNumber,
  type SnapshotMeta,
  type SnapshotTransfer,
  type WalRecord,
} from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import type { Wal } from '@quorate/wal';
import type { HeldFrame } from './peer-sessions.ts';

/** Bytes that a record adds to its payload, nearly. */
const RECORD_OVERHEAD_BYTES = 40;

/** A Ready that is not durable yet, with what waits for it. */
export interface UnpersistedReady {
  readonly number: ReadyNumber;
  /** False: it has no records and is durable as soon as all earlier ones are. */
  readonly logged: boolean;
  readonly bytes: number;
  readonly held: HeldFrame[];
  /** Snapshots to be streamed behind the messages, which announce them. */
  readonly transfers: readonly SnapshotTransfer[];
  /** The snapshot that a record of it names. */
  readonly snapshot: SnapshotMeta | null;
}

/**
 * The Readies between the engine and the disk. Several may be in flight; they become durable in
 * order (obligations 1 and 3).
 */
export class Durability {
  /** The sum of what is in flight. */
  bytes = 0;
  private readonly wal: Wal;
  private readonly wake: () => void;
  private readonly inFlight: UnpersistedReady[] = [];
  /** Batches that became durable since the last `settle`. */
  private batchesDone = 0;

  constructor(wal: Wal, wake: () => void) {
    this.wal = wal;
    this.wake = wake;
  }

  get count(): number {
    return this.inFlight.length;
  }

  /** Appends the records of a Ready as one batch; returns where its messages wait. */
  append(ready: Ready<unknown>): UnpersistedReady {
    const { records } = ready;
    let bytes = 0;
    for (const record of records) bytes += record.payload.length + RECORD_OVERHEAD_BYTES;
    const unpersisted: UnpersistedReady = {
      number: ready.number,
      logged: records.length > 0,
      bytes,
      held: [],
      transfers: ready.snapshotsToSend,
      snapshot: snapshotNamedBy(records),
    };
    this.inFlight.push(unpersisted);
    this.bytes += bytes;
    if (records.length > 0) this.wal.append(records, ready.mustSync, this.appended);
    return unpersisted;
  }

  /**
   * Takes the Readies that have become durable, oldest first, and returns the number of the last;
   * null when there is none. `each` is called for each of them.
   */
  settle(each: (ready: UnpersistedReady) => void): ReadyNumber | null {
    let last = 0;
    let settled = 0;
    for (const ready of this.inFlight) {
      if (ready.logged) {
        if (this.batchesDone === 0) break;
        this.batchesDone--;
      }
      settled++;
      last = ready.number;
      this.bytes -= ready.bytes;
    }
    assert(this.batchesDone === 0, 'no batch ends that was not appended');
    if (settled === 0) return null;
    for (const ready of this.inFlight.splice(0, settled)) each(ready);
    return readyNumber(last);
  }

  private readonly appended = (): void => {
    this.batchesDone++;
    this.wake();
  };
}

function snapshotNamedBy(records: readonly WalRecord[]): SnapshotMeta | null {
  let named: SnapshotMeta | null = null;
  for (const record of records) {
    if (record.kind === RecordKind.snapshot) named = decodeSnapshotMeta(record.payload);
  }
  return named;
}
