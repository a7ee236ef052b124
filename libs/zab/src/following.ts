import type {
  Instant,
  LogIndex,
  NodeId,
  PeerStatus,
  RequestStatus,
  SnapshotMeta,
  Ticket,
} from '@quorate/consensus';
import { unreachable } from '@quorate/foundation';
import { AttemptTimers } from './attempt-timers.ts';
import type {
  Commit,
  NewEpoch,
  NewLeader,
  Notification,
  Ping,
  Propose,
  Read,
  UpToDate,
  ZabMessage,
} from './messages.ts';
import { logProposal } from './proposal.ts';
import { FollowerReads } from './reads.ts';
import type { Phase, RoleSwitch, ServerRole } from './role.ts';
import type { Server } from './server.ts';
import { Staging } from './synchronization.ts';
import { compareZxid, EPOCH_MAX, formatZxid } from './zxid.ts';

/**
 * The follower's side of phases 1 to 3. One *attempt* runs from FOLLOWERINFO to the end of the
 * session; its nonce comes back in what the leader says, so that words meant for an older attempt
 * are recognized. A closed session or a violated order opens a new attempt with the same leader
 * and is no suspicion: only silence beyond the election timeout is.
 */
export class Following implements ServerRole {
  readonly target: NodeId;
  private readonly server: Server;
  private readonly roles: RoleSwitch;
  private readonly reads: FollowerReads;
  private nonce = 0;
  /** The epoch accepted in this attempt; 0 before NEWEPOCH. */
  private epoch = 0;
  private staging: Staging | null = null;
  private stage: Phase = 'discovery';
  /** True once NEWLEADER was taken: the history belongs to the epoch, proposals may follow. */
  private joined = false;
  /** True once any attempt got a NEWEPOCH: the election was right about this leader. */
  private wasLed = false;
  private infoDue = true;
  private ackEpochDue = false;
  private syncAckDue = false;
  private ackDue = false;
  private echoToken = -1;
  private readonly timers: AttemptTimers;

  constructor(server: Server, roles: RoleSwitch, target: NodeId) {
    this.server = server;
    this.roles = roles;
    this.target = target;
    this.reads = new FollowerReads(server);
    this.timers = new AttemptTimers(server);
    this.openAttempt();
  }

  get phase(): Phase {
    return this.stage;
  }

  get leader(): NodeId | null {
    return this.epoch === 0 && !this.joined ? null : this.target;
  }

  private openAttempt(): void {
    this.nonce = (this.nonce === 0 ? this.server.drawNonce() : this.nonce + 1) >>> 0;
    this.forgetAttempt();
    this.infoDue = true;
    this.timers.progressed();
  }

  private forgetAttempt(): void {
    this.epoch = 0;
    this.staging = null;
    this.stage = 'discovery';
    this.joined = false;
    this.infoDue = false;
    this.ackEpochDue = false;
    this.syncAckDue = false;
    this.ackDue = false;
    this.echoToken = -1;
    this.timers.canStall = true;
    this.reads.abandonAsked();
  }

  /** Something came that no correct first-in, first-out channel delivers: synchronize anew. */
  private violation(reason: string): void {
    this.server.ignore(this.target, reason);
    this.forgetAttempt();
    this.timers.retrySoon();
  }

  step(from: NodeId, message: ZabMessage): void {
    if (message.kind === 'notification') {
      this.onNotification(from, message);
      return;
    }
    if (message.kind === 'followerInfo') {
      this.server.notify.add(from); // It should learn soon that this server follows another.
      this.server.ignore(from, 'followerInfo at a follower');
      return;
    }
    if (from !== this.target) {
      this.server.ignore(from, `${message.kind} from a server that is not followed`);
      return;
    }
    this.fromLeader(message);
  }

  private onNotification(from: NodeId, message: Notification): void {
    if (message.state === 'looking') this.server.notify.add(from);
    if (from !== this.target) return;
    // The leader's own word that it does not lead; an older word of it is told by its round.
    if (message.state === 'looking' && message.round > this.server.electionRound) {
      this.roles.look(`leader ${from} looks for a leader itself`);
    } else if (message.state === 'following' && this.epoch === 0) {
      this.roles.look(`server ${from} follows ${message.vote.leader}`);
    }
  }

  private fromLeader(message: Exclude<ZabMessage, Notification>): void {
    switch (message.kind) {
      case 'newEpoch':
        this.onNewEpoch(message);
        return;
      case 'trunc':
      case 'snap':
      case 'diff':
        this.onSync(message);
        return;
      case 'newLeader':
        this.onNewLeader(message);
        return;
      case 'upToDate':
        this.onUpToDate(message);
        return;
      case 'propose':
        this.onPropose(message);
        return;
      case 'commit':
        this.onCommit(message);
        return;
      case 'ping':
        this.onPing(message);
        return;
      case 'read':
        this.onRead(message);
        return;
      case 'followerInfo':
      case 'ackEpoch':
      case 'syncAck':
      case 'ack':
        this.server.ignore(this.target, `${message.kind} at a follower`);
        return;
      default:
        unreachable(message, 'every kind is handled');
    }
  }

