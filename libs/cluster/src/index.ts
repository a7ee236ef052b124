export { Cluster } from './cluster.ts';
export {
  type ControlRequest,
  type EventLine,
  type FatalLine,
  type LinkDirectionEvidence,
  type LinkEvidence,
  type LinkFaultRequest,
  type MemberAddresses,
  monotonicMicros,
  type ReadyLine,
  type ReplicaGauges,
  type ReplicaLine,
  type ReplicaStatusReply,
  type ReplyLine,
} from './control-protocol.ts';
export type {
  ClusterDescription,
  Evidence,
  LaunchOptions,
  ReplicaSettings,
  Runtime,
} from './description.ts';
export { ClusterError, type ClusterErrorCode } from './errors.ts';
export { processState } from './process-state.ts';
export { Reaper } from './reaper.ts';
export type { ReplicaHandle } from './replica-handle.ts';
export type { WorkerTask } from './replica-worker.ts';
