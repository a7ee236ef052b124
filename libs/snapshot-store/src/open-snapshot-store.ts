import type { Disk, DiskError, Done, SnapshotMeta } from '@quorate/consensus';
import type { SnapshotError } from './errors.ts';
import { FileSnapshotStore } from './file-snapshot-store.ts';
import { isStoreName, SnapshotFiles, snapshotName, storeError } from './snapshot-files.ts';
import {
  type OpenSnapshotStore,
  SNAPSHOT_CHUNK_BYTES,
  type SnapshotDone,
  type SnapshotStoreOptions,
} from './types.ts';

/**
 * Opens a store. The newest named snapshot is verified before anything is removed; a damaged or
 * missing one is an error, because the log below it may be gone. Then files that no record names
 * (an interrupted write or install, a snapshot whose record was lost) are removed.
 */
export const openSnapshotStore: OpenSnapshotStore = (options, done) => {
  const { disk, directory, clock } = options;
  const files = new SnapshotFiles(disk, directory, options.createDigest);
  const kept = options.named.slice(-2);
  const sliceBytes = options.sliceBytes ?? SNAPSHOT_CHUNK_BYTES;
  const store = new FileSnapshotStore(files, { clock, sliceBytes }, kept);
  const fail = (error: SnapshotError): void => done(error, null);
  makeDurableDirectory(disk, directory, (error) => {
    if (error !== null) return fail(storeError(error, directory));
    verifyLatest(store, kept.at(-1) ?? null, (verifyError) => {
      if (verifyError !== null) return fail(verifyError);
      removeOrphans(options, kept, (orphanError, orphansRemoved) => {
        if (orphanError !== null) return fail(storeError(orphanError, directory));
        done(null, { store, latest: store.latest, orphansRemoved });
      });
    });
  });
};

function verifyLatest(
  store: FileSnapshotStore,
  latest: SnapshotMeta | null,
  done: SnapshotDone,
): void {
  if (latest === null) done(null, undefined);
  else store.verify(latest, done);
}

function removeOrphans(
  options: SnapshotStoreOptions,
  kept: readonly SnapshotMeta[],
  done: Done<number>,
): void {
  const { disk, directory } = options;
  const keep = new Set(kept.map(snapshotName));
  disk.list(directory, (error, names) => {
    if (error !== null) return done(error, 0);
    const orphans = names.filter((name) => isStoreName(name) && !keep.has(name));
    const step = (position: number): void => {
      const name = orphans[position];
      if (name === undefined) {
        disk.syncDirectory(directory, (syncError) => done(syncError, orphans.length));
        return;
      }
      disk.remove(`${directory}/${name}`, (removeError) => {
        if (removeError !== null) done(removeError, position);
        else step(position + 1);
      });
    };
    step(0);
  });
}

/** Makes the directory and syncs each directory on the way, so that its name is durable too. */
function makeDurableDirectory(disk: Disk, directory: string, done: Done): void {
  const steps = directory.split('/').filter((step) => step !== '' && step !== '.');
  const sync = (depth: number, error: DiskError | null): void => {
    if (error !== null || depth >= steps.length) {
      done(error, undefined);
      return;
    }
    disk.syncDirectory(steps.slice(0, depth).join('/'), (failure) => sync(depth + 1, failure));
  };
  disk.makeDirectory(directory, (error) => sync(0, error));
}