  // Phase 1, discovery.

  private onNewEpoch(message: NewEpoch): void {
    const { server } = this;
    const { epoch } = message;
    if (message.nonce !== this.nonce || this.joined || epoch <= 0 || epoch > EPOCH_MAX) {
      server.ignore(this.target, `newEpoch ${epoch} of another attempt`);
      return;
    }
    if (epoch < server.acceptedEpoch) {
      server.ignore(this.target, `epoch ${epoch} is below acceptedEpoch ${server.acceptedEpoch}`);
      return;
    }
    if (epoch > server.acceptedEpoch) server.acceptEpoch(epoch, this.target);
    this.timers.heard();
    this.timers.progressed();
    this.epoch = epoch;
    this.wasLed = true;
    this.staging = new Staging(server.history, server.commitIndex);
    this.stage = 'synchronization';
    this.ackEpochDue = true;
  }

  // Phase 2, synchronization: staged in memory, recorded in one batch with currentEpoch.

  private onSync(message: Extract<ZabMessage, { kind: 'trunc' | 'snap' | 'diff' }>): void {
    if (!this.isCurrent(message) || this.staging === null) {
      this.server.ignore(this.target, `${message.kind} of another attempt`);
      return;
    }
    const problem = this.staging.take(message);
    if (problem !== null) {
      this.violation(problem);
      return;
    }
    this.timers.heard();
    this.timers.progressed();
    if (message.kind === 'diff') this.syncAckDue = true;
    this.timers.canStall = !this.staging.awaitsSnapshot;
  }

  snapshotOffered(from: NodeId, meta: SnapshotMeta): void {
    if (from !== this.target || this.staging === null || !this.staging.holdSnapshot(meta)) {
      this.server.ignore(from, `snapshot ${meta.index} that nobody waits for`);
      return;
    }
    this.timers.progressed();
    this.timers.canStall = true;
    this.syncAckDue = true;
  }

  private onNewLeader(message: NewLeader): void {
    const { staging, server } = this;
    if (!this.isCurrent(message) || staging === null) {
      server.ignore(this.target, 'newLeader of another attempt');
      return;
    }
    const end = staging.endZxid;
    if (staging.endIndex !== message.index || compareZxid(end, message.zxid) !== 0) {
      this.violation(`newLeader ends at ${formatZxid(message.zxid)}, not at ${formatZxid(end)}`);
      return;
    }
    if (staging.awaitsSnapshot) {
      this.violation('newLeader before the snapshot was complete');
      return;
    }
    // One batch: truncation, snapshot and transactions first, currentEpoch behind them (ZB-04).
    staging.install(server);
    server.establishEpoch(this.epoch);
    this.staging = null;
    this.joined = true;
    this.ackDue = true;
    this.timers.heard();
    this.timers.progressed();
  }

  private onUpToDate(message: UpToDate): void {
    if (!this.isCurrent(message) || !this.joined) {
      this.server.ignore(this.target, 'upToDate of another attempt');
      return;
    }
    if (!this.takeCommit(message.committed)) return;
    this.timers.heard();
    this.timers.progressed();
    if (this.stage === 'broadcast') return;
    this.stage = 'broadcast';
    this.timers.canStall = false;
    this.server.event('leaderChanged', this.epoch, this.target, 'up to date');
  }

  // Phase 3, broadcast.

  private onPropose(message: Propose): void {
    if (message.epoch !== this.epoch || !this.joined) {
      this.server.ignore(this.target, `propose of epoch ${message.epoch} before newLeader`);
      return;
    }
    for (const record of message.records) {
      const problem = logProposal(this.server, message.epoch, record);
      if (problem !== null) {
        this.violation(problem);
        return;
      }
    }
    if (!this.takeCommit(message.committed)) return;
    this.ackDue = true;
    this.timers.heard();
  }

  private onCommit(message: Commit): void {
    if (message.epoch !== this.epoch || !this.joined) {
      this.server.ignore(this.target, `commit of epoch ${message.epoch} before newLeader`);
      return;
    }
    if (this.takeCommit(message.committed)) this.timers.heard();
  }

  /** Takes a commit index. A COMMIT before UPTODATE is as good as one after it (ZB-07). */
  private takeCommit(committed: LogIndex): boolean {
    if (committed > this.server.history.lastIndex) {
      this.violation(`commit ${committed} of a transaction that was never proposed here`);
      return false;
    }
    this.server.commitUpTo(committed);
    return true;
  }

