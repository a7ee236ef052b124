import type { LogIndex, NodeId, SnapshotMeta } from '@quorate/consensus';
import type { RaftCore } from './core.ts';
import type {
  AppendEntries,
  AppendEntriesResponse,
  Heartbeat,
  InstallSnapshot,
  Term,
} from './messages.ts';
import { truncateRecord } from './records.ts';
import { acceptSnapshot, matchesSnapshot } from './snapshot.ts';

/** A refusal to send: what was refused and where logs may still agree. */
interface Rejection {
  readonly rejectedIndex: LogIndex;
  readonly conflictIndex: LogIndex;
  readonly conflictTerm: Term;
}

/** A snapshot that the leader of `term` announced. */
interface Announcement {
  readonly from: NodeId;
  readonly term: Term;
  readonly meta: SnapshotMeta;
}

/**
 * The receiving side of replication (Raft paper, sections 5.3 and 7). Answers are merged: one
 * acknowledgement, one refusal and one heartbeat answer a turn at most. The caller has made sure
 * that a message is of the current term and from its leader.
 */
export class Follower {
  private readonly core: RaftCore;
  private acknowledged: LogIndex | null = null;
  private rejection: Rejection | null = null;
  private confirmation = 0;
  private announced: Announcement | null = null;

  constructor(core: RaftCore) {
    this.core = core;
  }

  /**
   * Forgets answers that were not sent: what they acknowledged may be overwritten by the leader of
   * the new term before they leave.
   */
  reset(): void {
    this.acknowledged = null;
    this.rejection = null;
    this.confirmation = 0;
    this.announced = null;
  }

  appendEntries(from: NodeId, message: AppendEntries): void {
    const { core } = this;
    const { log } = core;
    const covered = (message.prevLogIndex + message.entries.length) as LogIndex;
    if (message.prevLogIndex < core.commitIndex) {
      // Late, or from before a compaction: what is committed matches already (Leader Completeness)
      // and is not compared again (RF-20, RF-26). Only what lies above it can be news.
      if (covered <= core.commitIndex) {
        this.acknowledge(core.commitIndex);
        return;
      }
    } else if (log.termAt(message.prevLogIndex) !== message.prevLogTerm) {
      this.reject(message);
      return;
    }
    if (!this.store(from, message)) return;
    // Raft paper, figure 2: min(leaderCommit, index of last new entry); beyond what the message
    // covered the own tail may conflict with the leader's log.
    core.commitTo(Math.min(message.leaderCommit, covered) as LogIndex);
    this.acknowledge(covered);
  }

  heartbeat(message: Heartbeat): void {
    const { core } = this;
    // The leader names at most what this replica has acknowledged in this term.
    core.commitTo(Math.min(message.leaderCommit, core.log.lastIndex) as LogIndex);
    if (message.confirmation > this.confirmation) this.confirmation = message.confirmation;
  }

  installSnapshot(from: NodeId, message: InstallSnapshot): void {
    const { core } = this;
    if (this.alreadyCovers(message.meta)) return;
    this.announced = { from, term: core.term, meta: message.meta };
  }

  /** The file has arrived; installs it when it is the one that the current leader announced. */
  snapshotOffered(from: NodeId, meta: SnapshotMeta): void {
    const { core } = this;
    const { announced } = this;
    if (announced === null || announced.from !== from || announced.term !== core.term) {
      core.ignore(from, 'a snapshot that this term’s leader did not announce');
      return;
    }
    if (announced.meta.index !== meta.index || announced.meta.digest !== meta.digest) {
      core.ignore(from, 'a snapshot other than the announced one');
      return;
    }
    this.announced = null;
    if (this.alreadyCovers(announced.meta)) return;
    acceptSnapshot(core, from, announced.meta);
    this.rejection = null;
    this.acknowledge(meta.index);
  }

