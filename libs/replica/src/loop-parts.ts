import type { ConsensusEngine, MessageCodec, SnapshotMeta } from '@quorate/consensus';
import type { SnapshotStore } from '@quorate/snapshot-store';
import type { ReplicaLimits, SnapshotPolicy } from './limits.ts';
import type { ReplicaOptions } from './types.ts';

/** What `openReplica` has put together when the loop starts. */
export interface LoopParts<M> {
  readonly options: ReplicaOptions<M>;
  readonly engine: ConsensusEngine<M>;
  readonly codec: MessageCodec<M>;
  readonly store: SnapshotStore;
  /** The snapshot to which the state machine is restored. */
  readonly snapshot: SnapshotMeta | null;
  readonly limits: ReplicaLimits;
  readonly policy: SnapshotPolicy;
}
