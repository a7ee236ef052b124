import type { Instant, NodeId } from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import { VoteTally } from '@quorate/quorum';
import type { RaftCore } from './core.ts';
import { type RequestVote, type RequestVoteResponse, TERM_MAX, type Term } from './messages.ts';

/** How a candidacy stands after an answer. */
export type CandidacyOutcome = 'open' | 'won' | 'lost';

const NEVER = -1;

/**
 * Election: the follower's timer, candidacies, and votes (Raft paper, section 5.2 and 5.4.1; thesis
 * sections 4.2.3 and 9.6). The engine carries out the changes of role.
 */
export class Election {
  private readonly core: RaftCore;
  private tally: VoteTally | null = null;
  private requestDue = false;
  /** When a valid leader was last heard; `NEVER` when its silence is already certain. */
  private leaderHeardAt: number = NEVER;
  deadline: Instant;

  constructor(core: RaftCore) {
    this.core = core;
    this.deadline = core.now;
    this.resetTimer();
  }

  /** Waits a newly drawn time from now. */
  resetTimer(): void {
    this.deadline = (this.core.now + this.core.drawElectionTimeoutMicros()) as Instant;
  }

  /** The leader of the current term was heard. */
  leaderHeard(): void {
    this.leaderHeardAt = this.core.now;
    this.resetTimer();
  }

  /** The leader is known to be gone, or no longer believed in. */
  leaderForgotten(): void {
    this.leaderHeardAt = NEVER;
  }

  /**
   * The session with the leader has closed and this cluster counts that as silence: what remains of
   * the timeout is its random part, which still keeps followers from standing at the same moment.
   */
  leaderSessionClosed(): void {
    this.leaderForgotten();
    const { electionTimeoutMinMicros: min, electionTimeoutMaxMicros: max } = this.core.config;
    const at = this.core.now + this.core.random.below(max - min + 1);
    if (at < this.deadline) this.deadline = at as Instant;
  }

  /**
   * True while this replica has no reason to doubt a leader: it leads, or heard one within the
   * minimum election timeout (thesis, section 4.2.3). The base is below every drawn timeout by at
   * least 1 ms, so two survivors cannot refuse each other for ever (RF-10).
   */
  get hasLiveLeader(): boolean {
    const { core } = this;
    if (core.role === 'leader') return true;
    if (core.leader === null || this.leaderHeardAt === NEVER) return false;
    return core.now - this.leaderHeardAt < core.config.electionTimeoutMinMicros;
  }

  /**
   * False while a snapshot is being restored: what this replica would stand with is not yet usable
   * (RF-09).
   */
  get mayStand(): boolean {
    const { core } = this;
    return core.isVoter && core.appliedIndex >= core.snapshotIndex && core.term < TERM_MAX;
  }

  /**
   * Asks whether a candidacy would succeed, without raising the term (thesis, section 9.6). The
   * vote of the term is not touched (RF-05).
   */
  standPreVote(): CandidacyOutcome {
    this.core.role = 'pre-candidate';
    this.open('pre-vote');
    return this.count(this.core.id, true);
  }

  /** Stands in a new term. The own vote counts once it is durable, see {@link ownVoteDurable}. */
  stand(): void {
    const { core } = this;
    core.adoptTerm((core.term + 1) as Term);
    core.voteFor(core.id);
    core.role = 'candidate';
    this.open('vote');
  }

  /** Ends a candidacy, whatever its outcome. */
  close(): void {
    this.tally = null;
    this.requestDue = false;
  }

  /** Call when a Ready became durable: the candidate's own vote may count now (RF-32). */
  ownVoteDurable(): CandidacyOutcome {
    if (this.core.role !== 'candidate' || !this.core.promiseDurable) return 'open';
    return this.count(this.core.id, true);
  }

  /** Counts an answer, unless it belongs to another candidacy (RF-03). */
  answered(from: NodeId, message: RequestVoteResponse): CandidacyOutcome {
    const { core } = this;
    const role = message.preVote ? 'pre-candidate' : 'candidate';
    const term = message.preVote ? core.term + 1 : core.term;
    if (core.role !== role || message.requestTerm !== term) {
      core.ignore(from, 'answer to another candidacy');
      return 'open';
    }
    return this.count(from, message.voteGranted);
  }

  /**
   * Answers a pre-vote: yes when the candidacy would be in a newer term, the candidate's log is up
   * to date, and no leader was heard of late. Answering changes nothing here, above all not the
   * time at which a leader was last heard (RF-12).
   */
  answerPreVote(from: NodeId, message: RequestVote): void {
    const { core } = this;
    const granted = message.term > core.term && !this.hasLiveLeader && this.isUpToDate(message);
    this.answer(from, message, granted);
  }

  /** Answers a vote request whose term has been adopted if it was higher. */
  answerVote(from: NodeId, message: RequestVote): void {
    const { core } = this;
    const free = core.votedFor === from || (core.votedFor === 0 && core.leader === null);
    const granted = message.term === core.term && free && this.isUpToDate(message);
    if (granted) {
      core.voteFor(from);
      this.resetTimer();
    }
    this.answer(from, message, granted);
  }

  get hasOutput(): boolean {
    return this.requestDue;
  }

  /**
   * Sends the request for votes after persist. It carries the last entry in memory, which by the
   * time the request leaves is durable, as are term and vote: a candidate that asked with a tail it
   * could still lose might win with grants given to a longer log than it has (RF-08).
   */
  emit(): void {
    if (!this.requestDue) return;
    this.requestDue = false;
    const { core } = this;
    const preVote = core.role === 'pre-candidate';
    assert(preVote || core.role === 'candidate', 'only a candidate asks for votes');
    if (core.peers.length === 0) return;
    core.output.afterPersist(core.peers, {
      kind: 'requestVote',
      term: (preVote ? core.term + 1 : core.term) as Term,
      candidateId: core.id,
      lastLogIndex: core.log.lastIndex,
      lastLogTerm: core.log.lastTerm,
      preVote,
    });
  }

  private open(detail: string): void {
    this.tally = new VoteTally(this.core.quorum);
    this.requestDue = true;
    this.resetTimer();
    this.core.note('candidacy', this.core.id, detail);
  }

  /**
   * An election is not won before the own term and vote are known to be durable, even when enough
   * others have voted (the host may tell late): a leader sends before its disk writes, and that is
   * safe only in a term that no crash can take back.
   */
  private count(voter: NodeId, granted: boolean): CandidacyOutcome {
    if (this.tally === null) return 'open';
    this.tally.record(voter, granted);
    const mayWin = this.core.role === 'pre-candidate' || this.core.promiseDurable;
    if (this.tally.won) return mayWin ? 'won' : 'open';
    return this.tally.lost ? 'lost' : 'open';
  }

  /** Raft paper, section 5.4.1: the later last term wins, then the longer log. */
  private isUpToDate(message: RequestVote): boolean {
    const { log } = this.core;
    if (message.lastLogTerm !== log.lastTerm) return message.lastLogTerm > log.lastTerm;
    return message.lastLogIndex >= log.lastIndex;
  }

  private answer(from: NodeId, message: RequestVote, voteGranted: boolean): void {
    this.core.output.afterPersist([from], {
      kind: 'requestVoteResponse',
      term: this.core.term,
      requestTerm: message.term,
      voteGranted,
      preVote: message.preVote,
    });
  }
}
