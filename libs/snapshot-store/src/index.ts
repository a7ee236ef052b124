export { SnapshotError, type SnapshotErrorCode } from './errors.ts';
export { nodeDigest } from './node-digest.ts';
export { openSnapshotStore } from './open-snapshot-store.ts';
export {
  type Digest,
  type OpenedSnapshotStore,
  type OpenSnapshotStore,
  SNAPSHOT_CHUNK_BYTES,
  type SnapshotChunk,
  type SnapshotDone,
  type SnapshotInstall,
  type SnapshotStore,
  type SnapshotStoreOptions,
} from './types.ts';
