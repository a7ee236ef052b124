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
  private readonly onDurable: (records: readonly WalRecord[]) => void;

  /** `onDone` is called before a completion counts, `onDurable` with what is durable by it. */
  constructor(
    wal: Wal,
    node: NodeId,
    ghost: ReplicaGhost,
    on: { done: () => void; durable: (records: readonly WalRecord[]) => void },
  ) {
    this.wal = wal;
    this.node = node;
    this.ghost = ghost;
    this.onDone = on.done;
    this.onDurable = on.durable;
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
      this.onDurable(this.ghost.persisted(this.node));
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
