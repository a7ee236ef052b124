import type { LogIndex, SnapshotMeta, SnapshotReader } from '@quorate/consensus';
import { concatBytes, createRandom } from '@quorate/foundation';
import { DiskClock, SimulatedDisk } from '@quorate/simulator';
import { describe, expect, it } from 'vitest';
import {
  nodeDigest,
  type OpenedSnapshotStore,
  openSnapshotStore,
  SNAPSHOT_CHUNK_BYTES,
  type SnapshotDone,
  type SnapshotError,
  type SnapshotInstall,
  type SnapshotStore,
} from './index.ts';

const DIRECTORY = 'data/snapshots';
const NO_MEMBERS = { voters: [], learners: [], witnesses: [] };

/** A state of `bytes` bytes that depends on `index`. */
function stateOf(index: number, bytes: number): Uint8Array {
  const random = createRandom(index);
  const state = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at++) state[at] = random.nextUint32();
  return state;
}

function readerOf(state: Uint8Array): SnapshotReader & { closed: boolean } {
  let at = 0;
  return {
    closed: false,
    next(bytesMax) {
      if (at >= state.length) return null;
      const slice = state.subarray(at, at + bytesMax);
      at += slice.length;
      return slice;
    },
    close() {
      this.closed = true;
    },
  };
}

/** One store on one simulated disk, driven by hand. */
class Bench {
  readonly clock = new DiskClock();
  readonly disk: SimulatedDisk;

  constructor(seed: string) {
    this.disk = new SimulatedDisk({ clock: this.clock, random: createRandom(seed) });
  }

  /** Runs one operation to its end; undefined when the process died before that. */
  run<T>(start: (done: SnapshotDone<T>) => void): { error: SnapshotError | null; result: T } {
    let outcome: { error: SnapshotError | null; result: T } | undefined;
    start((error, result) => {
      outcome = { error, result };
    });
    expect(outcome).toBeUndefined(); // Never inside the call.
    this.clock.run();
    return outcome ?? { error: null, result: undefined as T };
  }

  ok<T>(start: (done: SnapshotDone<T>) => void): T {
    const { error, result } = this.run(start);
    if (error !== null) throw error;
    return result;
  }

  tryOpen(named: readonly SnapshotMeta[]) {
    return this.run<OpenedSnapshotStore | null>((done) =>
      openSnapshotStore(
        {
          disk: this.disk.mount(),
          directory: DIRECTORY,
          clock: this.clock,
          createDigest: nodeDigest,
          named,
          sliceBytes: 1000,
        },
        done,
      ),
    );
  }

  open(named: readonly SnapshotMeta[] = []): OpenedSnapshotStore {
    const { error, result } = this.tryOpen(named);
    if (error !== null) throw error;
    if (result === null) throw new Error('the store did not open');
    return result;
  }

  write(store: SnapshotStore, index: number, bytes = 5000): SnapshotMeta {
    return this.ok<SnapshotMeta>((done) =>
      store.write(describing(index), readerOf(stateOf(index, bytes)), done),
    );
  }

  restored(store: SnapshotStore, meta: SnapshotMeta): Uint8Array {
    const slices: Uint8Array[] = [];
    let ended = false;
    this.ok<void>((done) =>
      store.restore(
        meta,
        (bytes, last) => {
          expect(ended).toBe(false);
          ended = last;
          slices.push(bytes);
        },
        done,
      ),
    );
    expect(ended).toBe(true);
    return concatBytes(slices);
  }

  files(): readonly string[] {
    return this.disk.names(DIRECTORY);
  }

  path(): string {
    return `${DIRECTORY}/${this.files()[0]}`;
  }
}

function describing(index: number) {
  return { index: index as LogIndex, membership: NO_MEMBERS, engine: new Uint8Array([7]) };
}

/** A meta and the chunks of a peer's snapshot. */
function peerSnapshot(index: number, bytes: number) {
  const state = stateOf(index, bytes);
  const digest = nodeDigest();
  digest.update(state);
  const meta: SnapshotMeta = { ...describing(index), digest: digest.finishHex(), bytes };
  return { meta, state };
}

