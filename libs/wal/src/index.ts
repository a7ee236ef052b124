export { WalError, type WalErrorCode } from './errors.ts';
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
