import type { Instant, LogIndex, NodeId, Ticket } from '@quorate/consensus';
import { quorumIndex } from '@quorate/quorum';
import type { RaftCore } from './core.ts';
import type { ReadIndexResponse } from './messages.ts';

/** Confirmation rounds, or forwarded asks, on their way at once; later reads wait for the next. */
export const READ_ROUNDS_INFLIGHT_MAX = 8;

/** The reads that one confirmation will answer. */
interface ReadRound {
  readonly confirmation: number;
  readonly index: LogIndex;
  readonly tickets: readonly Ticket[];
  /** Followers that asked, each with the highest context it asked under. */
  readonly askers: ReadonlyMap<NodeId, number>;
}

/**
 * A leader's linearizable reads (Raft thesis, section 6.4): note the commit index, confirm by a
 * quorum that nobody else leads, answer. A confirmation is numbered by the leader and issued after
 * the reads that it answers; it is never named by an asker, so a late answer to an older one cannot
 * confirm a newer read (RF-42). An answered confirmation also confirms all that were issued before.
 */
export class LeaderReads {
  private readonly core: RaftCore;
  private waiting: Ticket[] = [];
  private askers = new Map<NodeId, number>();
  private rounds: ReadRound[] = [];
  private ticketsCount = 0;
  /** The last confirmation issued in this term. A restarted leader never resumes its term. */
  confirmation = 0;

  constructor(core: RaftCore) {
    this.core = core;
  }

  /** Takes a read of this replica; false when too many wait. */
  add(ticket: Ticket): boolean {
    if (this.ticketsCount >= this.core.config.limits.readsPendingMax) return false;
    this.ticketsCount++;
    this.waiting.push(ticket);
    return true;
  }

  /** Takes a follower's ask; a later context of the same follower covers the earlier ones. */
  ask(from: NodeId, context: number): void {
    if (context > (this.askers.get(from) ?? 0)) this.askers.set(from, context);
  }

  /** True when reads wait for a confirmation round that may start now. */
  get wantsRound(): boolean {
    if (this.rounds.length >= READ_ROUNDS_INFLIGHT_MAX) return false;
    return this.waiting.length > 0 || this.askers.size > 0;
  }

  /**
   * Starts a round for all reads that wait. The caller has made sure that an entry of the leader's
   * own term is committed (RF-41) and sends `confirmation` to all.
   */
  startRound(): void {
    this.rounds.push({
      confirmation: this.confirmation,
      index: this.core.commitIndex,
      tickets: this.waiting,
      askers: this.askers,
    });
    this.waiting = [];
    this.askers = new Map();
  }

  /**
   * Answers the rounds that a quorum has confirmed; `confirmedBy` tells each peer's last answer.
   */
  settle(confirmedBy: (peer: NodeId) => number): void {
    if (this.rounds.length === 0) return;
    const { core } = this;
    const confirmed = quorumIndex(
      core.quorum,
      (voter) => (voter === core.id ? this.confirmation : confirmedBy(voter)) as LogIndex,
    );
    let done = 0;
    for (const round of this.rounds) {
      if (round.confirmation > confirmed) break;
      done++;
      this.answer(round);
    }
    if (done > 0) this.rounds = this.rounds.slice(done);
  }

  /** Gives all reads of this replica up; followers that asked notice the change of leader. */
  abandon(): void {
    for (const round of this.rounds) this.core.abandon(round.tickets);
    this.core.abandon(this.waiting);
    this.rounds = [];
    this.waiting = [];
    this.askers = new Map();
    this.ticketsCount = 0;
  }

  /**
   * Answers leave early: they state an index that was committed, so it is durable on a quorum and
   * no crash of this replica takes it back.
   */
  private answer(round: ReadRound): void {
    const { core } = this;
    this.ticketsCount -= round.tickets.length;
    for (const ticket of round.tickets) core.output.readStates.push({ ticket, index: round.index });
    for (const [asker, context] of round.askers) {
      core.output.early([asker], {
        kind: 'readIndexResponse',
        term: core.term,
        context,
        readIndex: round.index,
      });
    }
  }
}

/** Reads forwarded under one context. */
interface Ask {
  readonly context: number;
  readonly tickets: readonly Ticket[];
}

/**
 * A follower's linearizable reads: it asks its leader for a read index and serves them itself.
 * Contexts start at the host's time of opening plus a random number, and only contexts that are out
 * now are answered, so that an answer to an earlier incarnation of this replica answers nothing
 * here. An ask is repeated each heartbeat interval until it is answered or the leader changes,
 * which ends it within an election timeout.
 */
export class FollowerReads {
  private readonly core: RaftCore;
  private waiting: Ticket[] = [];
  private asks: Ask[] = [];
  private ticketsCount = 0;
  private context: number;
  private repeatDue = false;
  /** When the last ask is to be repeated; null when none is out. */
  repeatAt: Instant | null = null;

  constructor(core: RaftCore) {
    this.core = core;
    this.context = Math.max(0, core.now) + core.random.nextUint32();
  }

  /** Takes a read; false when too many wait. The caller knows a leader. */
  add(ticket: Ticket): boolean {
    if (this.ticketsCount >= this.core.config.limits.readsPendingMax) return false;
    this.ticketsCount++;
    this.waiting.push(ticket);
    return true;
  }

  /** The leader answered: every ask up to the context is older than the index given. */
  answered(from: NodeId, message: ReadIndexResponse): void {
    let done = 0;
    for (const ask of this.asks) {
      if (ask.context > message.context || message.context > this.context) break;
      done++;
      this.ticketsCount -= ask.tickets.length;
      for (const ticket of ask.tickets) {
        this.core.output.readStates.push({ ticket, index: message.readIndex });
      }
    }
    if (done === 0) this.core.ignore(from, 'answer to no read');
    else this.asks = this.asks.slice(done);
    if (this.asks.length > 0) return;
    this.repeatDue = false;
    this.repeatAt = null;
  }

  /** The leader changed: it may answer with an index that misses what the next one commits. */
  abandon(): void {
    for (const ask of this.asks) this.core.abandon(ask.tickets);
    this.core.abandon(this.waiting);
    this.asks = [];
    this.waiting = [];
    this.ticketsCount = 0;
    this.repeatDue = false;
    this.repeatAt = null;
  }

  /** Repeats the last ask in the next Ready; it stands for all before it. */
  repeat(): void {
    if (this.asks.length > 0) this.repeatDue = true;
  }

  get hasOutput(): boolean {
    return this.repeatDue || this.wantsAsk;
  }

  /** Sends the ask, early when the term is durable: it states nothing but the term. */
  emit(leader: NodeId): void {
    if (!this.hasOutput) return;
    const { core } = this;
    if (this.wantsAsk) {
      this.context++;
      this.asks.push({ context: this.context, tickets: this.waiting });
      this.waiting = [];
    }
    this.repeatDue = false;
    this.repeatAt = (core.now + core.config.heartbeatMicros) as Instant;
    const message = { kind: 'readIndex', term: core.term, context: this.context } as const;
    if (core.promiseDurable) core.output.early([leader], message);
    else core.output.afterPersist([leader], message);
  }

  private get wantsAsk(): boolean {
    return this.waiting.length > 0 && this.asks.length < READ_ROUNDS_INFLIGHT_MAX;
  }
}
