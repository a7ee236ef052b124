import type { LogIndex, NodeId, WalRecord } from '@quorate/consensus';
import type { Wal, WalError, WalStats } from '@quorate/wal';
import type { ReplicaGhost } from './replica-ghost.ts';

/** A production log whose appends and completions the ghost sees. */
export class ObservedWal implements Wal {
  /** Batches appended, and those of them that are durable. */
  appends = 0;
  completed = 0;
  private readonly wal: Wal;
  private readonly node: NodeId;
  private readonly ghost: ReplicaGhost;
  private readonly onDone: () => void;

  constructor(wal: Wal, node: NodeId, ghost: ReplicaGhost, onDone: () => void) {
    this.wal = wal;
    this.node = node;
    this.ghost = ghost;
    this.onDone = onDone;
  }

  get hasSpace(): boolean {
    return this.wal.hasSpace;
  }

  append(batch: readonly WalRecord[], mustSync: boolean, done: () => void): void {
    this.appends++;
    this.ghost.appended(this.node, batch);
    this.wal.append(batch, mustSync, () => {
      this.completed++;
      this.onDone();
      this.ghost.persisted(this.node);
      done();
    });
  }

  setCheckpointSource(source: () => readonly WalRecord[]): void {
    this.wal.setCheckpointSource(source);
  }

  release(snapshotIndex: LogIndex): void {
    this.wal.release(snapshotIndex);
  }

  onFatal(handler: (error: WalError) => void): void {
    this.wal.onFatal(handler);
  }

  stats(): WalStats {
    return this.wal.stats();
  }

  close(done: (error: WalError | null) => void): void {
    this.wal.close(done);
  }
}
