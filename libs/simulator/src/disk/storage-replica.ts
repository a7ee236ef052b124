import {
  type Clock,
  createRecordCodec,
  type Disk,
  decodeSnapshotMeta,
  EntryType,
  encodeSnapshotMeta,
  type LogIndex,
  RecordKind,
  type Round,
  type SnapshotMeta,
  type WalRecord,
  walRecord,
} from '@quorate/consensus';
import { assert, concatBytes, crc32Table } from '@quorate/foundation';
import {
  nodeDigest,
  openSnapshotStore,
  type SnapshotStore,
  type SnapshotStoreOptions,
} from '@quorate/snapshot-store';
import { openWal, type Wal, type WalOptions } from '@quorate/wal';
import type { DiskClock } from './disk-clock.ts';
import { HARNESS_IDENTITY } from './wal-harness.ts';

/** One snapshot for so many operations. */
const SNAPSHOT_EVERY = 7;
/** One round for so many operations: a batch with a promise beside its entries. */
const ROUND_EVERY = 5;
const ENTRIES_MAX = 3;
const NO_MEMBERS = { voters: [], learners: [], witnesses: [] };

/**
 * The smallest thing that keeps a log and snapshots: operation n is one batch, which appends one to
 * three entries and now and then a promise; the state is the number of its last entry.
 */
export class StorageReplica {
  /** Operations given to the log, and those known durable. */
  appended: number;
  durable: number;
  private readonly wal: Wal;
  private readonly store: SnapshotStore;
  private snapshot: SnapshotMeta | null;
  private snapshotting = false;

  constructor(wal: Wal, store: SnapshotStore, operations: number, snapshot: SnapshotMeta | null) {
    this.wal = wal;
    this.store = store;
    this.appended = operations;
    this.durable = operations;
    this.snapshot = snapshot;
    wal.setCheckpointSource(() => {
      const promise = promiseRecord(roundAfter(this.appended));
      return this.snapshot === null ? [promise] : [promise, snapshotRecord(this.snapshot)];
    });
  }

  /** Appends the next operation; takes a snapshot when its turn has come. */
  append(): void {
    const operation = ++this.appended;
    this.wal.append(batchOf(operation), true, () => {
      this.durable = operation;
      if (operation % SNAPSHOT_EVERY === 0 && !this.snapshotting) this.takeSnapshot(operation);
    });
  }

  private takeSnapshot(operation: number): void {
    this.snapshotting = true;
    const index = lastEntryOf(operation) as LogIndex;
    let given = false;
    const reader = {
      next: () => {
        if (given) return null;
        given = true;
        return stateBytes(index);
      },
      close: () => {},
    };
    const description = { index, membership: NO_MEMBERS, engine: new Uint8Array(0) };
    this.store.write(description, reader, (error, meta) => {
      if (error !== null) throw error;
      this.snapshot = meta;
      this.wal.append([snapshotRecord(meta)], true, () => {
        this.snapshotting = false;
        this.store.named(meta);
        this.wal.release(meta.index);
      });
    });
  }
}

/**
 * Opens log and snapshots as a start of a process does, and runs `clock` until that ended. Throws
 * when something is missing, damaged or in the wrong place; null while the disk is dead.
 */
export function startReplica(
  disk: Disk,
  clock: DiskClock,
  options: Partial<WalOptions> = {},
): StorageReplica | null {
  let replica: StorageReplica | null = null;
  const records = createRecordCodec(crc32Table);
  const place = { disk, directory: 'data/wal', identity: HARNESS_IDENTITY, records, clock };
  openWal({ ...place, create: true, segmentBytes: 16 * 1024, ...options }, (error, opened) => {
    if (error !== null) throw error;
    assert(opened !== null, 'an opened log');
    const survivors = [...opened.records];
    restore(disk, clock, namedIn(survivors), (store, snapshot) => {
      const operations = operationsIn(survivors, snapshot);
      replica = new StorageReplica(opened.wal, store, operations, snapshot);
    });
  });
  clock.run(Number.MAX_SAFE_INTEGER, () => replica !== null);
  return replica;
}

