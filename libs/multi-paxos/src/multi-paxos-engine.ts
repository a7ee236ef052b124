import {
  type CommittedEntry,
  type ConsensusEngine,
  type EngineStatus,
  type Instant,
  type LogIndex,
  logIndex,
  NO_INDEX,
  NO_TICKET,
  type NodeId,
  type ReadLevel,
  type Ready,
  type ReadyNumber,
  type RequestStatus,
  type Role,
  type SnapshotDescription,
  type SnapshotMeta,
  type Ticket,
  type WalRecord,
} from '@quorate/consensus';
import { assert, NO_BYTES } from '@quorate/foundation';
import { Acceptor } from './acceptor.ts';
import { type Ballot, NO_BALLOT } from './ballot.ts';
import { CatchUp, CatchUpServer } from './catch-up.ts';
import type { Context } from './context.ts';
import { Durability } from './durability.ts';
import { Learner } from './learner.ts';
import type { PaxosMessage } from './messages.ts';
import { type LeadershipRules, Proposer } from './proposer.ts';
import { commitRecord, promiseRecord, type Recovered, snapshotRecord } from './records.ts';
import { type ReplicaParts, stepMessage } from './step.ts';

/** Payload of an engine description: Multi-Paxos has nothing to remember besides the slot. */
const NO_ENGINE_STATE = NO_BYTES;

const ROLES: Readonly<Record<Proposer['stage'], Role>> = {
  follower: 'follower',
  probe: 'candidate',
  'phase-1': 'candidate',
  'phase-2': 'leader',
};

/**
 * One Multi-Paxos replica: proposer, acceptor and learner in one (Paxos Made Simple, section 3;
 * Paxos Made Moderately Complex; Paxos Made Live). It joins the parts, each of which has a file of
 * its own, and answers the host.
 */
export class MultiPaxosEngine implements ConsensusEngine<PaxosMessage> {
  private readonly context: Context;
  private readonly acceptor: Acceptor;
  private readonly learner: Learner;
  private readonly proposer: Proposer;
  private readonly catchUp: CatchUp;
  private readonly server: CatchUpServer;
  private readonly durability: Durability;
  private readonly parts: ReplicaParts;
  private appliedThrough: number;
  private restoredThrough: number;
  private takenPromise: Ballot;
  private takenPrefix: number;
  private takenSnapshot: SnapshotMeta | null;

  constructor(
    context: Context,
    rules: LeadershipRules,
    recovered: Recovered,
    snapshot: SnapshotMeta | null,
  ) {
    this.context = context;
    this.acceptor = new Acceptor(context, recovered.promised, recovered.snapshotIndex);
    this.learner = new Learner(context, recovered.snapshotIndex, recovered.chosenPrefix);
    this.catchUp = new CatchUp(context, this.learner);
    this.server = new CatchUpServer(context, this.learner, this.acceptor, snapshot);
    this.durability = new Durability(context, recovered.chosenPrefix);
    const { acceptor, learner, catchUp, server, durability } = this;
    this.proposer = new Proposer({ context, acceptor, learner, catchUp, rules });
    const { proposer } = this;
    this.parts = { context, acceptor, learner, proposer, catchUp, server, durability };
    this.appliedThrough = recovered.snapshotIndex;
    this.restoredThrough = recovered.snapshotIndex;
    this.takenPromise = recovered.promised;
    this.takenPrefix = recovered.chosenPrefix;
    this.takenSnapshot = snapshot;
    proposer.mayLead = () => this.appliedThrough >= this.restoredThrough && !this.durability.late;
  }

  clock(now: Instant): void {
    this.context.now = Math.max(this.context.now, now);
  }

  tick(): void {
    this.proposer.tick();
    this.catchUp.tick();
    this.proposer.tryServe();
  }

  nextDeadline(): Instant | null {
    const at = Math.min(this.proposer.deadline, this.catchUp.deadline);
    return Number.isFinite(at) ? (at as Instant) : null;
  }

  step(from: NodeId, message: PaxosMessage): void {
    stepMessage(this.parts, from, message);
  }

