import type {
  ConsensusEngine,
  EngineConfig,
  EngineStatus,
  Instant,
  LogIndex,
  Membership,
  NodeId,
  ReadLevel,
  Ready,
  ReadyNumber,
  RequestStatus,
  Role,
  Round,
  SnapshotDescription,
  SnapshotMeta,
  Ticket,
  Variants,
  WalRecord,
} from '@quorate/consensus';
import { assert, type Random, required } from '@quorate/foundation';
import { Following } from './following.ts';
import { Leading } from './leading.ts';
import { Looking } from './looking.ts';
import type { FollowerInfo, ZabMessage } from './messages.ts';
import { encodeSnapshotZxid } from './records.ts';
import type { RoleSwitch, ServerRole } from './role.ts';
import { Server } from './server.ts';

/** Looking, leading, looking again: more changes of role in one tick are a defect. */
const ROLES_PER_TICK_MAX = 8;

/** What {@link ZabEngine} is opened with. */
export interface ZabEngineOptions {
  readonly config: EngineConfig;
  readonly variants: Variants;
  readonly random: Random;
  readonly snapshot: SnapshotMeta | null;
  readonly records: Iterable<WalRecord>;
}

/**
 * ZAB as a pure engine (Junqueira, Reed, Serafini: "Zab: High-performance broadcast for
 * primary-backup systems", DSN'11; phase 0 and the numbering after ZooKeeper). A server looks for a
 * leader, follows or leads; each of the three is a {@link ServerRole}, and what outlives a role is
 * the {@link Server}. A new server looks for a leader at once.
 */
export class ZabEngine implements ConsensusEngine<ZabMessage> {
  private readonly server: Server;
  private readonly roles: RoleSwitch;
  private role: ServerRole;

  constructor(options: ZabEngineOptions) {
    const { config, variants, random, snapshot, records } = options;
    this.server = new Server(config, variants, random, snapshot, records);
    this.roles = {
      look: (reason) => this.look(reason),
      follow: (leader) => {
        this.role = new Following(this.server, this.roles, leader);
      },
      lead: (waiting) => this.lead(waiting),
    };
    this.role = new Looking(this.server, this.roles, 'started');
  }

  private look(reason: string): void {
    this.role.leave(reason);
    this.role = new Looking(this.server, this.roles, reason);
  }

  private lead(waiting: ReadonlyMap<NodeId, FollowerInfo>): void {
    this.role = new Leading(this.server, this.roles, waiting);
  }

  clock(now: Instant): void {
    assert(now >= this.server.now, 'time never goes back');
    this.server.now = now;
  }

  tick(): void {
    // A deadline that fires may end the role; the new one's deadlines may be due already.
    for (let roles = 0; roles < ROLES_PER_TICK_MAX; roles++) {
      const due = this.role.nextDeadline();
      if (due === null || due > this.server.now) return;
      this.role.tick();
    }
  }

  nextDeadline(): Instant | null {
    return this.role.nextDeadline();
  }

  step(from: NodeId, message: ZabMessage): void {
    if (!this.server.isMember(from)) {
      this.server.ignore(from, `${message.kind} from a stranger`);
      return;
    }
    this.role.step(from, message);
  }

  peerConnected(peer: NodeId): void {
    if (this.server.isMember(peer)) this.role.peerConnected(peer);
  }

  peerDisconnected(peer: NodeId): void {
    if (this.server.isMember(peer)) this.role.peerDisconnected(peer);
  }

  propose(payload: Uint8Array, ticket: Ticket): RequestStatus {
    return this.role.propose(payload, ticket);
  }

  read(level: ReadLevel, ticket: Ticket): RequestStatus {
    if (level === 'lease') return 'unsupported';
    if (level === 'linearizable') return this.role.readLinearizable(ticket);
    this.server.out.readStates.push({ ticket, index: this.server.commitIndex });
    return 'accepted';
  }

  changeMembership(_target: Membership, _ticket: Ticket): RequestStatus {
    return 'unsupported';
  }

  transferLeadership(_to: NodeId, _ticket: Ticket): RequestStatus {
    return 'unsupported';
  }

  persisted(upTo: ReadyNumber): void {
    this.server.persisted(upTo);
    this.role.persisted();
  }

  applied(_upTo: LogIndex): void {
    // Nothing waits for it: the host asks for snapshots at applied indexes only.
  }

  describeSnapshot(index: LogIndex): SnapshotDescription {
    const { history, membership, deliveredIndex } = this.server;
    assert(index <= deliveredIndex, 'a snapshot covers applied transactions only');
    const zxid = required(history.zxidAt(index), 'a snapshot index is above the last snapshot');
    return { index, membership, engine: encodeSnapshotZxid(zxid) };
  }

  snapshotTaken(meta: SnapshotMeta): void {
    this.server.snapshotTaken(meta);
  }

  snapshotOffered(from: NodeId, meta: SnapshotMeta): void {
    this.role.snapshotOffered(from, meta);
  }

  snapshotSent(to: NodeId, delivered: boolean): void {
    this.role.snapshotSent(to, delivered);
  }

  hasReady(): boolean {
    return !this.server.out.isEmpty || this.server.hasDelivery || this.role.hasWork;
  }

  takeReady(): Ready<ZabMessage> {
    const { server } = this;
    server.trimHistory(this.role.neededIndex);
    this.role.flush();
    const committed = server.deliver();
    const out = server.close();
    return {
      number: server.readyNumber,
      snapshotToInstall: out.snapshotToInstall,
      records: out.records,
      mustSync: out.records.length > 0,
      messages: out.messages,
      messagesAfterPersist: out.messagesAfterPersist,
      snapshotsToSend: out.snapshotsToSend,
      committed,
      readStates: out.readStates,
      abandoned: out.abandoned,
      membership: null,
      sessionsToReset: out.sessionsToReset,
      events: out.events,
    };
  }

  checkpoint(): WalRecord[] {
    return this.server.checkpoint();
  }

  status(): EngineStatus {
    const { server, role } = this;
    return {
      id: server.id,
      role: this.publicRole(),
      phase: role.phase,
      round: server.acceptedEpoch as Round,
      leader: role.leader,
      serving: role instanceof Leading && role.phase === 'broadcast',
      commitIndex: server.commitIndex,
      lastIndex: server.history.lastIndex,
      snapshotIndex: server.snapshot?.index ?? (0 as LogIndex),
      membership: { current: server.membership, joint: null, index: 0 as LogIndex },
      peers: role.peers(),
    };
  }

  /** A leader before its epoch counts is a candidate still: two may stand in one epoch (Z1). */
  private publicRole(): Role {
    if (this.role instanceof Following) return 'follower';
    return this.role.phase === 'election' || this.role.phase === 'discovery'
      ? 'candidate'
      : 'leader';
  }
}
