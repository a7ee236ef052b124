import {
  type Instant,
  type LogIndex,
  NO_TICKET,
  type NodeId,
  type PeerStatus,
  type ReadyNumber,
  type RequestStatus,
  type SnapshotMeta,
  type Ticket,
} from '@quorate/consensus';
import { Broadcast } from './broadcast.ts';
import { ChannelSender } from './channel-sender.ts';
import { isAhead, isEpochSupported, proposeEpoch } from './discovery.ts';
import { FollowerChannel } from './follower-channel.ts';
import { LeaderSilence } from './leader-silence.ts';
import type { Ack, AckEpoch, FollowerInfo, Ping, Read, SyncAck, ZabMessage } from './messages.ts';
import { LeaderReads } from './reads.ts';
import { earlier, type Phase, type RoleSwitch, type ServerRole } from './role.ts';
import type { Server } from './server.ts';
import { beginSync } from './synchronization.ts';
import { EPOCH_MAX, formatZxid } from './zxid.ts';

/**
 * The leader's side of phases 1 to 3. The epoch is fixed by a quorum of FOLLOWERINFO and counts
 * once a quorum, this server's own disk included, has accepted it; only then are followers
 * synchronized; only when a quorum has acknowledged NEWLEADER does broadcast begin, which commits
 * the whole initial history (DSN'11, sections V-B and V-C).
 */
export class Leading implements ServerRole {
  private readonly server: Server;
  private readonly roles: RoleSwitch;
  private readonly channels = new Map<NodeId, FollowerChannel>();
  private readonly reads: LeaderReads;
  private readonly silence: LeaderSilence;
  private readonly sender: ChannelSender;
  private stage: Phase = 'discovery';
  /** The epoch proposed; 0 until a quorum of FOLLOWERINFO has fixed it. */
  private epoch = 0;
  private promiseReady = 0 as ReadyNumber;
  private establishReady = 0 as ReadyNumber;
  private broadcast: Broadcast | null = null;
  private pingAt: Instant;
  private pingDue = true;

  constructor(server: Server, roles: RoleSwitch, waiting: ReadonlyMap<NodeId, FollowerInfo>) {
    this.server = server;
    this.roles = roles;
    this.reads = new LeaderReads(server);
    this.silence = new LeaderSilence(server);
    this.sender = new ChannelSender(server, this.channels);
    this.pingAt = (server.now + server.config.heartbeatMicros) as Instant;
    server.event('elected', server.acceptedEpoch, server.id, `round ${server.electionRound}`);
    for (const [peer, info] of waiting) this.channels.set(peer, new FollowerChannel(peer, info));
    this.fixEpoch();
  }

  get phase(): Phase {
    return this.stage;
  }

  get leader(): NodeId | null {
    return this.stage === 'discovery' ? null : this.server.id;
  }

  step(from: NodeId, message: ZabMessage): void {
    if (message.kind === 'notification') {
      // Who looks for a leader follows nobody: its channel, if any, is dead.
      if (message.state === 'looking') {
        this.dropChannel(from);
        this.server.notify.add(from);
      }
      return;
    }
    if (message.kind === 'followerInfo') {
      this.onFollowerInfo(from, message);
      return;
    }
    const channel = this.channels.get(from);
    if (channel === undefined) {
      this.server.ignore(from, `${message.kind} from a server that does not follow`);
      return;
    }
    this.fromFollower(channel, message);
  }

  private fromFollower(channel: FollowerChannel, message: ZabMessage): void {
    switch (message.kind) {
      case 'ackEpoch':
        this.onAckEpoch(channel, message);
        return;
      case 'syncAck':
        this.onSyncAck(channel, message);
        return;
      case 'ack':
        this.onAck(channel, message);
        return;
      case 'ping':
        this.onPing(channel, message);
        return;
      case 'read':
        this.onRead(channel, message);
        return;
      default:
        this.server.ignore(channel.id, `${message.kind} at a leader`);
        return;
    }
  }

  // Phase 1, discovery.

  private onFollowerInfo(from: NodeId, info: FollowerInfo): void {
    if (info.acceptedEpoch < 0 || info.acceptedEpoch >= EPOCH_MAX) {
      this.server.ignore(from, `acceptedEpoch ${info.acceptedEpoch} is out of bounds`);
      return;
    }
    this.dropChannel(from);
    const channel = new FollowerChannel(from, info);
    this.channels.set(from, channel);
    this.silence.heard(from);
    if (this.epoch === 0) this.fixEpoch();
    else if (info.acceptedEpoch > this.epoch) this.yieldTo(channel);
    else this.sendNewEpoch(channel);
  }

  /** A follower that promised a later epoch can never join this one: open one above it. */
  private yieldTo(channel: FollowerChannel): void {
    this.server.epochFloor = Math.max(this.server.epochFloor, channel.acceptedEpoch);
    this.roles.look(`server ${channel.id} has accepted epoch ${channel.acceptedEpoch}`);
  }

