import {
  EntryType,
  type Instant,
  type LogIndex,
  type NodeId,
  type PeerStatus,
  type RequestStatus,
  type Ticket,
} from '@quorate/consensus';
import { NO_BYTES } from '@quorate/foundation';
import { quorumIndex } from '@quorate/quorum';
import { Broadcast } from './broadcast.ts';
import type { RaftCore } from './core.ts';
import type { AppendEntriesResponse, HeartbeatResponse, ReadIndexRequest } from './messages.ts';
import { Progress } from './progress.ts';
import { LeaderReads } from './read-index.ts';
import { entryRecord } from './records.ts';

/**
 * One leadership: what the leader of a term knows and decides (Raft paper, sections 5.3 and 5.4).
 * It begins with an election won and is thrown away whole at the end, so that nothing of one term
 * can be counted in another. What it sends is built in `Broadcast`.
 */
export class Replication {
  readonly followers: readonly Progress[];
  readonly reads: LeaderReads;
  readonly broadcast: Broadcast;
  /** The index of the no-op that opens the term. */
  readonly termStartIndex: LogIndex;
  heartbeatDue = false;
  heartbeatDeadline: Instant;
  private readonly core: RaftCore;
  private readonly byId = new Map<NodeId, Progress>();
  private readonly tickets = new Map<LogIndex, Ticket>();
  /** When check-quorum is next judged. */
  private quorumDeadline: Instant;
  private uncommittedBytes = 0;
  /** Entries up to here are counted out of `uncommittedBytes`. */
  private countedIndex: LogIndex;

  /** Begins the leadership of the core's term: appends the no-op that lets older entries commit. */
  constructor(core: RaftCore) {
    this.core = core;
    this.reads = new LeaderReads(core);
    this.broadcast = new Broadcast(core, this);
    const { inflightMessagesMax, inflightBytesMax } = core.config.limits;
    const next = (core.log.lastIndex + 1) as LogIndex;
    this.followers = core.peers.map(
      (id) => new Progress({ id, next, now: core.now, inflightMessagesMax, inflightBytesMax }),
    );
    for (const follower of this.followers) this.byId.set(follower.id, follower);
    this.heartbeatDeadline = (core.now + core.config.heartbeatMicros) as Instant;
    this.quorumDeadline = (core.now + core.config.electionTimeoutMaxMicros) as Instant;
    this.countedIndex = core.commitIndex;
    for (let i = core.commitIndex + 1; i <= core.log.lastIndex; i++) {
      this.uncommittedBytes += core.log.at(i as LogIndex).payload.length;
    }
    this.termStartIndex = next;
    this.append(EntryType.noop, NO_BYTES);
  }

  /** Appends a command batch, or says why not. */
  propose(payload: Uint8Array, ticket: Ticket): RequestStatus {
    const { core } = this;
    const { limits } = core.config;
    if (payload.length > limits.payloadBytesMax) return 'tooLarge';
    const uncommitted = core.log.lastIndex - core.commitIndex;
    if (uncommitted >= limits.uncommittedEntriesMax) return 'busy';
    // One payload alone may exceed the bound on bytes, or it could never be proposed.
    const bytes = this.uncommittedBytes + payload.length;
    if (bytes > limits.uncommittedBytesMax && this.uncommittedBytes > 0) return 'busy';
    this.append(EntryType.command, payload);
    this.tickets.set(core.log.lastIndex, ticket);
    return 'accepted';
  }

  /** The ticket of a committed entry, given out once; 0 when it was not proposed in this term. */
  takeTicket(index: LogIndex): Ticket {
    const ticket = this.tickets.get(index);
    if (ticket === undefined) return 0 as Ticket;
    this.tickets.delete(index);
    return ticket;
  }

  appendEntriesAnswered(from: NodeId, message: AppendEntriesResponse): void {
    const { core } = this;
    const follower = this.heard(from);
    if (follower === null) return;
    if (!message.success) {
      this.rejected(follower, message);
      return;
    }
    if (message.matchIndex > core.log.lastIndex) {
      core.ignore(from, 'acknowledges what was never sent');
      return;
    }
    // While a snapshot is on its way, an answer counts once it reaches the log in memory: any
    // snapshot that reconnects the logs will do, the awaited one or an older one (RF-30).
    if (follower.state === 'snapshot') {
      if (message.matchIndex + 1 < core.log.firstIndex) return;
      follower.becomeProbe((message.matchIndex + 1) as LogIndex);
    }
    follower.acknowledged(message.matchIndex);
    if (message.matchIndex > core.commitIndex) this.advanceCommit();
  }

  heartbeatAnswered(from: NodeId, message: HeartbeatResponse): void {
    const follower = this.heard(from);
    if (follower === null) return;
    if (message.confirmation > this.reads.confirmation) {
      this.core.ignore(from, 'confirms what was never asked');
      return;
    }
    follower.heartbeatAnswered();
    if (message.confirmation <= follower.confirmed) return;
    follower.confirmed = message.confirmation;
    this.settleReads();
  }

  readAsked(from: NodeId, message: ReadIndexRequest): void {
    if (this.heard(from) !== null) this.reads.ask(from, message.context);
  }

  /** Answers reads whose confirmation a quorum has given. */
  settleReads(): void {
    this.reads.settle((peer) => this.byId.get(peer)?.confirmed ?? 0);
  }

  /** True once the leader knows which entries are committed (thesis, section 6.4, step 1). */
  get termIsCommitted(): boolean {
    return this.core.commitIndex >= this.termStartIndex;
  }

