import {
  type Clock,
  createRecordCodec,
  type Disk,
  decodeSnapshotMeta,
  encodeSnapshotMeta,
  type LogIndex,
  RecordKind,
  type SnapshotMeta,
  type WalRecord,
  walRecord,
} from '@quorate/consensus';
import { assert, crc32Table, createRandom } from '@quorate/foundation';
import {
  nodeDigest,
  openSnapshotStore,
  type SnapshotStore,
  type SnapshotStoreOptions,
} from '@quorate/snapshot-store';
import { openWal, type Wal } from '@quorate/wal';
import { describe, expect, it } from 'vitest';
import { DiskClock } from './disk-clock.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { acceptRecord, HARNESS_IDENTITY } from './wal-harness.ts';

/** One snapshot for so many entries. */
const SNAPSHOT_EVERY = 7;
const NO_MEMBERS = { voters: [], learners: [], witnesses: [] };

/** The smallest thing that keeps a log and snapshots: its state is the number of its last entry. */
class TinyReplica {
  /** The last entry known durable, and the last one appended. */
  durable = 0;
  appended = 0;
  private readonly wal: Wal;
  private readonly store: SnapshotStore;
  private snapshot: SnapshotMeta | null;
  private snapshotting = false;

  constructor(wal: Wal, store: SnapshotStore, last: number, snapshot: SnapshotMeta | null) {
    this.wal = wal;
    this.store = store;
    this.appended = last;
    this.durable = last;
    this.snapshot = snapshot;
    wal.setCheckpointSource(() => (this.snapshot === null ? [] : [snapshotRecord(this.snapshot)]));
  }

  append(): void {
    const index = ++this.appended;
    this.wal.append([acceptRecord(index, 700)], true, () => {
      this.durable = index;
      if (index % SNAPSHOT_EVERY === 0 && !this.snapshotting) this.takeSnapshot(index);
    });
  }

  private takeSnapshot(index: number): void {
    this.snapshotting = true;
    let given = false;
    const reader = {
      next: () => {
        if (given) return null;
        given = true;
        return stateBytes(index);
      },
      close: () => {},
    };
    const description = {
      index: index as LogIndex,
      membership: NO_MEMBERS,
      engine: new Uint8Array(0),
    };
    this.store.write(description, reader, (error, meta) => {
      expect(error).toBeNull();
      this.snapshot = meta;
      this.wal.append([snapshotRecord(meta)], true, () => {
        this.snapshotting = false;
        this.store.named(meta);
        this.wal.release(meta.index);
      });
    });
  }
}

function snapshotRecord(meta: SnapshotMeta): WalRecord {
  const payload = encodeSnapshotMeta(meta);
  return walRecord({ kind: RecordKind.snapshot, index: meta.index, payload });
}

function stateBytes(index: number): Uint8Array {
  return new TextEncoder().encode(`${index} `.repeat(300));
}

/** Opens the stack as a start of a process does; null while the disk is dead. */
function start(disk: Disk, clock: DiskClock): TinyReplica | null {
  let replica: TinyReplica | null = null;
  openWal(
    {
      disk,
      directory: 'data/wal',
      identity: HARNESS_IDENTITY,
      records: createRecordCodec(crc32Table),
      clock,
      create: true,
      segmentBytes: 16 * 1024,
    },
    (error, opened) => {
      if (error !== null) throw error;
      assert(opened !== null, 'an opened log');
      const records = [...opened.records];
      const metas = records
        .filter((record) => record.kind === RecordKind.snapshot)
        .map((record) => decodeSnapshotMeta(record.payload))
        .filter((meta, at, all) => all.findIndex((other) => other.index === meta.index) === at);
      restore(disk, clock, metas, (store, snapshot) => {
        const last = lastEntry(records, snapshot);
        replica = new TinyReplica(opened.wal, store, last, snapshot);
      });
    },
  );
  clock.run(Number.MAX_SAFE_INTEGER, () => replica !== null);
  return replica;
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
    const slices: number[] = [];
    const take = (bytes: Uint8Array): void => void slices.push(...bytes);
    store.restore(latest, take, (restoreError) => {
      if (restoreError !== null) throw restoreError;
      expect(Uint8Array.from(slices)).toEqual(stateBytes(latest.index));
      done(store, latest);
    });
  });
}

/** RF-35: entries must continue the snapshot without a gap. */
function lastEntry(records: readonly WalRecord[], snapshot: SnapshotMeta | null): number {
  let last: number = snapshot?.index ?? 0;
  for (const record of records) {
    if (record.kind !== RecordKind.accept || record.index <= last) continue;
    expect(record.index, 'entries continue the snapshot').toBe(last + 1);
    last = record.index;
  }
  return last;
}

function run(cutAt: number, strike: 'kill' | 'powerCut') {
  const clock = new DiskClock();
  const disk = new SimulatedDisk({ clock, random: createRandom(`stack ${cutAt} ${strike}`) });
  const replica = start(disk.mount(), clock);
  assert(replica !== null, 'the first start');
  const base = disk.effectCount;
  let struck = false;
  disk.onEffect = (number) => {
    if (number - base !== cutAt) return;
    struck = true;
    disk[strike]();
  };
  while (replica.appended < 45 && !struck) {
    replica.append();
    clock.run(clock.now() + 3, () => struck);
  }
  if (!struck) clock.run(clock.now() + 1000);
  disk.onEffect = null;
  const { durable, appended } = replica;
  return { clock, disk, durable, appended, effects: disk.effectCount - base };
}

describe('log and snapshots together', () => {
  for (const strike of ['powerCut', 'kill'] as const) {
    it(`S6 RF-35 KV-02 ${strike} at each effect: a whole chain of snapshot and log`, () => {
      const { effects } = run(0, strike);
      expect(effects).toBeGreaterThan(100);
      for (let cutAt = 1; cutAt <= effects; cutAt += strike === 'kill' ? 3 : 1) {
        const { clock, disk, durable, appended } = run(cutAt, strike);
        const again = start(disk.mount(), clock);
        assert(again !== null, 'the second start');
        expect(again.appended, `effect ${cutAt}`).toBeGreaterThanOrEqual(durable);
        expect(again.appended, `effect ${cutAt}`).toBeLessThanOrEqual(appended);
        expect(disk.names('data/snapshots').length).toBeLessThanOrEqual(2);
      }
    });
  }
});
