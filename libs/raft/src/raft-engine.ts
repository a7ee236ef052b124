import {
  type ConsensusEngine,
  type EngineStatus,
  type Instant,
  type LogIndex,
  type Membership,
  NO_TICKET,
  type NodeId,
  type ReadLevel,
  type Ready,
  type ReadyNumber,
  type RequestStatus,
  type SnapshotDescription,
  type SnapshotMeta,
  type Ticket,
  type WalRecord,
} from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import { type CoreFields, RaftCore } from './core.ts';
import { type CandidacyOutcome, Election } from './election.ts';
import { Follower } from './follower.ts';
import {
  type FollowerMessage,
  flawOf,
  type LeaderMessage,
  type RaftMessage,
  type ReadIndexResponse,
  type RequestVote,
  type RequestVoteResponse,
  type Term,
} from './messages.ts';
import { FollowerReads } from './read-index.ts';
import { ReadyBuilder } from './ready-builder.ts';
import { Replication } from './replication.ts';
import { describeSnapshot, snapshotTaken, trimLog } from './snapshot.ts';

/**
 * One Raft replica (Ongaro and Ousterhout, USENIX ATC 2014; Ongaro's thesis, 2014), stepped from
 * outside. This class carries out changes of role and joins the parts: `Election`, `Follower`,
 * `Replication` with `Broadcast`, and the reads. Each message kind has one handler.
 *
 * Messages leave after persist except a leader's own (argued at `Broadcast`) and answers that state
 * only the current term or a committed index (argued at `Follower.emit`, `LeaderReads`,
 * `FollowerReads.emit`).
 */
export class RaftEngine implements ConsensusEngine<RaftMessage> {
  private readonly core: RaftCore;
  private readonly election: Election;
  private readonly follower: Follower;
  private readonly followerReads: FollowerReads;
  private leading: Replication | null = null;
  private readonly readies: ReadyBuilder;

  constructor(fields: CoreFields) {
    const core = new RaftCore(fields);
    this.core = core;
    this.election = new Election(core);
    this.follower = new Follower(core);
    this.followerReads = new FollowerReads(core);
    this.readies = new ReadyBuilder(core);
  }

  clock(now: Instant): void {
    // A host's clock is monotonic; a step back would only be late, never wrong, so it is not taken.
    if (now > this.core.now) this.core.now = now;
  }

  tick(): void {
    if (this.leading === null) {
      this.tickFollower();
      return;
    }
    const reason = this.leading.tick();
    if (reason !== null) this.becomeFollower(this.core.term, null, reason);
  }

  nextDeadline(): Instant | null {
    if (this.leading !== null) return this.leading.nextDeadline();
    const { repeatAt } = this.followerReads;
    const { deadline } = this.election;
    return repeatAt !== null && repeatAt < deadline ? repeatAt : deadline;
  }

  step(from: NodeId, message: RaftMessage): void {
    const { core } = this;
    if (!core.peers.includes(from)) {
      core.ignore(from, 'not a member');
      return;
    }
    const flaw = flawOf(message, from);
    if (flaw !== null) {
      core.ignore(from, flaw);
      return;
    }
    switch (message.kind) {
      case 'requestVote':
        this.onRequestVote(from, message);
        return;
      case 'requestVoteResponse':
        this.onRequestVoteResponse(from, message);
        return;
      case 'appendEntries':
      case 'heartbeat':
      case 'installSnapshot':
        this.onLeaderMessage(from, message);
        return;
      case 'readIndexResponse':
        this.onReadIndexResponse(from, message);
        return;
      case 'appendEntriesResponse':
      case 'heartbeatResponse':
      case 'readIndex':
        this.onFollowerMessage(from, message);
        return;
    }
  }

  peerConnected(peer: NodeId): void {
    this.leading?.sessionChanged(peer);
    if (peer === this.core.leader) this.followerReads.repeat();
  }

  peerDisconnected(peer: NodeId): void {
    this.leading?.sessionChanged(peer);
    const countsAsSilence = this.core.config.detector === 'timers+socket';
    if (countsAsSilence && peer === this.core.leader) this.election.leaderSessionClosed();
  }

  propose(payload: Uint8Array, ticket: Ticket): RequestStatus {
    return this.leading?.propose(payload, ticket) ?? 'notLeader';
  }