  peerConnected(peer: NodeId): void {
    const progress = this.proposer.phase2?.peer(peer) ?? null;
    if (progress === null) return;
    progress.connected = true;
    this.proposer.phase2?.resend(progress);
  }

  peerDisconnected(peer: NodeId): void {
    const progress = this.proposer.phase2?.peer(peer) ?? null;
    if (progress !== null) {
      this.proposer.phase2?.resend(progress);
      progress.connected = false;
    }
    this.server.transferEnded(peer);
    this.catchUp.peerGone(peer);
    if (this.context.config.detector === 'timers+socket' && this.proposer.leader?.node === peer) {
      this.proposer.leaderGone();
    }
  }

  propose(payload: Uint8Array, ticket: Ticket): RequestStatus {
    const { phase2 } = this.proposer;
    if (phase2 === null || !phase2.serving) return 'notLeader';
    if (payload.length > this.context.config.limits.payloadBytesMax) return 'tooLarge';
    if (!phase2.hasRoom(payload.length)) return 'busy';
    phase2.propose(payload, ticket);
    return 'accepted';
  }

  read(level: ReadLevel, ticket: Ticket): RequestStatus {
    if (level === 'lease') return 'unsupported';
    if (level === 'stale') {
      this.context.outbox.readState(ticket, this.learner.chosenPrefix);
      return 'accepted';
    }
    const { phase2, reads, leader, followerReads } = this.proposer;
    if (phase2 !== null && reads !== null) {
      const slot = Math.max(this.learner.chosenPrefix, phase2.recoveredThrough);
      return reads.ask(ticket, slot) ? 'accepted' : 'busy';
    }
    if (leader === null) return 'notLeader';
    return followerReads.ask(ticket) ? 'accepted' : 'busy';
  }

  changeMembership(): RequestStatus {
    return 'unsupported';
  }

  transferLeadership(): RequestStatus {
    return 'unsupported';
  }

  persisted(upTo: ReadyNumber): void {
    assert(upTo < this.context.outbox.number, 'only a taken Ready becomes durable');
    if (upTo <= this.context.persisted) return;
    this.context.persisted = upTo;
    this.durability.persisted(upTo);
    this.proposer.persisted(upTo);
  }

  applied(upTo: LogIndex): void {
    assert(upTo <= this.learner.chosenPrefix, 'only what is chosen is applied');
    this.appliedThrough = Math.max(this.appliedThrough, upTo);
  }

  describeSnapshot(index: LogIndex): SnapshotDescription {
    assert(index <= this.appliedThrough, 'a snapshot is cut at or below the applied slot');
    assert(index > this.acceptor.snapshotIndex, 'a snapshot covers something new');
    return { index, membership: this.context.config.membership, engine: NO_ENGINE_STATE };
  }

  snapshotTaken(meta: SnapshotMeta): void {
    if (meta.index <= this.acceptor.snapshotIndex) return;
    assert(meta.index <= this.learner.chosenPrefix, 'a snapshot covers only chosen slots');
    this.context.outbox.fact(snapshotRecord(meta));
    this.acceptor.snapshotIndex = meta.index;
    this.server.snapshot = meta;
  }

  /**
   * Installs a peer's snapshot: the promise and the slots above it stay (P2, P7). A leader that is
   * that far behind in phase 2 has been superseded and stands down first.
   */
  snapshotOffered(from: NodeId, meta: SnapshotMeta): void {
    const refusal = this.snapshotRefusal(from, meta);
    if (refusal !== null) {
      this.context.ignore(from, refusal);
      this.catchUp.snapshotEnded();
      return;
    }
    if (this.proposer.phase2?.serving) this.proposer.standDown('behind the snapshot of a peer');
    this.context.outbox.fact(snapshotRecord(meta));
    this.context.outbox.snapshotToInstall = meta;
    this.context.slots.trimThrough(meta.index);
    this.acceptor.snapshotIndex = meta.index;
    this.restoredThrough = meta.index;
    this.server.snapshot = meta;
    this.learner.install(meta.index);
    this.catchUp.snapshotEnded();
    this.context.event('snapshotInstalled', from, `through slot ${meta.index}`);
    this.proposer.tryServe();
  }