  /** Tells a leader of an old term that it is one (Raft paper, section 5.1), after persist. */
  refuseOldLeader(from: NodeId): void {
    const none = 0 as LogIndex;
    const nothing = { rejectedIndex: none, conflictIndex: none, conflictTerm: 0 as Term };
    this.core.output.afterPersist([from], response(this.core.term, none, nothing));
  }

  get hasOutput(): boolean {
    return this.acknowledged !== null || this.rejection !== null || this.confirmation > 0;
  }

  /**
   * Sends the merged answers. Acknowledgements wait for the disk; the heartbeat's answer states
   * only that this replica is in the term, so it leaves early once the term is durable: a crash
   * cannot take that back, and a read need not wait for a follower's disk.
   */
  emit(leader: NodeId): void {
    const { core } = this;
    const { acknowledged, rejection } = this;
    if (acknowledged !== null) {
      core.output.afterPersist([leader], response(core.term, acknowledged, null));
    }
    if (rejection !== null) {
      core.output.afterPersist([leader], response(core.term, 0 as LogIndex, rejection));
    }
    if (this.confirmation > 0) {
      const message = {
        kind: 'heartbeatResponse',
        term: core.term,
        confirmation: this.confirmation,
      } as const;
      if (core.promiseDurable) core.output.early([leader], message);
      else core.output.afterPersist([leader], message);
    }
    this.acknowledged = null;
    this.rejection = null;
    this.confirmation = 0;
  }

  /** Appends what is new; removes a tail only at a real conflict of terms (RF-20, RF-21). */
  private store(from: NodeId, message: AppendEntries): boolean {
    const { core } = this;
    const { log } = core;
    for (const entry of message.entries) {
      if (entry.index <= core.commitIndex) continue;
      if (entry.index <= log.lastIndex) {
        if (log.termAt(entry.index) === entry.round) continue;
        log.truncateFrom(entry.index);
        core.ledger.truncatedFrom(entry.index);
        core.output.records.push(truncateRecord(entry.index));
      } else if (entry.index !== log.lastIndex + 1 || entry.round < log.lastTerm) {
        // Cannot come from a leader of this term: its log and ours agree up to the commit index.
        core.ignore(from, 'entries that contradict what is committed');
        return false;
      }
      log.append(entry);
      core.output.records.push(entry);
    }
    return true;
  }

  private reject(message: AppendEntries): void {
    const { core } = this;
    // No entry above this one can equal an entry of the leader's at or below the previous one, and
    // what is committed needs no search.
    const found = core.log.lastIndexWithTermAtMost(message.prevLogIndex, message.prevLogTerm);
    const conflictIndex = Math.max(found, core.commitIndex) as LogIndex;
    this.rejection = {
      rejectedIndex: message.prevLogIndex,
      conflictIndex,
      conflictTerm: core.log.termAt(conflictIndex) ?? (0 as Term),
    };
  }

  private acknowledge(index: LogIndex): void {
    if (this.acknowledged === null || index > this.acknowledged) this.acknowledged = index;
  }

  /** True, and acknowledged, when a snapshot brings nothing that this replica does not hold. */
  private alreadyCovers(meta: SnapshotMeta): boolean {
    const { core } = this;
    if (meta.index > core.commitIndex) {
      if (!matchesSnapshot(core, meta)) return false;
      core.commitTo(meta.index);
    }
    this.acknowledge(core.commitIndex);
    return true;
  }
}

/** Builds an acknowledgement of everything up to `matchIndex`, or a refusal. */
function response(
  term: Term,
  matchIndex: LogIndex,
  rejection: Rejection | null,
): AppendEntriesResponse {
  return {
    kind: 'appendEntriesResponse',
    term,
    success: rejection === null,
    matchIndex,
    rejectedIndex: rejection?.rejectedIndex ?? (0 as LogIndex),
    conflictIndex: rejection?.conflictIndex ?? (0 as LogIndex),
    conflictTerm: rejection?.conflictTerm ?? (0 as Term),
  };
}