function batchOf(operation: number): WalRecord[] {
  const batch: WalRecord[] = [];
  if (operation % ROUND_EVERY === 0) batch.push(promiseRecord(roundAfter(operation)));
  for (let index = lastEntryOf(operation - 1) + 1; index <= lastEntryOf(operation); index++) {
    batch.push(
      walRecord({
        kind: RecordKind.accept,
        entryType: EntryType.command,
        round: roundAfter(operation),
        index: index as LogIndex,
        payload: payloadOf(index),
      }),
    );
  }
  return batch;
}

/** The last entry of operation n, each with one, two or three in turn. */
function lastEntryOf(operation: number): number {
  const whole = Math.floor(operation / ENTRIES_MAX);
  const rest = operation % ENTRIES_MAX;
  return whole * 6 + (rest * (rest + 1)) / 2;
}

function roundAfter(operation: number): Round {
  return (1 + Math.floor(operation / ROUND_EVERY)) as Round;
}

function payloadOf(index: number): Uint8Array {
  return new Uint8Array(100 + ((index * 397) % 1900)).fill(index % 251);
}

function promiseRecord(round: Round): WalRecord {
  return walRecord({ kind: RecordKind.promise, round });
}

function snapshotRecord(meta: SnapshotMeta): WalRecord {
  const payload = encodeSnapshotMeta(meta);
  return walRecord({ kind: RecordKind.snapshot, index: meta.index, payload });
}

function stateBytes(index: number): Uint8Array {
  return new TextEncoder().encode(`${index} `.repeat(300));
}

function namedIn(records: readonly WalRecord[]): SnapshotMeta[] {
  return records
    .filter((record) => record.kind === RecordKind.snapshot)
    .map((record) => decodeSnapshotMeta(record.payload))
    .filter((meta, at, all) => all.findIndex((other) => other.index === meta.index) === at);
}

function restore(
  disk: Disk,
  clock: Clock,
  named: readonly SnapshotMeta[],
  done: (store: SnapshotStore, snapshot: SnapshotMeta | null) => void,
): void {
  const options: SnapshotStoreOptions = {
    disk,
    directory: 'data/snapshots',
    clock,
    createDigest: nodeDigest,
    named,
  };
  openSnapshotStore(options, (error, opened) => {
    if (error !== null) throw error;
    assert(opened !== null, 'an opened store');
    const { store, latest } = opened;
    if (latest === null) {
      done(store, null);
      return;
    }
    const slices: Uint8Array[] = [];
    const take = (bytes: Uint8Array): void => void slices.push(bytes.slice());
    store.restore(latest, take, (restoreError) => {
      if (restoreError !== null) throw restoreError;
      const isWhole = equalBytes(concatBytes(slices), stateBytes(latest.index));
      assert(isWhole, `snapshot ${latest.index} holds what was written`);
      done(store, latest);
    });
  });
}

/** The operations that survived; throws unless whole ones, without a gap, as they were written. */
function operationsIn(records: readonly WalRecord[], snapshot: SnapshotMeta | null): number {
  let last: number = snapshot?.index ?? 0;
  let promise = 1;
  for (const { kind, index, round, payload } of records) {
    if (kind === RecordKind.promise) promise = Math.max(promise, round);
    if (kind !== RecordKind.accept) continue;
    assert(equalBytes(payload, payloadOf(index)), `entry ${index} holds what was written`);
    if (index <= last) continue;
    assert(index === last + 1, `entry ${index} continues ${last} (RF-35)`);
    last = index;
  }
  let operation = Math.floor(last / 6) * ENTRIES_MAX;
  while (lastEntryOf(operation) < last) operation++;
  assert(lastEntryOf(operation) === last, `entry ${last} ends a batch (S1)`);
  assert(promise >= roundAfter(operation), `promise ${promise} is not behind its entries (S4)`);
  return operation;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