  snapshotSent(to: NodeId): void {
    this.server.transferEnded(to);
  }

  hasReady(): boolean {
    const { phase2, reads, followerReads } = this.proposer;
    return (
      this.context.outbox.filled ||
      this.learner.undelivered ||
      this.acceptor.acknowledging ||
      followerReads.asking ||
      (reads?.asking ?? false) ||
      (phase2?.sending ?? false)
    );
  }

  takeReady(): Ready<PaxosMessage> {
    const { proposer, learner, acceptor, context } = this;
    if (proposer.reads?.asking) proposer.heartbeat();
    proposer.confirmReads();
    proposer.phase2?.send();
    proposer.followerReads.send(proposer.leader);
    acceptor.flush(learner.chosenPrefix);
    proposer.noteFirstCommit();
    learner.record();
    const committed: CommittedEntry[] = learner.deliver(
      (slot) => proposer.phase2?.takeTicket(slot) ?? NO_TICKET,
    );
    this.trimTail();
    const ready = context.outbox.take(committed);
    this.durability.taken(ready.number, learner.chosenPrefix, ready.mustSync);
    this.takenPromise = acceptor.promised;
    this.takenPrefix = learner.chosenPrefix;
    this.takenSnapshot = this.server.snapshot;
    return ready;
  }

  checkpoint(): WalRecord[] {
    const records: WalRecord[] = [];
    if (this.takenPromise !== NO_BALLOT) records.push(promiseRecord(this.takenPromise));
    if (this.takenSnapshot !== null) records.push(snapshotRecord(this.takenSnapshot));
    if (this.takenPrefix > (this.takenSnapshot?.index ?? 0)) {
      records.push(commitRecord(this.takenPrefix));
    }
    return records;
  }

  status(): EngineStatus {
    const { proposer, learner, acceptor, context } = this;
    const serving = proposer.phase2?.serving ?? false;
    const recovering = proposer.stage === 'phase-2' && !serving;
    const leader = proposer.leader?.node ?? 0;
    return {
      id: context.id,
      role: ROLES[proposer.stage],
      phase: recovering ? 'recovery' : proposer.stage,
      round: acceptor.promised.round,
      leader: leader === 0 ? null : leader,
      serving,
      commitIndex: logIndex(learner.chosenPrefix),
      lastIndex: logIndex(Math.max(context.slots.last, learner.chosenPrefix)),
      snapshotIndex: logIndex(acceptor.snapshotIndex),
      membership: { current: context.config.membership, joint: null, index: NO_INDEX },
      peers: proposer.phase2?.describePeers() ?? [],
    };
  }

  /**
   * Forgets slots that a durable snapshot covers, as far as the tail for slow peers allows: at
   * least `logTailBytesMin` stay, and up to `logTailBytesMax` while a live peer still needs them.
   */
  private trimTail(): void {
    const { slots, config } = this.context;
    const { logTailBytesMin, logTailBytesMax } = config.limits;
    const needed = this.lowestNeeded();
    let through = slots.trimMark;
    let left = slots.heldBytes;
    while (through < this.acceptor.snapshotIndex) {
      left -= slots.record(through + 1)?.payload.length ?? 0;
      if (left < logTailBytesMin) break;
      if (through + 1 > needed && left < logTailBytesMax) break;
      through++;
    }
    slots.trimThrough(through);
  }

  private snapshotRefusal(from: NodeId, meta: SnapshotMeta): string | null {
    if (this.context.voters.bitOf(from) === 0) return 'sender is no other voter';
    if (meta.index <= this.learner.chosenPrefix) return 'snapshot covers nothing new';
    return this.catchUp.contradicts(from, meta) ? 'snapshot is not the one announced' : null;
  }

  private lowestNeeded(): number {
    const { now, config } = this.context;
    let lowest = Number.MAX_SAFE_INTEGER;
    for (const peer of this.proposer.phase2?.peers ?? []) {
      const alive = peer.answeredAt + config.electionTimeoutMaxMicros > now;
      if (alive) lowest = Math.min(lowest, peer.match);
    }
    return lowest;
  }
}
