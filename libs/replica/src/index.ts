export { ReplicaError, type ReplicaErrorCode } from './errors.ts';
export {
  REPLICA_LIMITS_DEFAULT,
  type ReplicaLimits,
  SNAPSHOT_POLICY_DEFAULT,
  type SnapshotPolicy,
} from './limits.ts';
export { nodeClock } from './node-clock.ts';
export { openReplica } from './open-replica.ts';
export type {
  FatalError,
  OpenError,
  ProposeDone,
  ProposeOutcome,
  ReadDone,
  ReadOutcome,
  Replica,
  ReplicaCounters,
  ReplicaHandlers,
  ReplicaOptions,
  ReplicaStatus,
  SentCount,
} from './types.ts';