  /**
   * Raises the commit index to what a quorum holds durably, if that entry is of this term; older
   * entries are committed by it, never by being counted (Raft paper, section 5.4.2 and figure 8).
   * The leader's own copy counts only as far as it is durable.
   */
  advanceCommit(): void {
    const { core } = this;
    const index = quorumIndex(core.quorum, (voter) => {
      if (voter === core.id) return core.ledger.durableIndex;
      return this.byId.get(voter)?.match ?? (0 as LogIndex);
    });
    if (index <= core.commitIndex || core.log.termAt(index) !== core.term) return;
    if (!this.termIsCommitted) core.note('firstCommit', core.id, `no-op of term ${core.term}`);
    core.commitTo(index);
    while (this.countedIndex < index) {
      this.countedIndex = (this.countedIndex + 1) as LogIndex;
      this.uncommittedBytes -= core.log.at(this.countedIndex).payload.length;
    }
  }

  sessionChanged(peer: NodeId): void {
    const follower = this.byId.get(peer);
    if (follower === undefined) return;
    follower.heard = false;
    follower.becomeProbe((follower.match + 1) as LogIndex);
  }

  /** A transfer ended. When it failed, wait for the follower's next sign of life to try again. */
  snapshotSent(to: NodeId, delivered: boolean): void {
    const follower = this.byId.get(to);
    if (follower === undefined || follower.state !== 'snapshot') return;
    const next = delivered ? follower.snapshotIndex + 1 : follower.match + 1;
    follower.becomeProbe(next as LogIndex);
    follower.probeWaits = true;
  }

  /** Does what is due at the core's time; returns why the leader must step down, or null. */
  tick(): string | null {
    const { core } = this;
    const stall = this.stallDeadline;
    // Its heartbeats would keep the followers quiet while it cannot commit (RF-40).
    if (stall !== null && core.now >= stall) return 'own disk is silent';
    if (core.usesCheckQuorum && core.now >= this.quorumDeadline) {
      const timeoutMicros = core.config.electionTimeoutMaxMicros;
      this.quorumDeadline = (this.quorumHeardAt() + timeoutMicros) as Instant;
      if (core.now >= this.quorumDeadline) return 'a quorum is silent';
    }
    if (core.peers.length > 0 && core.now >= this.heartbeatDeadline) this.heartbeatDue = true;
    return null;
  }

  /** When `tick` next has something to do; null for a lone voter with an idle disk. */
  nextDeadline(): Instant | null {
    const { core } = this;
    const deadlines: Instant[] = [];
    if (core.peers.length > 0) {
      deadlines.push(this.heartbeatDeadline);
      if (core.usesCheckQuorum) deadlines.push(this.quorumDeadline);
    }
    const stall = this.stallDeadline;
    if (stall !== null) deadlines.push(stall);
    return deadlines.length === 0 ? null : (Math.min(...deadlines) as Instant);
  }

  /**
   * True when the follower was heard within an election timeout: worth a snapshot or a log tail.
   */
  isActive(follower: Progress): boolean {
    const silence = this.core.now - follower.heardAt;
    return follower.heard && silence <= this.core.config.electionTimeoutMaxMicros;
  }

  /** The lowest entry that some active follower still needs. */
  neededFrom(): LogIndex {
    let lowest = (this.core.log.lastIndex + 1) as LogIndex;
    for (const follower of this.followers) {
      if (!this.isActive(follower)) continue;
      const held = Math.max(follower.match, follower.snapshotIndex);
      if (held + 1 < lowest) lowest = (held + 1) as LogIndex;
    }
    return lowest;
  }

  /** Ends the leadership: gives up everything asked for here and not concluded. */
  end(): void {
    this.core.abandon(this.tickets.values());
    this.tickets.clear();
    this.reads.abandon();
  }

  peerStatus(): PeerStatus[] {
    return this.followers.map(({ id, match, state }) => ({ id, matchIndex: match, state }));
  }

  /**
   * The latest time at which a quorum, the leader included, had been heard. A leader whose quorum
   * is silent longer than an election timeout has probably been replaced (thesis, section 6.2).
   */
  private quorumHeardAt(): Instant {
    const { core } = this;
    const at = quorumIndex(core.quorum, (voter) => {
      if (voter === core.id) return core.now as number as LogIndex;
      return (this.byId.get(voter)?.heardAt ?? 0) as number as LogIndex;
    });
    return at as number as Instant;
  }

  /** When the leader gives up on its disk: a timeout after its oldest unpersisted Ready. */
  private get stallDeadline(): Instant | null {
    const oldest = this.core.ledger.oldestTakenAt;
    if (oldest === null) return null;
    return (oldest + this.core.config.electionTimeoutMaxMicros) as Instant;
  }

  private append(type: EntryType, payload: Uint8Array): void {
    const { core } = this;
    const index = (core.log.lastIndex + 1) as LogIndex;
    const entry = entryRecord({ term: core.term, index, type, payload });
    core.log.append(entry);
    core.output.records.push(entry);
    this.uncommittedBytes += payload.length;
  }

  private heard(from: NodeId): Progress | null {
    const follower = this.byId.get(from);
    if (follower === undefined) {
      this.core.ignore(from, 'not a follower of this leadership');
      return null;
    }
    follower.heard = true;
    follower.heardAt = this.core.now;
    return follower;
  }

  private rejected(follower: Progress, message: AppendEntriesResponse): void {
    const { core } = this;
    const { rejectedIndex } = message;
    if (!follower.isFreshRejection(rejectedIndex)) {
      core.ignore(follower.id, 'a refusal of something older');
      return;
    }
    const below = (rejectedIndex - 1) as LogIndex;
    const hint = Math.min(message.conflictIndex, below) as LogIndex;
    const common = core.log.lastIndexWithTermAtMost(hint, message.conflictTerm);
    follower.becomeProbe((common + 1) as LogIndex);
  }
}
