import type { Instant } from '@quorate/consensus';
import { earlier } from './role.ts';
import type { Server } from './server.ts';

/** An attempt that makes no progress for this many election timeouts is opened anew. */
const STALLED_TIMEOUTS = 10;

/** What a follower's clock has to say about its leader. */
export type Verdict = 'wait' | 'silent' | 'reopen';

/**
 * The clocks of a follower. Only `silentAt` is a judgement about the leader, by the same random
 * timeout in every phase; the others bound an attempt that is stuck although the leader lives.
 */
export class AttemptTimers {
  private readonly server: Server;
  private silentAt: Instant;
  private stalledAt: Instant;
  private retryAt: Instant | null = null;
  /** False while nothing can stall: in broadcast, or while a snapshot's file is on its way. */
  canStall = true;

  constructor(server: Server) {
    this.server = server;
    this.silentAt = this.after(server.drawElectionTimeout());
    this.stalledAt = this.stallDeadline();
  }

  /** The leader said something that belongs here: it lives. Draws a new timeout. */
  heard(): void {
    this.silentAt = this.after(this.server.drawElectionTimeout());
  }

  /** The attempt came a step further, or a new one was opened. */
  progressed(): void {
    this.stalledAt = this.stallDeadline();
    this.retryAt = null;
  }

  /** Opens a new attempt soon: not at once, so that a repeated fault costs little. */
  retrySoon(): void {
    this.retryAt = this.after(this.server.config.heartbeatMicros);
  }

  judge(): Verdict {
    const { now } = this.server;
    if (this.silentAt <= now) return 'silent';
    if (this.canStall && this.stalledAt <= now) return 'reopen';
    return this.retryAt !== null && this.retryAt <= now ? 'reopen' : 'wait';
  }

  nextDeadline(): Instant | null {
    const attempt = earlier(this.retryAt, this.canStall ? this.stalledAt : null);
    return earlier(this.silentAt, attempt);
  }

  private stallDeadline(): Instant {
    return this.after(STALLED_TIMEOUTS * this.server.config.electionTimeoutMaxMicros);
  }

  private after(micros: number): Instant {
    return (this.server.now + micros) as Instant;
  }
}