  read(level: ReadLevel, ticket: Ticket): RequestStatus {
    const { core } = this;
    if (level === 'lease') return 'unsupported';
    if (level === 'stale') {
      core.output.readStates.push({ ticket, index: core.commitIndex });
      return 'accepted';
    }
    if (this.leading !== null) {
      return this.leading.reads.add(ticket) ? 'accepted' : 'busy';
    }
    if (core.leader === null) return 'notLeader';
    return this.followerReads.add(ticket) ? 'accepted' : 'busy';
  }

  changeMembership(_target: Membership, _ticket: Ticket): RequestStatus {
    return 'unsupported';
  }

  transferLeadership(_to: NodeId, _ticket: Ticket): RequestStatus {
    return 'unsupported';
  }

  persisted(upTo: ReadyNumber): void {
    const { core } = this;
    assert(upTo <= this.readies.lastNumber, 'only what was taken becomes durable');
    if (upTo > core.persistedReady) core.persistedReady = upTo;
    core.ledger.persisted(upTo);
    if (this.leading !== null) this.leading.advanceCommit();
    else this.conclude(this.election.ownVoteDurable());
  }

  applied(upTo: LogIndex): void {
    const { core } = this;
    assert(upTo <= core.deliveredIndex, 'only what was delivered is applied');
    if (upTo > core.appliedIndex) core.appliedIndex = upTo;
  }

  describeSnapshot(index: LogIndex): SnapshotDescription {
    return describeSnapshot(this.core, index);
  }

  snapshotTaken(meta: SnapshotMeta): void {
    snapshotTaken(this.core, meta);
  }

  snapshotOffered(from: NodeId, meta: SnapshotMeta): void {
    if (this.core.role === 'leader') this.core.ignore(from, 'a snapshot offered to a leader');
    else this.follower.snapshotOffered(from, meta);
  }

  snapshotSent(to: NodeId, delivered: boolean): void {
    this.leading?.snapshotSent(to, delivered);
  }

  hasReady(): boolean {
    const { core } = this;
    if (!core.output.isEmpty || core.promiseDirty) return true;
    if (core.commitIndex > core.deliveredIndex) return true;
    if (this.leading !== null) return this.leading.broadcast.hasOutput;
    if (this.election.hasOutput) return true;
    if (core.leader === null) return false;
    return this.follower.hasOutput || this.followerReads.hasOutput;
  }

  takeReady(): Ready<RaftMessage> {
    const { core } = this;
    this.emit();
    const { leading } = this;
    const ready = this.readies.take((index) => leading?.takeTicket(index) ?? NO_TICKET);
    trimLog(core, leading?.neededFrom() ?? core.log.lastIndex);
    return ready;
  }

  checkpoint(): WalRecord[] {
    return this.readies.checkpoint();
  }

  status(): EngineStatus {
    const { core } = this;
    return {
      id: core.id,
      role: core.role === 'pre-candidate' ? 'candidate' : core.role,
      phase: core.role,
      round: core.term,
      leader: core.leader,
      serving: this.leading !== null,
      commitIndex: core.commitIndex,
      lastIndex: core.log.lastIndex,
      snapshotIndex: core.snapshotIndex,
      membership: { current: core.membership, joint: null, index: core.membershipIndex },
      peers: this.leading?.peerStatus() ?? [],
    };
  }

  // Messages, one handler each.

  private onRequestVote(from: NodeId, message: RequestVote): void {
    const { core, election } = this;
    if (message.preVote) {
      election.answerPreVote(from, message);
      return;
    }
    if (message.term > core.term) {
      // Thesis, section 4.2.3: a server that was cut off or removed must not depose a leader that
      // the others hear; its term is not even looked at.
      if (core.usesCheckQuorum && election.hasLiveLeader) {
        core.ignore(from, 'a leader is alive');
        return;
      }
      this.becomeFollower(message.term, null, `vote asked by ${from} in term ${message.term}`);
    }
    election.answerVote(from, message);
  }

  private onRequestVoteResponse(from: NodeId, message: RequestVoteResponse): void {
    if (message.term > this.core.term) {
      this.becomeFollower(message.term, null, `term ${message.term} seen`);
      return;
    }
    this.conclude(this.election.answered(from, message));
  }

