import type { Instant, LogIndex, NodeId } from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import type { RaftCore } from './core.ts';
import type { AppendEntries, Heartbeat, Term } from './messages.ts';
import type { Progress } from './progress.ts';
import type { Replication } from './replication.ts';
import { announcementOf } from './snapshot.ts';

/** An AppendEntries built this turn, shared by all followers that need the same one. */
interface Append {
  readonly message: AppendEntries;
  readonly bytes: number;
  readonly to: NodeId[];
}

/** A heartbeat built this turn, shared by all followers that know the same commit index. */
interface Beat {
  readonly message: Heartbeat;
  readonly to: NodeId[];
}

/**
 * Builds what a leader sends, once a turn and after all inputs, so that each follower gets at most
 * one AppendEntries with everything that came in.
 *
 * All of it leaves early, before the leader's own disk write. AppendEntries, heartbeats and
 * snapshot announcements state the term, which is durable since before the election; entries, of
 * which the leader counts its own copy only once it is durable; and a commit index, which a quorum
 * holds durably. A leader that crashes never resumes its term, so nothing it might lose can
 * contradict what it sent (Raft thesis, section 10.2.1).
 */
export class Broadcast {
  private readonly core: RaftCore;
  private readonly leadership: Replication;
  private appends: Append[] = [];
  private beats: Beat[] = [];

  constructor(core: RaftCore, leadership: Replication) {
    this.core = core;
    this.leadership = leadership;
  }

  get hasOutput(): boolean {
    const { leadership } = this;
    if (leadership.heartbeatDue || this.readRoundDue) return true;
    for (const follower of leadership.followers) {
      if (this.wantsSnapshot(follower) || this.wantsNotice(follower)) return true;
      if (this.wantsAppend(follower)) return true;
    }
    return false;
  }

  emit(): void {
    const { core, leadership } = this;
    assert(core.promiseDurable, 'a leader’s term was durable before its election');
    const beats = leadership.heartbeatDue || this.readRoundDue;
    if (beats) leadership.reads.confirmation++;
    if (this.readRoundDue) {
      leadership.reads.startRound();
      leadership.settleReads(); // A lone voter confirms itself.
    }
    for (const follower of leadership.followers) {
      if (this.wantsAppend(follower)) this.append(follower);
      else if (this.wantsSnapshot(follower)) this.snapshot(follower);
      if (beats) this.beat(follower, leadership.reads.confirmation);
      else if (this.wantsNotice(follower)) this.beat(follower, 0);
    }
    if (leadership.heartbeatDue) {
      leadership.heartbeatDue = false;
      leadership.heartbeatDeadline = (core.now + core.config.heartbeatMicros) as Instant;
    }
    this.flush();
  }

  /** One round for all reads that wait, once an entry of the own term is committed (RF-41). */
  private get readRoundDue(): boolean {
    return this.leadership.reads.wantsRound && this.leadership.termIsCommitted;
  }

  /** True when the log in memory connects to what the follower is to get next. */
  private isConnected(follower: Progress): boolean {
    return this.core.log.termAt((follower.next - 1) as LogIndex) !== null;
  }

  private wantsAppend(follower: Progress): boolean {
    return follower.wantsAppend(this.core.log.lastIndex) && this.isConnected(follower);
  }

  /**
   * A follower whose previous entry is compacted away needs a snapshot; an AppendEntries that
   * compares nothing would let it keep a tail that does not match (RF-27). One that does not answer
   * gets none: it would only fill a queue.
   */
  private wantsSnapshot(follower: Progress): boolean {
    if (follower.state === 'snapshot' || this.isConnected(follower)) return false;
    return !follower.probeWaits && this.leadership.isActive(follower);
  }

  /** True when the follower could learn a higher commit index and no entries tell it. */
  private wantsNotice(follower: Progress): boolean {
    return commitKnownTo(follower, this.core.commitIndex) > follower.commitSent;
  }

  private append(follower: Progress): void {
    const { core } = this;
    const { appendEntriesMax, appendBytesMax } = core.config.limits;
    const entriesMax = follower.mayCarryEntries ? appendEntriesMax : 0;
    let append = this.appends.find(
      ({ message }) =>
        message.prevLogIndex === follower.next - 1 &&
        message.entries.length > 0 === (entriesMax > 0 && follower.next <= core.log.lastIndex),
    );
    if (append === undefined) {
      const prevLogIndex = (follower.next - 1) as LogIndex;
      const entries =
        entriesMax === 0
          ? []
          : core.log.slice(follower.next, { entriesMax, bytesMax: appendBytesMax });
      let bytes = 0;
      for (const entry of entries) bytes += entry.payload.length;
      append = {
        message: {
          kind: 'appendEntries',
          term: core.term,
          leaderId: core.id,
          prevLogIndex,
          prevLogTerm: core.log.termAt(prevLogIndex) as Term,
          leaderCommit: core.commitIndex,
          entries,
        },
        bytes,
        to: [],
      };
      this.appends.push(append);
    }
    append.to.push(follower.id);
    follower.sent(append.message.entries.length, append.bytes, core.commitIndex);
  }

  private beat(follower: Progress, confirmation: number): void {
    const { core } = this;
    const leaderCommit = commitKnownTo(follower, core.commitIndex);
    if (leaderCommit > follower.commitSent) follower.commitSent = leaderCommit;
    let beat = this.beats.find(
      ({ message }) =>
        message.leaderCommit === leaderCommit && message.confirmation === confirmation,
    );
    if (beat === undefined) {
      beat = {
        message: {
          kind: 'heartbeat',
          term: core.term,
          leaderId: core.id,
          leaderCommit,
          confirmation,
        },
        to: [],
      };
      this.beats.push(beat);
    }
    beat.to.push(follower.id);
  }

  private snapshot(follower: Progress): void {
    const { core } = this;
    const meta = core.snapshot;
    assert(meta !== null, 'what is compacted away is in a snapshot');
    follower.becomeSnapshot(meta.index);
    core.output.early([follower.id], announcementOf(core, meta));
    core.output.snapshotsToSend.push({ to: follower.id, meta });
  }

  private flush(): void {
    const { output } = this.core;
    for (const { to, message } of this.appends) output.early(to, message);
    for (const { to, message } of this.beats) output.early(to, message);
    this.appends = [];
    this.beats = [];
  }
}

/** The commit index as far as this follower certainly holds the leader's entries. */
function commitKnownTo(follower: Progress, commitIndex: LogIndex): LogIndex {
  return follower.match < commitIndex ? follower.match : commitIndex;
}