  private fixEpoch(): void {
    const epoch = proposeEpoch(this.server, this.channels);
    if (epoch === null) return;
    this.epoch = epoch;
    this.promiseReady = this.server.nextReady;
    this.server.acceptEpoch(epoch, this.server.id);
    for (const channel of this.channels.values()) this.sendNewEpoch(channel);
  }

  private sendNewEpoch(channel: FollowerChannel): void {
    channel.state = 'epochSent';
    channel.control.push({ kind: 'newEpoch', nonce: channel.nonce, epoch: this.epoch });
  }

  private onAckEpoch(channel: FollowerChannel, message: AckEpoch): void {
    const { server } = this;
    if (!this.isCurrent(channel, message) || channel.state !== 'epochSent') {
      server.ignore(channel.id, 'ackEpoch of another attempt');
      return;
    }
    this.silence.heard(channel.id);
    channel.state = 'epochAcked';
    channel.supportsEpoch = message.counted;
    channel.lastZxid = message.zxid;
    if (this.stage !== 'discovery') {
      beginSync(server, channel, this.epoch);
      return;
    }
    if (!message.counted) {
      this.roles.look(`server ${channel.id} accepted epoch ${this.epoch} from another server`);
      return;
    }
    if (isAhead(message, server)) {
      const zxid = formatZxid(message.zxid);
      this.roles.look(`server ${channel.id} is ahead: ${message.currentEpoch} ${zxid}`);
      return;
    }
    this.finishDiscovery();
  }

  private finishDiscovery(): void {
    const { server } = this;
    if (this.stage !== 'discovery' || this.epoch === 0 || !this.isDurable(this.promiseReady))
      return;
    if (!isEpochSupported(server, this.channels)) return;
    this.stage = 'synchronization';
    this.establishReady = server.nextReady;
    server.establishEpoch(this.epoch);
    for (const channel of this.channels.values()) {
      if (channel.state === 'epochAcked') beginSync(server, channel, this.epoch);
    }
    this.beginBroadcast();
  }

  // Phase 2, synchronization.

  private onSyncAck(channel: FollowerChannel, message: SyncAck): void {
    if (!this.isCurrent(channel, message)) {
      this.server.ignore(channel.id, 'syncAck of another attempt');
      return;
    }
    this.silence.heard(channel.id);
    if (channel.state === 'snapshot') {
      // The file is there; the DIFF goes on from its end, if that end is still in memory.
      const held = (channel.nextIndex - 1) as LogIndex;
      const zxid = this.server.history.zxidAt(held);
      if (message.index !== held) this.server.ignore(channel.id, 'syncAck of another snapshot');
      else if (zxid === null) this.dropAndReset(channel.id);
      else {
        channel.state = 'diff';
        channel.syncEnd = this.server.history.lastIndex;
      }
      return;
    }
    channel.release(message.index);
  }

  snapshotSent(to: NodeId, delivered: boolean): void {
    if (!delivered && this.channels.get(to)?.state === 'snapshot') this.dropAndReset(to);
  }

  private onAck(channel: FollowerChannel, message: Ack): void {
    const isExpected = channel.state === 'newLeaderSent' || channel.state === 'synced';
    const isSane = message.index >= channel.syncEnd && message.index < channel.nextIndex;
    if (!this.isCurrent(channel, message) || !isExpected || !isSane) {
      this.server.ignore(channel.id, `ack ${message.index} in state ${channel.state}`);
      return;
    }
    this.silence.heard(channel.id);
    channel.release(message.index);
    if (message.index > channel.matchIndex) channel.matchIndex = message.index;
    if (channel.state === 'newLeaderSent') {
      // The first acknowledgement of an attempt, whatever it covers, says that NEWLEADER and all
      // before it are durable; a proposal's may come in its place (ZB-06).
      channel.state = 'synced';
      if (this.stage === 'broadcast') channel.upToDate = 'due';
      else this.beginBroadcast();
    }
    this.broadcast?.advanceCommit();
  }

  /** The NEWLEADER quorum: the epoch is established, its initial history committed. */
  private beginBroadcast(): void {
    const { server } = this;
    if (this.stage !== 'synchronization' || !this.isDurable(this.establishReady)) return;
    const acknowledged = (voter: NodeId): boolean =>
      voter === server.id || this.channels.get(voter)?.state === 'synced';
    if (!server.isQuorum(acknowledged)) return;
    this.stage = 'broadcast';
    this.broadcast = new Broadcast(server, this.epoch, this.channels);
    for (const channel of this.channels.values()) {
      if (channel.state === 'synced') channel.upToDate = 'due';
    }
  }

  // Phase 3, broadcast.

  propose(payload: Uint8Array, ticket: Ticket): RequestStatus {
    if (this.broadcast === null) return 'notLeader';
    if (this.broadcast.isUsedUp) {
      this.roles.look(`the counters of epoch ${this.epoch} are used up`);
      return 'notLeader';
    }
    return this.broadcast.propose(payload, ticket);
  }

  persisted(): void {
    this.finishDiscovery();
    this.beginBroadcast();
    this.broadcast?.advanceCommit();
  }