describe('own snapshots', () => {
  it('are written, named, restored after a restart, and read in chunks', () => {
    const bench = new Bench('own');
    const { store, latest } = bench.open();
    expect(latest).toBeNull();
    const bytes = SNAPSHOT_CHUNK_BYTES + 1234;
    const meta = bench.write(store, 10, bytes);
    expect(meta).toMatchObject({ index: 10, bytes, engine: new Uint8Array([7]) });
    store.named(meta);
    bench.disk.powerCut();
    const again = bench.open([meta]);
    expect(again.latest).toEqual(meta);
    expect(bench.restored(again.store, meta)).toEqual(stateOf(10, bytes));
    const first = bench.ok<{ bytes: Uint8Array; last: boolean }>((done) =>
      again.store.readChunk(meta, 0, done),
    );
    const second = bench.ok<{ bytes: Uint8Array; last: boolean }>((done) =>
      again.store.readChunk(meta, first.bytes.length, done),
    );
    expect([first.bytes.length, first.last]).toEqual([SNAPSHOT_CHUNK_BYTES, false]);
    expect([second.bytes.length, second.last]).toEqual([1234, true]);
    expect(concatBytes([first.bytes, second.bytes])).toEqual(stateOf(10, bytes));
  });

  it('of no bytes are snapshots too', () => {
    const bench = new Bench('empty');
    const { store } = bench.open();
    const meta = bench.write(store, 3, 0);
    expect(bench.restored(store, meta)).toEqual(new Uint8Array(0));
  });

  it('are written one at a time, and each reader is closed', () => {
    const bench = new Bench('busy');
    const { store } = bench.open();
    const readers = [readerOf(stateOf(1, 9000)), readerOf(stateOf(2, 9000))] as const;
    const codes: (string | null)[] = [];
    for (const reader of readers) {
      store.write(describing(1), reader, (error) => codes.push(error?.code ?? null));
    }
    bench.clock.run();
    expect(codes.sort()).toEqual(['SNAPSHOT_ERR_BUSY', null]);
    expect(readers.map((reader) => reader.closed)).toEqual([true, true]);
  });

  it('are kept two deep; what a reader still needs goes when it has ended', () => {
    const bench = new Bench('kept');
    const { store } = bench.open();
    const metas = [1, 2, 3].map((index) => {
      const meta = bench.write(store, index);
      store.named(meta);
      bench.clock.run();
      return meta;
    });
    expect(bench.files().length).toBe(2);
    expect(store.latest).toEqual(metas[2]);
    const [, second] = metas as [SnapshotMeta, SnapshotMeta, SnapshotMeta];
    const fourth = bench.write(store, 4);
    let ended: string | null | undefined;
    store.verify(second, (error) => {
      ended = error?.code ?? null;
    });
    store.named(fourth);
    expect(bench.files().length).toBe(3);
    bench.clock.run();
    expect(ended).toBeNull();
    expect(bench.files().length).toBe(2);
  });

  it('ST-07 a full disk leaves nothing behind and hurts nothing', () => {
    const bench = new Bench('full');
    const { store } = bench.open();
    const meta = bench.write(store, 1);
    store.named(meta);
    bench.disk.capacityBytes = 7000;
    const refused = bench.run<SnapshotMeta>((done) =>
      store.write(describing(2), readerOf(stateOf(2, 5000)), done),
    );
    expect(refused.error).toMatchObject({ code: 'SNAPSHOT_ERR_NO_SPACE', causeCode: 'ENOSPC' });
    expect(bench.files().length).toBe(1);
    bench.disk.capacityBytes = 70_000;
    expect(bench.write(store, 2).index).toBe(2);
    expect(bench.restored(store, meta)).toEqual(stateOf(1, 5000));
  });

  it('whose sync fails are not snapshots', () => {
    const bench = new Bench('sync fails');
    const { store } = bench.open();
    bench.disk.inject({ operation: 'sync', effect: 'error', path: 'write-' });
    const refused = bench.run<SnapshotMeta>((done) =>
      store.write(describing(2), readerOf(stateOf(2, 5000)), done),
    );
    expect(refused.error).toMatchObject({ code: 'SNAPSHOT_ERR_IO', causeCode: 'EIO' });
    expect(bench.files()).toEqual([]);
  });
});

