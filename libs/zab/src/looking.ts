import type {
  Instant,
  LogIndex,
  NodeId,
  PeerStatus,
  RequestStatus,
  SnapshotMeta,
  Ticket,
} from '@quorate/consensus';
import { FastLeaderElection } from './election.ts';
import type { FollowerInfo, Notification, ZabMessage } from './messages.ts';
import { earlier, type Phase, type RoleSwitch, type ServerRole } from './role.ts';
import type { Server } from './server.ts';
import { EPOCH_MAX } from './zxid.ts';

/**
 * Phase 0: the server looks for a leader. Notifications are repeated at the heartbeat interval
 * until the election settles, so it survives their loss; each connected peer gets one at once.
 * They ask for leadership, so they leave only when everything logged before is durable.
 */
export class Looking implements ServerRole {
  readonly phase: Phase = 'election';
  readonly leader = null;
  private readonly server: Server;
  private readonly roles: RoleSwitch;
  private readonly election: FastLeaderElection;
  /** Followers that settled on this server before it did; kept for the case that it leads. */
  private readonly waiting = new Map<NodeId, FollowerInfo>();
  private notifyAll = true;
  private repeatAt: Instant;
  private finalizeAt: Instant | null = null;

  constructor(server: Server, roles: RoleSwitch, reason: string) {
    this.server = server;
    this.roles = roles;
    server.electionRound++;
    const own = server.ownVote();
    this.election = new FastLeaderElection(
      own,
      server.electionRound,
      server.voters,
      (has) => server.isQuorum(has),
      (candidate) => server.isAvoided(candidate),
    );
    server.vote = own;
    this.repeatAt = this.after(server.config.heartbeatMicros);
    server.event('candidacy', server.acceptedEpoch, server.id, reason);
    this.judge();
  }

  step(from: NodeId, message: ZabMessage): void {
    if (message.kind === 'notification') this.onNotification(from, message);
    else if (message.kind === 'followerInfo' && message.acceptedEpoch < EPOCH_MAX) {
      this.waiting.set(from, message);
    } else this.server.ignore(from, `${message.kind} while looking for a leader`);
  }

  private onNotification(from: NodeId, notification: Notification): void {
    const { vote, round } = notification;
    if (round > EPOCH_MAX || vote.epoch > EPOCH_MAX || !this.server.voters.includes(vote.leader)) {
      this.server.ignore(from, `a vote for ${vote.leader} in round ${round}`);
      return;
    }
    if (notification.state === 'looking') this.waiting.delete(from);
    const heard = this.election.hear(from, notification);
    if (heard === 'behind') this.server.notify.add(from);
    if (heard === 'changed') {
      this.notifyAll = true;
      this.finalizeAt = null; // A better vote came in time: wait for a still better one.
    }
    this.remember();
    this.judge();
  }

  /** What the election knows goes where the notifications are built. */
  private remember(): void {
    this.server.electionRound = this.election.round;
    this.server.vote = this.election.proposal;
  }

  private judge(): void {
    const outcome = this.election.outcome();
    if (outcome.kind === 'undecided') {
      this.finalizeAt = null;
      return;
    }
    // The own vote counts once its notification could leave: a server whose disk hangs cannot lead.
    if (outcome.leader === this.server.id && this.server.hasUnpersisted) {
      this.finalizeAt = null;
      return;
    }
    // A late voter may hold a better history: wait for it, unless every voter has spoken.
    const wait = outcome.unanimous ? 0 : Number(this.server.variants.finalizeWaitMicros);
    const due = this.after(wait);
    if (this.finalizeAt === null || due < this.finalizeAt) this.finalizeAt = due;
  }

  tick(): void {
    const { now } = this.server;
    if (this.finalizeAt !== null && this.finalizeAt <= now) {
      this.settle();
      return;
    }
    if (this.repeatAt <= now) {
      this.notifyAll = true;
      this.repeatAt = this.after(this.server.config.heartbeatMicros);
    }
  }

  private settle(): void {
    const outcome = this.election.outcome();
    if (outcome.kind === 'undecided' || outcome.leader === 0) return;
    this.remember();
    const { server } = this;
    // A vote changed in this turn is told by the new role; the leader may be waiting for it.
    if (this.notifyAll) for (const peer of server.otherVoters) server.notify.add(peer);
    // The round's votes may have been for others; answer later lookers with the leader found, in
    // that leader's own words: its name with another's history would win votes that it must not.
    if (outcome.vote !== null) server.vote = outcome.vote;
    if (outcome.leader === server.id) {
      this.roles.lead(this.waiting);
      return;
    }
    server.event('candidacyFailed', server.acceptedEpoch, outcome.leader, outcome.kind);
    for (const peer of this.waiting.keys()) server.notify.add(peer);
    this.roles.follow(outcome.leader);
  }

  nextDeadline(): Instant | null {
    return earlier(this.repeatAt, this.finalizeAt);
  }

  peerConnected(peer: NodeId): void {
    this.waiting.delete(peer);
    this.server.notify.add(peer);
  }

  peerDisconnected(peer: NodeId): void {
    this.waiting.delete(peer);
  }

  get hasWork(): boolean {
    const { notify, otherVoters } = this.server;
    return notify.size > 0 || (this.notifyAll && otherVoters.length > 0);
  }

  flush(): void {
    const { server } = this;
    if (this.notifyAll) {
      for (const peer of server.otherVoters) server.notify.add(peer);
      this.notifyAll = false;
    }
    server.flushNotifications('looking');
  }

  private after(micros: number): Instant {
    return (this.server.now + micros) as Instant;
  }

  persisted(): void {
    this.judge();
  }

  propose(_payload: Uint8Array, _ticket: Ticket): RequestStatus {
    return 'notLeader';
  }

  readLinearizable(_ticket: Ticket): RequestStatus {
    return 'notLeader';
  }

  snapshotOffered(from: NodeId, meta: SnapshotMeta): void {
    this.server.ignore(from, `snapshot ${meta.index} of an attempt that ended`);
  }

  snapshotSent(_to: NodeId, _delivered: boolean): void {}

  leave(_reason: string): void {}

  get neededIndex(): LogIndex {
    return this.server.history.lastIndex;
  }

  peers(): PeerStatus[] {
    return [];
  }
}
