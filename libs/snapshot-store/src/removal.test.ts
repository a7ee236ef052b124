import type { LogIndex, SnapshotMeta } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { DiskClock, SimulatedDisk } from '@quorate/simulator';
import { describe, expect, it } from 'vitest';
import { nodeDigest, openSnapshotStore, type SnapshotStore } from './index.ts';

const NO_MEMBERS = { voters: [], learners: [], witnesses: [] };

function opened(clock: DiskClock): SnapshotStore {
  const disk = new SimulatedDisk({ clock, random: createRandom('removal') }).mount();
  let store: SnapshotStore | undefined;
  const options = { disk, directory: 'snapshots', clock, createDigest: nodeDigest, named: [] };
  openSnapshotStore(options, (error, found) => {
    expect(error).toBeNull();
    store = found?.store;
  });
  clock.run();
  if (store === undefined) throw new Error('the store did not open');
  return store;
}

function written(store: SnapshotStore, clock: DiskClock, index: number): SnapshotMeta {
  const slices = [new Uint8Array(3000).fill(index)];
  const reader = { next: () => slices.pop() ?? null, close: () => {} };
  const description = {
    index: index as LogIndex,
    membership: NO_MEMBERS,
    engine: new Uint8Array(0),
  };
  let meta: SnapshotMeta | undefined;
  store.write(description, reader, (error, made) => {
    expect(error).toBeNull();
    meta = made;
  });
  clock.run();
  if (meta === undefined) throw new Error('the snapshot was not written');
  return meta;
}

// Written because a planted bug passed every other script.
describe('an old snapshot', () => {
  it('ST-12: stays while a restore reads it, though newer ones are named meanwhile', () => {
    const clock = new DiskClock();
    const store = opened(clock);
    const metas = [1, 2, 3].map((index) => written(store, clock, index));
    const [first, second, third] = metas as [SnapshotMeta, SnapshotMeta, SnapshotMeta];
    store.named(first);
    const read: number[] = [];
    let end: string | null | undefined;
    store.restore(
      first,
      (bytes) => read.push(...bytes),
      (error) => {
        end = error?.code ?? null;
      },
    );
    // A restore reads a file twice, once to verify it: the removal must wait for both.
    store.named(second);
    store.named(third);
    clock.run();
    expect(end).toBeNull();
    expect(read).toEqual([...new Uint8Array(3000).fill(1)]);
  });
});
