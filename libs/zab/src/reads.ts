import type { LogIndex, NodeId, Ticket } from '@quorate/consensus';
import { quorumIndex } from '@quorate/quorum';
import type { Read } from './messages.ts';
import type { Server } from './server.ts';

/** One read that waits at the leader: of the leader's own host, or of a follower's. */
export interface ReadRequest {
  readonly origin: NodeId;
  /** The follow attempt that asked; a later one of the same server gets no answer of this one. */
  readonly nonce: number;
  /** The follower's name for it; 0 for an own one. */
  readonly token: number;
  /** The own host's name for it; 0 for a follower's. */
  readonly ticket: Ticket;
}

interface ConfirmationRound {
  readonly token: number;
  readonly index: LogIndex;
  readonly requests: readonly ReadRequest[];
}

/** Reads that a confirmation has released, with the index they may be served at. */
export interface ReleasedReads {
  readonly index: LogIndex;
  readonly requests: readonly ReadRequest[];
}

/**
 * Linearizable reads at the leader. ZooKeeper's reads are local and its `sync` trusts the leader;
 * here a quorum confirms the epoch *after* the reads were asked: a server that echoes the token has
 * not accepted a later epoch, so no later leader had committed anything when the reads came in. All
 * reads of a turn share one round; tokens are never used twice.
 */
export class LeaderReads {
  /** The last token given out. */
  token = 0;
  private readonly server: Server;
  private waiting: ReadRequest[] = [];
  private rounds: ConfirmationRound[] = [];
  private pending = 0;
  private readonly echoes = new Map<NodeId, number>();

  constructor(server: Server) {
    this.server = server;
  }

  get hasWaiting(): boolean {
    return this.waiting.length > 0;
  }

  /** Queues a read; false when there is no room. */
  add(request: ReadRequest): boolean {
    if (this.pending >= this.server.config.limits.readsPendingMax) return false;
    this.waiting.push(request);
    this.pending++;
    return true;
  }

  /** Opens a round for all waiting reads, and returns the token to send. */
  openRound(): number {
    this.token++;
    if (this.waiting.length > 0) {
      const { commitIndex } = this.server;
      this.rounds.push({ token: this.token, index: commitIndex, requests: this.waiting });
      this.waiting = [];
    }
    return this.token;
  }

  /** Notes an echo; true when it may release something. */
  echo(from: NodeId, token: number): boolean {
    if (token > this.token || token <= (this.echoes.get(from) ?? 0)) return false;
    this.echoes.set(from, token);
    return this.rounds.length > 0;
  }

  /** Forgets what a follower echoed in a session that ended. */
  forget(peer: NodeId): void {
    this.echoes.delete(peer);
  }

  /** The rounds that a quorum has confirmed, this server included. */
  release(): ReleasedReads[] {
    if (this.rounds.length === 0) return [];
    const { id, quorum } = this.server;
    const confirmed = quorumIndex(quorum, (voter) => {
      return (voter === id ? this.token : (this.echoes.get(voter) ?? 0)) as LogIndex;
    });
    let count = 0;
    for (const round of this.rounds) {
      if (round.token > confirmed) break;
      this.pending -= round.requests.length;
      count++;
    }
    const released = this.rounds.slice(0, count);
    if (count > 0) this.rounds = this.rounds.slice(count);
    return released;
  }

  /** The leadership ends: own reads are concluded, followers conclude theirs themselves. */
  abandonAll(): void {
    const requests = [...this.rounds.flatMap((round) => round.requests), ...this.waiting];
    for (const request of requests) this.server.abandon(request.ticket, 'lost');
    this.rounds = [];
    this.waiting = [];
    this.pending = 0;
  }
}

/** Linearizable reads asked at a follower: one question a turn goes to the leader. */
export class FollowerReads {
  private readonly server: Server;
  private asking: Ticket[] = [];
  private readonly asked = new Map<number, readonly Ticket[]>();
  private pending = 0;
  private token = 0;

  constructor(server: Server) {
    this.server = server;
  }

  get hasQuestion(): boolean {
    return this.asking.length > 0;
  }

  ask(ticket: Ticket): 'accepted' | 'busy' {
    if (this.pending >= this.server.config.limits.readsPendingMax) return 'busy';
    this.asking.push(ticket);
    this.pending++;
    return 'accepted';
  }

  /** The question for all reads since the last one, or null. */
  takeQuestion(epoch: number): Read | null {
    if (this.asking.length === 0) return null;
    this.token++;
    this.asked.set(this.token, this.asking);
    this.asking = [];
    return { kind: 'read', epoch, token: this.token, index: 0 as LogIndex, refused: false };
  }

  /** Takes the leader's answer; false when it answers nothing. */
  answer(message: Read): boolean {
    const tickets = this.asked.get(message.token);
    if (tickets === undefined) return false;
    this.asked.delete(message.token);
    this.pending -= tickets.length;
    for (const ticket of tickets) {
      if (message.refused) this.server.abandon(ticket, 'lost');
      else this.server.out.readStates.push({ ticket, index: message.index });
    }
    return true;
  }

  /** The session is gone, and with it the answers; a read has no effect, so it may be repeated. */
  abandonAsked(): void {
    for (const tickets of this.asked.values()) {
      this.pending -= tickets.length;
      for (const ticket of tickets) this.server.abandon(ticket, 'lost');
    }
    this.asked.clear();
  }

  /** The leader is gone. */
  abandonAll(): void {
    this.abandonAsked();
    this.pending -= this.asking.length;
    for (const ticket of this.asking) this.server.abandon(ticket, 'lost');
    this.asking = [];
  }
}