  /** AppendEntries, heartbeat, snapshot announcement: what only the leader of a term says. */
  private onLeaderMessage(from: NodeId, message: LeaderMessage): void {
    const { core } = this;
    if (message.term < core.term) {
      this.follower.refuseOldLeader(from);
      core.ignore(from, `a leader of the old term ${message.term}`);
      return;
    }
    if (core.role === 'leader' && message.term === core.term) {
      core.ignore(from, 'a second leader of this term'); // Election Safety says it cannot be.
      return;
    }
    if (core.leader !== null && core.leader !== from && message.term === core.term) {
      core.ignore(from, 'a second leader of this term');
      return;
    }
    if (core.role !== 'follower' || message.term > core.term || core.leader !== from) {
      this.becomeFollower(message.term, from, `leader ${from} of term ${message.term}`);
    }
    this.election.leaderHeard();
    if (message.kind === 'appendEntries') this.follower.appendEntries(from, message);
    else if (message.kind === 'heartbeat') this.follower.heartbeat(message);
    else this.follower.installSnapshot(from, message);
  }

  private onReadIndexResponse(from: NodeId, message: ReadIndexResponse): void {
    if (message.term > this.core.term) {
      this.becomeFollower(message.term, null, `term ${message.term} seen`);
    } else if (message.term === this.core.term && from === this.core.leader) {
      this.followerReads.answered(from, message);
    } else this.core.ignore(from, 'a read index from another leadership');
  }

  /** What only followers say to the leader of their term. */
  private onFollowerMessage(from: NodeId, message: FollowerMessage): void {
    const { core } = this;
    if (message.term > core.term) {
      this.becomeFollower(message.term, null, `term ${message.term} seen`);
      return;
    }
    if (this.leading === null || message.term !== core.term) {
      core.ignore(from, 'an answer to another leadership');
      return;
    }
    const { leading } = this;
    if (message.kind === 'appendEntriesResponse') leading.appendEntriesAnswered(from, message);
    else if (message.kind === 'heartbeatResponse') leading.heartbeatAnswered(from, message);
    else leading.readAsked(from, message);
  }

  // Time.

  private tickFollower(): void {
    const { core, election, followerReads } = this;
    if (core.now >= election.deadline) {
      if (core.role === 'follower') core.note('suspected', core.leader ?? 0, 'timeout');
      else core.note('candidacyFailed', core.id, 'timeout');
      this.setLeader(null);
      if (!election.mayStand) {
        election.resetTimer();
        return;
      }
      if (core.usesPreVote) this.conclude(election.standPreVote());
      else this.stand();
      return;
    }
    const { repeatAt } = followerReads;
    if (repeatAt !== null && core.now >= repeatAt) followerReads.repeat();
  }

  // Changes of role.

  private stand(): void {
    this.follower.reset();
    this.election.stand();
  }

  private conclude(outcome: CandidacyOutcome): void {
    const { core } = this;
    if (outcome === 'open') return;
    if (outcome === 'lost') {
      this.becomeFollower(core.term, null, 'refused by a quorum');
    } else if (core.role === 'pre-candidate') this.stand();
    else this.becomeLeader();
  }

  private becomeLeader(): void {
    const { core, election } = this;
    assert(core.role === 'candidate' && core.votedFor === core.id, 'only a candidate wins');
    election.close();
    core.role = 'leader';
    core.note('elected', core.id, `term ${core.term}`);
    this.setLeader(core.id);
    this.leading = new Replication(core);
    core.note('serving', core.id, `from index ${this.leading.termStartIndex}`);
  }

  /** Follows `leader`, or nobody known, in `term`, which may be the current one. */
  private becomeFollower(term: Term, leader: NodeId | null, reason: string): void {
    const { core, election } = this;
    assert(term >= core.term, 'a term only rises');
    const { role } = core;
    if (role === 'leader') core.note('steppedDown', core.id, reason);
    else if (role !== 'follower') core.note('candidacyFailed', core.id, reason);
    this.leading?.end();
    this.leading = null;
    election.close();
    core.role = 'follower';
    if (term > core.term) {
      core.adoptTerm(term);
      this.follower.reset();
    }
    this.setLeader(leader);
    if (role === 'leader') election.resetTimer();
  }

  private setLeader(leader: NodeId | null): void {
    const { core } = this;
    if (leader === core.leader) return;
    core.leader = leader;
    this.follower.reset();
    this.followerReads.abandon();
    this.election.leaderForgotten();
    core.note('leaderChanged', leader ?? 0, leader === null ? 'no leader' : `term ${core.term}`);
  }

  // Output.

  private emit(): void {
    const { core } = this;
    if (this.leading !== null) this.leading.broadcast.emit();
    else {
      this.election.emit();
      if (core.leader !== null) {
        this.follower.emit(core.leader);
        this.followerReads.emit(core.leader);
      }
    }
  }
}