  private onPing(channel: FollowerChannel, message: Ping): void {
    this.silence.heard(channel.id);
    if (message.epoch !== this.epoch || channel.state !== 'synced') return;
    if (this.reads.echo(channel.id, message.token)) this.releaseReads();
  }

  readLinearizable(ticket: Ticket): RequestStatus {
    if (this.stage !== 'broadcast') return 'notLeader';
    return this.reads.add({ origin: this.server.id, nonce: 0, token: 0, ticket })
      ? 'accepted'
      : 'busy';
  }

  private onRead(channel: FollowerChannel, message: Read): void {
    const { server, epoch } = this;
    this.silence.heard(channel.id);
    if (message.epoch !== epoch || channel.state !== 'synced' || this.stage !== 'broadcast') {
      server.ignore(channel.id, `read of epoch ${message.epoch}`);
      return;
    }
    const { token } = message;
    const { id: origin, nonce } = channel;
    if (this.reads.add({ origin, nonce, token, ticket: NO_TICKET })) return;
    const index = 0 as LogIndex;
    server.out.sendEarly([channel.id], { kind: 'read', epoch, token, index, refused: true });
  }

  private releaseReads(): void {
    const { server, epoch } = this;
    for (const { index, requests } of this.reads.release()) {
      for (const { origin, nonce, token, ticket } of requests) {
        if (origin === server.id) server.out.readStates.push({ ticket, index });
        else if (this.channels.get(origin)?.nonce === nonce) {
          server.out.sendEarly([origin], { kind: 'read', epoch, token, index, refused: false });
        }
      }
    }
  }

  // Time and sessions.

  tick(): void {
    const { server } = this;
    const problem = this.silence.judge();
    if (problem !== null) {
      this.roles.look(problem);
      return;
    }
    if (this.pingAt <= server.now) {
      this.pingDue = true;
      this.pingAt = (server.now + server.config.heartbeatMicros) as Instant;
    }
  }

  nextDeadline(): Instant | null {
    return earlier(this.pingAt, this.silence.nextDeadline());
  }

  peerConnected(peer: NodeId): void {
    this.dropChannel(peer);
  }

  peerDisconnected(peer: NodeId): void {
    this.dropChannel(peer);
    if (this.server.config.detector !== 'timers+socket' || this.epoch === 0) return;
    const isLinked = (voter: NodeId): boolean =>
      voter === this.server.id || this.channels.has(voter);
    if (!this.server.isQuorum(isLinked)) this.roles.look('lost the sessions of a quorum');
  }

  private dropChannel(peer: NodeId): void {
    this.channels.delete(peer);
    this.reads.forget(peer);
  }

  private dropAndReset(peer: NodeId): void {
    this.dropChannel(peer);
    this.server.out.sessionsToReset.push(peer);
  }

  snapshotOffered(from: NodeId, meta: SnapshotMeta): void {
    this.server.ignore(from, `snapshot ${meta.index} at a leader`);
  }

  private isCurrent(
    channel: FollowerChannel,
    message: { readonly nonce: number; readonly epoch: number },
  ): boolean {
    return this.epoch !== 0 && message.nonce === channel.nonce && message.epoch === this.epoch;
  }

  private isDurable(ready: ReadyNumber): boolean {
    return ready > 0 && this.server.persistedReady >= ready;
  }

  // Output.

  /** The last index that every follower has been sent: what lies above is kept for them. */
  get neededIndex(): LogIndex {
    let needed: number = this.server.history.lastIndex;
    for (const channel of this.channels.values()) {
      if (channel.isStreaming || channel.state === 'snapshot') {
        needed = Math.min(needed, channel.nextIndex - 1);
      }
    }
    return needed as LogIndex;
  }

  get hasWork(): boolean {
    if (this.pingDue || this.reads.hasWaiting || this.server.notify.size > 0) return true;
    for (const channel of this.channels.values()) {
      if (this.sender.hasWork(channel)) return true;
    }
    return false;
  }

  flush(): void {
    const { server } = this;
    server.flushNotifications('leading');
    this.sender.flush(this.epoch, this.isDurable(this.establishReady));
    if (!this.pingDue && !this.reads.hasWaiting) return;
    this.pingDue = false;
    const token = this.reads.openRound();
    const to = this.sender.sorted().map((channel) => channel.id);
    // Before its promise is durable the leader states no epoch, only that it is alive.
    const epoch = this.isDurable(this.promiseReady) ? this.epoch : 0;
    server.out.sendEarly(to, { kind: 'ping', epoch, token });
    this.releaseReads();
  }

  leave(reason: string): void {
    const { server } = this;
    this.reads.abandonAll();
    server.abandonProposals();
    server.event('steppedDown', this.epoch, server.id, reason);
  }

  peers(): PeerStatus[] {
    return this.server.otherVoters.map((id) => {
      const channel = this.channels.get(id);
      return channel?.status() ?? { id, matchIndex: 0 as LogIndex, state: 'absent' };
    });
  }
}
