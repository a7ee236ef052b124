export { SnapshotError, type SnapshotErrorCode } from './errors.ts';
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