describe("a peer's snapshot", () => {
  const install = (bench: Bench, store: SnapshotStore, meta: SnapshotMeta): SnapshotInstall =>
    bench.ok<SnapshotInstall>((done) => store.install(meta, done));
  const write = (bench: Bench, staged: SnapshotInstall, offset: number, bytes: Uint8Array) =>
    bench.run<void>((done) => staged.write(offset, bytes, done)).error?.code ?? null;

  it('is staged by chunks; gaps are refused, repetitions ignored', () => {
    const bench = new Bench('install');
    const { store } = bench.open();
    const { meta, state } = peerSnapshot(20, 3000);
    const staged = install(bench, store, meta);
    expect(write(bench, staged, 0, state.subarray(0, 1000))).toBeNull();
    expect(write(bench, staged, 2000, state.subarray(2000))).toBe('SNAPSHOT_ERR_OFFSET');
    expect(write(bench, staged, 0, state.subarray(0, 1000))).toBeNull();
    expect(staged.nextOffset).toBe(1000);
    expect(write(bench, staged, 500, state.subarray(500, 2500))).toBeNull();
    expect(staged.nextOffset).toBe(2500);
    const early = bench.run<SnapshotMeta>((done) => staged.finish(done));
    expect(early.error?.code).toBe('SNAPSHOT_ERR_OFFSET');
    expect(write(bench, staged, 2500, new Uint8Array(501))).toBe('SNAPSHOT_ERR_OFFSET');
    const resumed = install(bench, store, meta); // The transfer was interrupted and goes on.
    expect(resumed.nextOffset).toBe(2500);
    expect(write(bench, resumed, 2500, state.subarray(2500))).toBeNull();
    expect(bench.ok<SnapshotMeta>((done) => resumed.finish(done))).toEqual(meta);
    bench.disk.powerCut();
    const again = bench.open([meta]);
    expect(bench.restored(again.store, meta)).toEqual(state);
  });

  it('ST-12 damaged in transfer is refused and removed', () => {
    const bench = new Bench('transfer');
    const { store } = bench.open();
    const { meta, state } = peerSnapshot(20, 3000);
    const staged = install(bench, store, meta);
    const damaged = state.slice();
    damaged[1500] = (damaged[1500] as number) ^ 4;
    write(bench, staged, 0, damaged);
    const finished = bench.run<SnapshotMeta>((done) => staged.finish(done));
    expect(finished.error?.code).toBe('SNAPSHOT_ERR_CORRUPT');
    expect(bench.files()).toEqual([]);
    expect(write(bench, staged, 0, state)).toBe('SNAPSHOT_ERR_ABORTED');
    const retried = install(bench, store, meta); // Another source sends it again.
    write(bench, retried, 0, state);
    expect(bench.ok<SnapshotMeta>((done) => retried.finish(done))).toEqual(meta);
  });

  it('gives way to another one, also while a chunk is being written', () => {
    const bench = new Bench('gives way');
    const { store } = bench.open();
    const old = peerSnapshot(20, 3000);
    const staged = install(bench, store, old.meta);
    let code: string | undefined;
    staged.write(0, old.state, (error) => {
      code = error?.code;
    });
    const newer = peerSnapshot(30, 100);
    const next = install(bench, store, newer.meta);
    expect(code).toBe('SNAPSHOT_ERR_ABORTED');
    expect(write(bench, staged, 3000, new Uint8Array(0))).toBe('SNAPSHOT_ERR_ABORTED');
    write(bench, next, 0, newer.state);
    bench.ok<SnapshotMeta>((done) => next.finish(done));
    expect(bench.files().length).toBe(1);
  });

  it('never becomes a path through its meta', () => {
    const bench = new Bench('path');
    const { store } = bench.open();
    const { meta } = peerSnapshot(20, 10);
    const evil = { ...meta, digest: '../../../../etc/passwd' };
    const refused = bench.run<SnapshotInstall>((done) => store.install(evil, done));
    expect(refused.error?.code).toBe('SNAPSHOT_ERR_CORRUPT');
    const read = bench.run((done) => store.readChunk(evil, 0, done));
    expect(read.error?.code).toBe('SNAPSHOT_ERR_CORRUPT');
  });
});