  private onPing(message: Ping): void {
    if (this.epoch !== 0 && message.epoch !== 0 && message.epoch !== this.epoch) {
      this.server.ignore(this.target, `ping of epoch ${message.epoch}`);
      return;
    }
    this.timers.heard();
    if (message.token > this.echoToken) this.echoToken = message.token;
  }

  private onRead(message: Read): void {
    if (message.epoch !== this.epoch || !this.reads.answer(message)) {
      this.server.ignore(this.target, `answer to read ${message.token}, which nobody asked`);
    }
  }

  /** Takes a read at any time: the question waits until the leader can answer it. */
  readLinearizable(ticket: Ticket): RequestStatus {
    return this.reads.ask(ticket);
  }

  propose(_payload: Uint8Array, _ticket: Ticket): RequestStatus {
    return 'notLeader';
  }

  // Time and sessions.

  tick(): void {
    const verdict = this.timers.judge();
    if (verdict === 'silent') this.suspect('silent for an election timeout');
    else if (verdict === 'reopen') this.openAttempt();
  }

  private suspect(reason: string): void {
    this.server.event('suspected', this.server.acceptedEpoch, this.target, reason);
    this.roles.look(`leader ${this.target} ${reason}`);
  }

  nextDeadline(): Instant | null {
    return this.timers.nextDeadline();
  }

  peerConnected(peer: NodeId): void {
    if (peer === this.target) this.openAttempt();
  }

  peerDisconnected(peer: NodeId): void {
    if (peer !== this.target) return;
    if (this.server.config.detector === 'timers+socket') {
      this.suspect('closed its session');
      return;
    }
    this.openAttempt();
    this.infoDue = false; // There is no session to send it on; the next one opens an attempt.
  }

  private isCurrent(message: { readonly nonce: number; readonly epoch: number }): boolean {
    return this.epoch !== 0 && message.nonce === this.nonce && message.epoch === this.epoch;
  }

  // Output.

  get hasWork(): boolean {
    return (
      this.infoDue ||
      this.ackEpochDue ||
      this.syncAckDue ||
      this.ackDue ||
      this.echoToken >= 0 ||
      (this.stage === 'broadcast' && this.reads.hasQuestion) ||
      this.server.notify.size > 0
    );
  }

  flush(): void {
    const { server, nonce, epoch } = this;
    const to = [this.target];
    server.flushNotifications('following');
    if (this.infoDue) {
      const { acceptedEpoch } = server;
      server.out.sendAfterPersist(to, { kind: 'followerInfo', nonce, acceptedEpoch });
    }
    if (this.ackEpochDue) this.sendAckEpoch(to);
    if (this.syncAckDue && this.staging !== null) {
      const index = this.staging.endIndex;
      server.out.sendAfterPersist(to, { kind: 'syncAck', nonce, epoch, index });
    }
    if (this.ackDue) {
      const index = server.history.lastIndex;
      server.out.sendAfterPersist(to, { kind: 'ack', nonce, epoch, index });
    }
    if (this.echoToken >= 0) {
      const echo: Ping = { kind: 'ping', epoch, token: this.echoToken };
      // In the broadcast phase the epoch is durable here and a crash cannot take it back, so the
      // echo may leave at once: a read does not wait for a follower's disk.
      if (this.stage === 'broadcast') server.out.sendEarly(to, echo);
      else server.out.sendAfterPersist(to, echo);
    }
    const question = this.stage === 'broadcast' ? this.reads.takeQuestion(epoch) : null;
    if (question !== null) server.out.sendEarly(to, question);
    this.infoDue = false;
    this.ackEpochDue = false;
    this.syncAckDue = false;
    this.ackDue = false;
    this.echoToken = -1;
  }

  private sendAckEpoch(to: NodeId[]): void {
    const { server } = this;
    server.out.sendAfterPersist(to, {
      kind: 'ackEpoch',
      nonce: this.nonce,
      epoch: this.epoch,
      // An epoch accepted from another server is promised to that one: it counts there only.
      counted: server.acceptedEpoch === this.epoch && server.acceptedFrom === this.target,
      currentEpoch: server.currentEpoch,
      zxid: server.history.lastZxid,
      index: server.history.lastIndex,
    });
  }

  leave(_reason: string): void {
    if (!this.wasLed) this.server.avoid(this.target);
    this.reads.abandonAll();
  }

  persisted(): void {}

  snapshotSent(_to: NodeId, _delivered: boolean): void {}

  get neededIndex(): LogIndex {
    return this.server.history.lastIndex;
  }

  peers(): PeerStatus[] {
    return [];
  }
}
