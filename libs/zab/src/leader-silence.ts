import type { Instant, LogIndex, NodeId } from '@quorate/consensus';
import { quorumIndex } from '@quorate/quorum';
import { earlier } from './role.ts';
import type { Server } from './server.ts';

/**
 * When a leader must give up: no quorum of followers was heard for an election timeout, drawn as a
 * follower draws the one for its leader, or the own disk has been silent for that long. The same
 * judgement in every phase: a slow synchronization is no reason while the followers echo pings.
 */
export class LeaderSilence {
  private readonly server: Server;
  private readonly heardAt = new Map<NodeId, Instant>();
  private readonly since: Instant;
  private timeoutMicros: number;
  private judgeAt: Instant;

  constructor(server: Server) {
    this.server = server;
    this.since = server.now;
    this.timeoutMicros = server.drawElectionTimeout();
    this.judgeAt = (server.now + this.timeoutMicros) as Instant;
  }

  heard(peer: NodeId): void {
    this.heardAt.set(peer, this.server.now);
  }

  /** Why the leadership is over, or null. */
  judge(): string | null {
    const { server } = this;
    const stalledAt = this.diskDeadline();
    if (stalledAt !== null && stalledAt <= server.now) return 'own disk stalled';
    if (this.judgeAt > server.now) return null;
    const heardAt = quorumIndex(server.quorum, (voter) => {
      const at = voter === server.id ? server.now : (this.heardAt.get(voter) ?? this.since);
      return at as number as LogIndex;
    });
    if (server.now - heardAt >= this.timeoutMicros) return 'no quorum heard for a timeout';
    this.timeoutMicros = server.drawElectionTimeout();
    this.judgeAt = Math.max(heardAt + this.timeoutMicros, server.now + 1) as Instant;
    return null;
  }

  nextDeadline(): Instant | null {
    return earlier(this.judgeAt, this.diskDeadline());
  }

  private diskDeadline(): Instant | null {
    const oldest = this.server.oldestUnpersistedAt;
    if (oldest === null) return null;
    return (oldest + this.server.config.electionTimeoutMaxMicros) as Instant;
  }
}
