import type { NodeId, Ticket } from '@quorate/consensus';
import { type Ballot, sameBallot } from './ballot.ts';
import { type Context, NEVER } from './context.ts';
import type { ReadReply } from './messages.ts';

interface Reader {
  /** Who asked: this replica's host under a ticket, or a follower under a request number. */
  readonly ticket: Ticket | null;
  readonly peer: NodeId | 0;
  readonly request: number;
  /** The read index, fixed when the read was asked. */
  readonly slot: number;
}

interface ConfirmationRound {
  readonly sequence: number;
  readonly readers: readonly Reader[];
}

/**
 * Linearizable reads at a leader: the read index is fixed when the read arrives, then a quorum must
 * state, in answer to a heartbeat sent afterwards, that it has promised nothing above the ballot.
 * Nobody else can have chosen anything in between. One heartbeat round serves all reads waiting;
 * its sequence number is used once under a ballot, and a ballot once ever, so that no answer to an
 * older round can confirm a younger read (RF-42).
 */
export class LeaderReads {
  private readonly context: Context;
  private readonly ballot: Ballot;
  private waiting: Reader[] = [];
  private rounds: ConfirmationRound[] = [];
  private newest = 0;
  private pendingCount = 0;

  constructor(context: Context, ballot: Ballot) {
    this.context = context;
    this.ballot = ballot;
  }

  /** True when reads wait for a heartbeat round of their own. */
  get asking(): boolean {
    return this.waiting.length > 0;
  }

  /** True when reads wait for answers to a round. */
  get confirming(): boolean {
    return this.rounds.length > 0;
  }

  /** The sequence of the newest round. */
  get sequence(): number {
    return this.newest;
  }

  /** Takes a read of the own host; false when too many wait. */
  ask(ticket: Ticket, slot: number): boolean {
    return this.enqueue({ ticket, peer: 0, request: 0, slot });
  }

  /** Takes a follower's read; false when too many wait. */
  askFor(peer: NodeId, request: number, slot: number): boolean {
    return this.enqueue({ ticket: null, peer, request, slot });
  }

  /** Starts a round for all reads waiting and returns its sequence number. */
  startRound(): number {
    this.newest++;
    if (this.waiting.length > 0) {
      this.rounds.push({ sequence: this.newest, readers: this.waiting });
      this.waiting = [];
    }
    return this.newest;
  }

  /** A quorum has answered every round up to `sequence`: its reads may go. */
  confirmed(sequence: number): void {
    let done = 0;
    for (const round of this.rounds) {
      if (round.sequence > sequence) break;
      for (const reader of round.readers) this.conclude(reader);
      done++;
    }
    if (done > 0) this.rounds = this.rounds.slice(done);
  }

  /** The leader stands down: every read of the own host is given up. */
  abandonAll(): void {
    for (const round of this.rounds) for (const reader of round.readers) this.abandon(reader);
    for (const reader of this.waiting) this.abandon(reader);
    this.rounds = [];
    this.waiting = [];
    this.pendingCount = 0;
  }

  private enqueue(reader: Reader): boolean {
    if (this.pendingCount >= this.context.config.limits.readsPendingMax) return false;
    this.pendingCount++;
    this.waiting.push(reader);
    return true;
  }

  private conclude(reader: Reader): void {
    const { outbox } = this.context;
    this.pendingCount--;
    if (reader.ticket !== null) outbox.readState(reader.ticket, reader.slot);
    else if (reader.peer !== 0) {
      const { request, slot } = reader;
      outbox.send([reader.peer], { kind: 'readReply', ballot: this.ballot, request, slot });
    }
  }

  private abandon(reader: Reader): void {
    if (reader.ticket !== null) this.context.outbox.abandon(reader.ticket);
  }
}

const REQUEST_SPACING = 2 ** 16;

/**
 * Reads asked at a follower: it asks its leader for an index, one request for all tickets of a
 * turn. The leader fixes the index when a request comes, so an answer is new enough for every
 * request sent before the one it names: a repetition of the newest stands for all, and an answer
 * that takes longer than a repetition counts all the same. Request numbers start at a random place,
 * so that an answer to an earlier incarnation of this replica is not taken for a fresh one.
 */
export class FollowerReads {
  private readonly context: Context;
  private unasked: Ticket[] = [];
  private asked = new Map<number, Ticket[]>();
  private pendingCount = 0;
  private nextRequest: number;
  private leader: Ballot | null = null;
  private repeats = false;
  /** When the requests on their way count as lost. */
  retryAt: number = NEVER;

  constructor(context: Context) {
    this.context = context;
    this.nextRequest = 1 + context.random.nextUint32() * REQUEST_SPACING;
  }

  /** True when a request waits to be sent. */
  get asking(): boolean {
    return this.unasked.length > 0 || this.repeats;
  }

  /** Takes a read; false when too many wait. */
  ask(ticket: Ticket): boolean {
    if (this.pendingCount >= this.context.config.limits.readsPendingMax) return false;
    this.pendingCount++;
    this.unasked.push(ticket);
    return true;
  }

  /** Sends one request for everything that was asked since the last one, or the last one again. */
  send(leader: Ballot | null): void {
    if (!this.asking || leader === null || leader.node === 0) return;
    this.leader = leader;
    if (this.unasked.length > 0) {
      this.asked.set(this.nextRequest++, this.unasked);
      this.unasked = [];
    }
    this.repeats = false;
    const request = this.nextRequest - 1;
    this.retryAt = this.context.now + this.context.config.heartbeatMicros;
    this.context.outbox.send([leader.node], { kind: 'readRequest', ballot: leader, request });
  }

  /** Repeats the newest request when none of those on their way was answered in time. */
  retry(): void {
    if (this.retryAt > this.context.now) return;
    this.retryAt = NEVER;
    this.repeats = this.asked.size > 0;
  }

  /** Takes an answer; why it was ignored, or null. */
  onReply(message: ReadReply): string | null {
    const known = this.asked.has(message.request);
    if (!known || this.leader === null) return 'read reply not asked for';
    if (!sameBallot(message.ballot, this.leader)) return 'read reply of another ballot';
    for (const [request, tickets] of this.asked) {
      if (request > message.request) break;
      this.asked.delete(request);
      this.pendingCount -= tickets.length;
      for (const ticket of tickets) this.context.outbox.readState(ticket, message.slot);
    }
    if (this.asked.size === 0) {
      this.retryAt = NEVER;
      this.repeats = false;
    }
    return null;
  }

  /** The leader changed or went silent: the reads are given up. */
  abandonAll(): void {
    for (const tickets of this.asked.values()) {
      for (const ticket of tickets) this.context.outbox.abandon(ticket);
    }
    for (const ticket of this.unasked) this.context.outbox.abandon(ticket);
    this.asked.clear();
    this.unasked = [];
    this.pendingCount = 0;
    this.repeats = false;
    this.retryAt = NEVER;
  }
}
