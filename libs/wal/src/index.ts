export {
  type DataDirectory,
  type DataDirectoryOptions,
  openDataDirectory,
} from './data-directory.ts';
export { type DirectoryLock, lockDirectory } from './directory-lock.ts';
export { dumpWal, verifyWal, type WalLocation, type WalVerdict } from './dump.ts';
export { WalError, type WalErrorCode } from './errors.ts';
export { nodeRecordCodec, openNodeDisk } from './node-disk.ts';
export { openWal, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN } from './open-wal.ts';
export { type StorageKind, storageKind } from './storage-kind.ts';
export type {
  OpenedWal,
  RecoveryDecision,
  RecoveryReport,
  SyncPolicy,
  Wal,
  WalIdentity,
  WalOptions,
  WalStats,
} from './types.ts';
