import type {
  Clock,
  Instant,
  LogIndex,
  SnapshotDescription,
  SnapshotMeta,
  StateMachine,
} from '@quorate/consensus';
import type { SnapshotError, SnapshotStore } from '@quorate/snapshot-store';
import type { SnapshotPolicy } from './limits.ts';

/** What the keeper needs of the replica around it. */
export interface SnapshotKeeperPorts {
  readonly store: SnapshotStore;
  readonly stateMachine: StateMachine;
  readonly clock: Clock;
  /** Runs inside the next turn. */
  inTurn(task: () => void): void;
  /** The engine's newest snapshot; it may be a peer's that is about to be installed. */
  snapshotIndex(): LogIndex;
  /** Asks the engine what a snapshot cut at `index` must carry. */
  describe(index: LogIndex): SnapshotDescription;
  /** The file is durable: the engine records it. */
  taken(meta: SnapshotMeta): void;
  /** The file could not be written; the counts belong to the policy's account again. */
  failed(error: SnapshotError, entries: number, bytes: number): void;
}

/**
 * Takes a replica's own snapshots: one at a time, cut between two turns and written slice by slice
 * while the loop goes on. A full disk or another failure costs only this try: the log still holds
 * everything, so it is tried again after a pause.
 */
export class SnapshotKeeper {
  taken = 0;
  private readonly ports: SnapshotKeeperPorts;
  private readonly policy: SnapshotPolicy;
  private readonly retryMicros: number;
  private writing = false;
  private notBefore = 0;

  constructor(ports: SnapshotKeeperPorts, policy: SnapshotPolicy, retryMicros: number) {
    this.ports = ports;
    this.policy = policy;
    this.retryMicros = retryMicros;
  }

  get busy(): boolean {
    return this.writing;
  }

  /**
   * Cuts a snapshot at `appliedIndex` when the policy asks for one after `entries` and `bytes`
   * applied since the last cut; true when it did.
   */
  consider(appliedIndex: LogIndex, entries: number, bytes: number, now: Instant): boolean {
    if (this.writing || now < this.notBefore || entries === 0) return false;
    const { snapshotEveryEntries, snapshotEveryBytes } = this.policy;
    if (entries < snapshotEveryEntries && bytes < snapshotEveryBytes) return false;
    if (appliedIndex <= this.ports.snapshotIndex()) return false;
    this.writing = true;
    const description = this.ports.describe(appliedIndex);
    const reader = this.ports.stateMachine.snapshot();
    this.ports.store.write(description, reader, (error, meta) => {
      this.ports.inTurn(() => {
        this.writing = false;
        if (error !== null) {
          this.notBefore = this.ports.clock.now() + this.retryMicros;
          this.ports.failed(error, entries, bytes);
          return;
        }
        this.taken++;
        this.ports.taken(meta);
      });
    });
    return true;
  }
}
