import {
  type CommittedEntry,
  EntryType,
  type LogIndex,
  type SnapshotMeta,
  type StateMachine,
} from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import type { ProposalQueue } from './proposal-queue.ts';

/** The committed entries of one Ready, behind the snapshot that it installs, if any. */
interface Work {
  readonly install: SnapshotMeta | null;
  readonly entries: readonly CommittedEntry[];
}

/**
 * Applies committed entries in order (obligation 4), and restores an installed snapshot before the
 * entries behind it (obligation 9). While a restore runs, nothing is applied.
 */
export class Applier {
  entriesApplied = 0;
  commandsApplied = 0;
  /** Entries and payload bytes applied since the last cut or install, for the snapshot policy. */
  entriesSinceSnapshot = 0;
  bytesSinceSnapshot = 0;
  private readonly stateMachine: StateMachine;
  private readonly proposals: ProposalQueue;
  private readonly startRestore: (meta: SnapshotMeta) => void;
  private index: LogIndex;
  private work: Work[] = [];
  /** Entries of the first work item that are applied. */
  private position = 0;
  private restoringMeta: SnapshotMeta | null = null;

  constructor(
    stateMachine: StateMachine,
    proposals: ProposalQueue,
    appliedIndex: LogIndex,
    startRestore: (meta: SnapshotMeta) => void,
  ) {
    this.stateMachine = stateMachine;
    this.proposals = proposals;
    this.index = appliedIndex;
    this.startRestore = startRestore;
  }

  get appliedIndex(): LogIndex {
    return this.index;
  }

  /** The snapshot being restored. */
  get restoring(): SnapshotMeta | null {
    return this.restoringMeta;
  }

  /** True when `run` would do something. */
  get hasWork(): boolean {
    return this.restoringMeta === null && this.work.length > 0;
  }

  /** True while a snapshot is to be installed or restored: no own one may be cut below it. */
  get installing(): boolean {
    if (this.restoringMeta !== null) return true;
    for (const item of this.work) if (item.install !== null) return true;
    return false;
  }

  get entriesWaiting(): number {
    let count = -this.position;
    for (const item of this.work) count += item.entries.length;
    return count;
  }

  /** Takes what a Ready commits or installs. */
  add(install: SnapshotMeta | null, entries: readonly CommittedEntry[]): void {
    if (install === null && entries.length === 0) return;
    this.work.push({ install, entries });
  }

  /** Applies at most about `bytesMax` payload bytes; true when the applied index moved. */
  run(bytesMax: number): boolean {
    const before = this.index;
    let bytes = 0;
    while (this.restoringMeta === null && bytes < bytesMax) {
      const item = this.work[0];
      if (item === undefined) break;
      if (item.install !== null) {
        this.work[0] = { install: null, entries: item.entries };
        this.restoringMeta = item.install;
        this.startRestore(item.install);
        break;
      }
      const entry = item.entries[this.position];
      if (entry === undefined) {
        this.work.shift();
        this.position = 0;
        continue;
      }
      this.position++;
      bytes += entry.payload.length + 1;
      this.apply(entry);
    }
    return this.index !== before;
  }

  /** The restore ended well: the state is that of `meta`. */
  restored(): void {
    const meta = this.restoringMeta;
    assert(meta !== null, 'a restore that ends was begun');
    this.restoringMeta = null;
    this.index = meta.index;
    this.entriesSinceSnapshot = 0;
    this.bytesSinceSnapshot = 0;
  }

  private apply(entry: CommittedEntry): void {
    const { index, payload, ticket } = entry;
    assert(index === this.index + 1, `entry ${index} follows ${this.index}`);
    this.index = index;
    this.entriesApplied++;
    this.entriesSinceSnapshot++;
    this.bytesSinceSnapshot += payload.length;
    if (entry.type !== EntryType.command) return;
    const results = this.stateMachine.apply(index, payload);
    this.commandsApplied += results.length;
    if (ticket !== 0) this.proposals.committed(ticket, index, results);
  }
}