describe('damage at rest', () => {
  it('ST-12 a flipped bit is a clear error at each byte, when opened and when restored', () => {
    const bench = new Bench('rest');
    const { store } = bench.open();
    const meta = bench.write(store, 5, 700);
    store.named(meta);
    for (let at = 0; at < meta.bytes; at += 7) {
      bench.disk.flipBit(bench.path(), at, at % 8);
      expect(bench.tryOpen([meta]).error?.code).toBe('SNAPSHOT_ERR_CORRUPT');
      const seen: Uint8Array[] = [];
      const restored = bench.run<void>((done) => store.restore(meta, (b) => seen.push(b), done));
      expect(restored.error?.code).toBe('SNAPSHOT_ERR_CORRUPT');
      expect(seen).toEqual([]);
      bench.disk.flipBit(bench.path(), at, at % 8);
    }
    expect(bench.open([meta]).latest).toEqual(meta);
  });

  it('ZB-27 a cut, a longer and a missing file are clear errors', () => {
    const bench = new Bench('cut');
    const { store } = bench.open();
    const meta = bench.write(store, 5, 700);
    const whole = bench.disk.contents(bench.path());
    for (const bytes of [whole.subarray(0, 699), new Uint8Array(0), new Uint8Array(701)]) {
      bench.disk.replace(bench.path(), bytes);
      expect(bench.tryOpen([meta]).error?.code).toBe('SNAPSHOT_ERR_CORRUPT');
    }
    const other = { ...meta, index: 6 as LogIndex };
    expect(bench.tryOpen([other]).error).toMatchObject({ code: 'SNAPSHOT_ERR_MISSING' });
  });
});

describe('crash points', () => {
  /** Writes snapshot 2 over a named snapshot 1; the power goes at effect `cutAt`. */
  const runUntil = (cutAt: number, seed: string) => {
    const bench = new Bench(seed);
    const { store } = bench.open();
    const one = bench.write(store, 1, 3000);
    store.named(one);
    const base = bench.disk.effectCount;
    bench.disk.onEffect = (number) => {
      if (number - base === cutAt) bench.disk.powerCut();
    };
    let two: SnapshotMeta | null = null;
    store.write(describing(2), readerOf(stateOf(2, 3000)), (error, meta) => {
      expect(error).toBeNull();
      two = meta;
    });
    bench.clock.run();
    bench.disk.onEffect = null;
    return { bench, one, two: two as SnapshotMeta | null, effects: bench.disk.effectCount - base };
  };

  it('RF-36 a crash at any point of a write leaves the old snapshot, or both', () => {
    const { effects } = runUntil(0, 'dry');
    expect(effects).toBeGreaterThan(7);
    for (let cutAt = 1; cutAt <= effects + 1; cutAt++) {
      for (const seed of ['a', 'b', 'c']) {
        const { bench, one, two } = runUntil(cutAt, `${cutAt} ${seed}`);
        expect(two === null, `cut at ${cutAt}`).toBe(cutAt <= effects);
        bench.disk.powerCut();
        if (two !== null) {
          // The write was reported, so its record may have become durable.
          const both = bench.open([one, two]);
          expect(bench.restored(both.store, two)).toEqual(stateOf(2, 3000));
        }
        const old = bench.open([one]);
        expect(bench.restored(old.store, one)).toEqual(stateOf(1, 3000));
        expect(bench.files().length).toBe(1);
      }
    }
  });

  it('an install is whole once it was reported, and no file before', () => {
    const { meta, state } = peerSnapshot(9, 2500);
    for (let cutAt = 1; cutAt < 20; cutAt++) {
      const bench = new Bench(`install ${cutAt}`);
      const { store } = bench.open();
      const base = bench.disk.effectCount;
      bench.disk.onEffect = (number) => {
        if (number - base === cutAt) bench.disk.powerCut();
      };
      let reported = false;
      store.install(meta, (error, staged) => {
        expect(error).toBeNull();
        staged.write(0, state.subarray(0, 1024), () => {
          staged.write(1024, state.subarray(1024), () => {
            staged.finish((finishError) => {
              reported = finishError === null;
            });
          });
        });
      });
      bench.clock.run();
      bench.disk.onEffect = null;
      bench.disk.powerCut();
      if (reported) {
        expect(bench.restored(bench.open([meta]).store, meta)).toEqual(state);
      } else {
        bench.open();
        expect(bench.files()).toEqual([]);
      }
    }
  });
});
