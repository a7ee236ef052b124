import type {
  Clock,
  ConsensusEngine,
  Instant,
  LogIndex,
  NodeId,
  SnapshotMeta,
  SnapshotTransfer,
  StateMachine,
} from '@quorate/consensus';
import type { SnapshotError, SnapshotStore } from '@quorate/snapshot-store';
import type { Applier } from './applier.ts';
import { ReplicaError } from './errors.ts';
import type { HostFrame } from './host-frames.ts';
import type { ReplicaLimits, SnapshotPolicy } from './limits.ts';
import { restoreFromStore } from './restore-from-store.ts';
import { SnapshotKeeper } from './snapshot-keeper.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';
import { SnapshotSender } from './snapshot-sender.ts';
import type { FatalError, ReplicaHandlers } from './types.ts';

/** What the snapshots of a replica are made of and whom they tell. */
export interface SnapshotsParts {
  readonly engine: Pick<
    ConsensusEngine<never>,
    'describeSnapshot' | 'snapshotTaken' | 'snapshotOffered' | 'snapshotSent' | 'applied' | 'status'
  >;
  readonly store: SnapshotStore;
  readonly stateMachine: StateMachine;
  readonly clock: Clock;
  readonly limits: ReplicaLimits;
  readonly policy: SnapshotPolicy;
  readonly handlers: ReplicaHandlers;
  /** Runs inside the next turn, or never once the replica has stopped. */
  readonly inTurn: (task: () => void) => void;
  readonly send: (to: NodeId, frame: readonly Uint8Array[]) => boolean;
  readonly fail: (error: FatalError) => void;
}

/** All that a replica does with snapshots: its own, those it sends and those it installs. */
export class Snapshots {
  installed = 0;
  private readonly parts: SnapshotsParts;
  private readonly keeper: SnapshotKeeper;
  private readonly sender: SnapshotSender;
  private readonly receiver: SnapshotReceiver;
  private applier: Applier | null = null;
  /** The index of the last install: an own snapshot at or below it counts for nothing. */
  private floor = 0;

  constructor(parts: SnapshotsParts) {
    this.parts = parts;
    const { store, stateMachine, clock, limits, inTurn, send, engine } = parts;
    this.sender = new SnapshotSender(
      { store, clock, send, inTurn, ended: (to, ok) => engine.snapshotSent(to, ok) },
      limits.snapshotAckTimeoutMicros,
    );
    this.receiver = new SnapshotReceiver(
      { store, clock, send, inTurn, offered: (from, meta) => engine.snapshotOffered(from, meta) },
      limits.snapshotIdleMicros,
    );
    const describe: ConsensusEngine<never>['describeSnapshot'] = (index) =>
      engine.describeSnapshot(index);
    const snapshotIndex = (): LogIndex => engine.status().snapshotIndex;
    const { taken, failed } = this;
    this.keeper = new SnapshotKeeper(
      { store, stateMachine, clock, inTurn, snapshotIndex, describe, taken, failed },
      parts.policy,
      limits.snapshotRetryMicros,
    );
  }

  /** Own snapshots written since the replica was opened. */
  get takenCount(): number {
    return this.keeper.taken;
  }

  /** True while an own snapshot is being written. */
  get writing(): boolean {
    return this.keeper.busy;
  }

  /** Cuts an own snapshot when the policy asks for one. */
  consider(applier: Applier, now: Instant): void {
    if (applier.installing) return;
    const { entriesSinceSnapshot: entries, bytesSinceSnapshot: bytes } = applier;
    if (!this.keeper.consider(applier.appliedIndex, entries, bytes, now)) return;
    this.applier = applier;
    applier.entriesSinceSnapshot = 0;
    applier.bytesSinceSnapshot = 0;
  }

  /** The engine asked for a snapshot to be streamed to a peer. */
  hold(transfer: SnapshotTransfer): void {
    this.sender.hold(transfer);
  }

  /** What announces the snapshot has left: it may follow. */
  release(transfer: SnapshotTransfer): void {
    this.sender.release(transfer);
  }

  hostFrame(from: NodeId, frame: HostFrame): void {
    if (frame.kind === 'chunk') this.receiver.chunk(from, frame);
    else this.sender.acknowledged(from, frame);
  }

  sessionEnded(peer: NodeId): void {
    this.sender.disconnected(peer);
    this.receiver.disconnected(peer);
  }

  /** Gives up what has waited too long. */
  expire(now: Instant): void {
    this.sender.expire(now);
  }

  deadline(): number | null {
    return this.sender.deadline();
  }

  /** Obligation 9: restores the state machine from an installed snapshot, slice by slice. */
  restore(applier: Applier, meta: SnapshotMeta): void {
    this.floor = meta.index;
    restoreFromStore(this.parts.store, this.parts.stateMachine, meta, (error, refusal) => {
      this.parts.inTurn(() => {
        if (error !== null) this.parts.fail(error);
        else if (refusal !== null) {
          const message = `the snapshot at index ${meta.index} cannot be restored: ${refusal}`;
          this.parts.fail(new ReplicaError('REPLICA_ERR_SNAPSHOT_RESTORE', message));
        } else {
          applier.restored();
          this.installed++;
          this.parts.engine.applied(applier.appliedIndex);
        }
      });
    });
  }

  private readonly taken = (meta: SnapshotMeta): void => {
    // A snapshot installed meanwhile covers more; this file stays without a record, an orphan.
    if (meta.index > this.floor) this.parts.engine.snapshotTaken(meta);
  };

  private readonly failed = (error: SnapshotError, entries: number, bytes: number): void => {
    if (this.applier !== null) {
      this.applier.entriesSinceSnapshot += entries;
      this.applier.bytesSinceSnapshot += bytes;
    }
    this.parts.handlers.snapshotWritten?.(error, null);
  };
}
