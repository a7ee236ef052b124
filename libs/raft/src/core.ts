import type {
  EngineConfig,
  EngineEventKind,
  Instant,
  LogIndex,
  Membership,
  NodeId,
  ReadyNumber,
  SnapshotMeta,
  Ticket,
  Variants,
} from '@quorate/consensus';
import { assert, type Random } from '@quorate/foundation';
import { majorityQuorum, type QuorumSystem } from '@quorate/quorum';
import { RaftLog } from './log.ts';
import { TERM_MAX, type Term } from './messages.ts';
import { Output } from './output.ts';
import type { Recovered } from './records.ts';
import { WriteLedger } from './write-ledger.ts';

/** Where a replica stands (Raft paper, figure 4; the pre-candidate is of thesis section 9.6). */
export type RaftRole = 'follower' | 'pre-candidate' | 'candidate' | 'leader';

/** What a replica is opened with. */
export interface CoreFields {
  readonly config: EngineConfig;
  readonly variants: Variants;
  readonly random: Random;
  readonly snapshot: SnapshotMeta | null;
  readonly recovered: Recovered;
}

/**
 * The state that all parts of a replica share: term and vote, role, log, commit index, and the
 * output of the turn. It holds the rules that tie these together and no protocol step.
 */
export class RaftCore {
  readonly id: NodeId;
  readonly config: EngineConfig;
  readonly random: Random;
  readonly usesPreVote: boolean;
  readonly usesCheckQuorum: boolean;
  readonly log: RaftLog;
  readonly ledger: WriteLedger;
  now: Instant;
  term: Term;
  votedFor: NodeId | 0;
  role: RaftRole = 'follower';
  leader: NodeId | null = null;
  commitIndex: LogIndex;
  /** Entries up to here were given to the host, by `committed` or inside a snapshot. */
  deliveredIndex: LogIndex;
  appliedIndex: LogIndex;
  snapshot: SnapshotMeta | null;
  membership: Membership;
  /** The index that brought the membership; 0 for the one the cluster was started with. */
  membershipIndex: LogIndex;
  quorum: QuorumSystem;
  /** Every other member, sorted by id. */
  peers: readonly NodeId[] = [];
  output = new Output();
  /** Term or vote changed since the last Ready. */
  promiseDirty = false;
  /** The Ready that recorded the current term and vote; 0 when they were recovered. */
  promiseReady = 0 as ReadyNumber;
  persistedReady = 0 as ReadyNumber;

  constructor(fields: CoreFields) {
    const { config, variants, recovered } = fields;
    this.config = config;
    this.id = config.id;
    this.random = fields.random;
    this.usesPreVote = variants.preVote === true;
    this.usesCheckQuorum = variants.checkQuorum === true;
    this.now = config.now;
    this.term = recovered.term;
    this.votedFor = recovered.votedFor;
    this.log = new RaftLog(recovered.snapshotIndex, recovered.snapshotTerm, recovered.entries);
    this.ledger = new WriteLedger(this.log.lastIndex);
    this.commitIndex = recovered.commitIndex;
    this.deliveredIndex = recovered.snapshotIndex;
    this.appliedIndex = recovered.snapshotIndex;
    this.snapshot = fields.snapshot;
    this.membership = fields.snapshot?.membership ?? config.membership;
    this.membershipIndex = this.snapshotIndex;
    this.quorum = this.useMembership(this.membership, this.snapshotIndex);
  }

  /** The index that the durable snapshot covers; 0 without one. */
  get snapshotIndex(): LogIndex {
    return this.snapshot?.index ?? (0 as LogIndex);
  }

  /** True when this replica votes, and so may lead. */
  get isVoter(): boolean {
    return this.quorum.groups.some((group) => group.includes(this.id));
  }

  /** True once term and vote as they stand are on disk: the condition of every early send. */
  get promiseDurable(): boolean {
    return !this.promiseDirty && this.promiseReady <= this.persistedReady;
  }

  /** A time drawn anew, in microseconds: at least 1 ms above the base (RF-10). */
  drawElectionTimeoutMicros(): number {
    const { electionTimeoutMinMicros: min, electionTimeoutMaxMicros: max } = this.config;
    return this.random.between(min + 1000, max);
  }

  /**
   * Moves to a higher term and forgets the vote of the old one. This is the only place where a vote
   * is cleared: stepping down within a term keeps it (RF-04, RF-05).
   */
  adoptTerm(term: Term): void {
    assert(term > this.term && term <= TERM_MAX, 'a term only rises');
    this.term = term;
    this.votedFor = 0;
    this.promiseDirty = true;
  }

  /** Gives the one vote of this term. */
  voteFor(candidate: NodeId): void {
    assert(this.votedFor === 0 || this.votedFor === candidate, 'a vote is given once a term');
    if (this.votedFor === candidate) return;
    this.votedFor = candidate;
    this.promiseDirty = true;
  }

  /** Raises the commit index; it never falls (RF-24). */
  commitTo(index: LogIndex): void {
    assert(index <= this.log.lastIndex, 'what is committed is in the log');
    if (index > this.commitIndex) this.commitIndex = index;
  }

  /** Takes a membership into force; returns its quorums. */
  useMembership(membership: Membership, index: LogIndex): QuorumSystem {
    const voting = [...membership.voters, ...membership.witnesses].map((member) => member.id);
    const all = [...voting, ...membership.learners.map((member) => member.id)];
    this.membership = membership;
    this.membershipIndex = index;
    this.peers = all.filter((id) => id !== this.id).sort((a, b) => a - b);
    this.quorum = majorityQuorum(voting.sort((a, b) => a - b));
    return this.quorum;
  }

  /** Notes what happened, for traces and failover phases. */
  note(kind: EngineEventKind, node: NodeId | 0, detail: string): void {
    this.output.events.push({ kind, at: this.now, round: this.term, node, detail });
  }

  /** Notes a message that made no sense here and was dropped. */
  ignore(from: NodeId, detail: string): void {
    this.note('messageIgnored', from, detail);
  }

  /**
   * Gives requests up. They are never 'lost' here: an entry that was logged can still be committed
   * by a later leader that kept it (RF-38, RF-63), and for reads the word does not matter.
   */
  abandon(tickets: Iterable<Ticket>): void {
    for (const ticket of tickets) this.output.abandoned.push({ ticket, outcome: 'unknown' });
  }
}
