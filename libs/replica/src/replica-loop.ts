import {
  type Clock,
  type ConsensusEngine,
  type Instant,
  instant,
  type LogIndex,
  type Member,
  type MembershipView,
  NO_INDEX,
  type NodeId,
  type Ready,
  type Ticket,
  ticket,
} from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import type { SnapshotStore } from '@quorate/snapshot-store';
import type { PeerHandlers, PeerTransport } from '@quorate/transport';
import type { Wal, WalError } from '@quorate/wal';
import { Applier } from './applier.ts';
import { Durability } from './durability.ts';
import type { ReplicaLimits } from './limits.ts';
import type { LoopParts } from './loop-parts.ts';
import { membersOf } from './members-of.ts';
import { PeerInputs } from './peer-inputs.ts';
import { PeerSessions } from './peer-sessions.ts';
import { ProposalQueue } from './proposal-queue.ts';
import { ReadQueue } from './read-queue.ts';
import { countersOf } from './replica-counters.ts';
import { Snapshots } from './snapshots.ts';
import { TurnEnds } from './turn-ends.ts';
import type {
  FatalError,
  ProposeDone,
  ReadDone,
  Replica,
  ReplicaHandlers,
  ReplicaStatus,
} from './types.ts';
import { WakeTimer } from './wake-timer.ts';

/**
 * The host loop. One turn, at the end of an event-loop turn in which the sockets were drained:
 * clock, what became durable, frames in order, proposals and reads, tick, one Ready: messages out,
 * network flushed, records to the log, committed entries applied, reads served, answers given.
 * Nothing here knows which protocol runs; the numbers in comments are the obligations in the doc of
 * `Ready`.
 */
export class ReplicaLoop<M> implements Replica {
  readonly id: NodeId;
  readonly peerHandlers: PeerHandlers;
  private readonly clock: Clock;
  private readonly transport: PeerTransport | null;
  private readonly handlers: ReplicaHandlers;
  private readonly resolveMember: (member: Member) => Member;
  private readonly heartbeatMicros: number;
  private readonly engine: ConsensusEngine<M>;
  private readonly store: SnapshotStore;
  private readonly limits: ReplicaLimits;
  private readonly wal: Wal;
  private readonly durability: Durability;
  private readonly sessions: PeerSessions<M>;
  private readonly inputs: PeerInputs<M>;
  private readonly proposals: ProposalQueue;
  private readonly reads: ReadQueue;
  private readonly applier: Applier;
  private readonly snapshots: Snapshots;
  private readonly timer: WakeTimer;
  private readonly turnEnds: TurnEnds;
  private tasks: (() => void)[] = [];
  private turnQueued = false;
  private stage: 'running' | 'stopping' | 'stopped' = 'running';
  private stopBy: Instant | null = null;
  private stopDone: ((error: WalError | null) => void) | null = null;
  private lastTicket = 0;
  private lastTurnAt: Instant;
  private pressed = false;
  private turns = 0;
  private readies = 0;
  private lastGapMicros = 0;
  private longestGapMicros = 0;
  private knownLeader: NodeId | 0 = 0;
  private leaderKnownInTurn = -1;

  constructor(parts: LoopParts<M>) {
    // Not the options as a whole: they hold on to all records that the log recovered.
    const { options, engine, limits, store, codec, policy } = parts;
    const { clock, stateMachine, transport, handlers = {} } = options;
    this.id = options.config.id;
    this.clock = clock;
    this.transport = transport;
    this.handlers = handlers;
    this.resolveMember = options.resolveMember ?? ((member) => member);
    this.heartbeatMicros = options.config.heartbeatMicros;
    this.engine = engine;
    this.store = store;
    this.limits = limits;
    this.wal = options.wal.wal;
    this.lastTurnAt = clock.now();
    this.durability = new Durability(this.wal, this.wake);
    const { needsFifoChannels } = options.protocol.capabilities;
    const sessions = new PeerSessions(transport, codec, needsFifoChannels);
    this.sessions = sessions;
    this.proposals = new ProposalQueue(limits);
    this.reads = new ReadQueue(limits);
    const { inTurn, fail, wake } = this;
    const send = (to: NodeId, frame: readonly Uint8Array[]): boolean =>
      sessions.sendHostFrame(to, frame);
    const shared = { engine, store, stateMachine, clock, limits, policy, handlers };
    const snapshots = new Snapshots({ ...shared, inTurn, send, fail });
    this.snapshots = snapshots;
    const appliedIndex = parts.snapshot?.index ?? NO_INDEX;
    const applier: Applier = new Applier(stateMachine, this.proposals, appliedIndex, (meta) =>
      snapshots.restore(applier, meta),
    );
    this.applier = applier;
    this.inputs = new PeerInputs<M>({
      engine,
      codec,
      sessions,
      wake,
      hostFrame: (from, frame) => snapshots.hostFrame(from, frame),
      endSession: (peer) => transport?.resetSession(peer),
      sessionEnded: (peer) => snapshots.sessionEnded(peer),
      refused: (refusal) => handlers.peerRefused?.(refusal),
    });
    this.peerHandlers = this.inputs.handlers;
    this.timer = new WakeTimer(clock, wake);
    this.turnEnds = new TurnEnds(clock);
  }

  /** Joins the log and the peers and queues the first turn. */
  start(): void {
    this.wal.setCheckpointSource(() => this.engine.checkpoint());
    this.wal.onFatal(this.fail);
    this.setPeers(this.engine.status().membership);
    this.wake();
  }

  get appliedIndex(): LogIndex {
    return this.applier.appliedIndex;
  }

  get underPressure(): boolean {
    return this.pressed;
  }

  leader(): NodeId | 0 {
    if (this.leaderKnownInTurn !== this.turns) {
      this.knownLeader = this.engine.status().leader ?? 0;
      this.leaderKnownInTurn = this.turns;
    }
    return this.knownLeader;
  }

  propose(command: Uint8Array, done: ProposeDone): void {
    if (this.stage !== 'running') this.proposals.refuseLater(done, { kind: 'stopping' });
    else if (!this.wal.hasSpace) this.proposals.refuseLater(done, { kind: 'noSpace' });
    else if (this.pressed) this.proposals.refuseLater(done, { kind: 'busy' });
    else this.proposals.add(command, done);
    this.wake();
  }

  read(level: 'linearizable' | 'stale', done: ReadDone): void {
    const { restoring, appliedIndex } = this.applier;
    if (this.stage !== 'running') {
      this.reads.refuseLater(done, { kind: 'stopping' });
    } else if (level === 'linearizable') {
      this.reads.add(done);
    } else if (restoring !== null) {
      this.reads.addWaiting(done, restoring.index);
    } else {
      done({ kind: 'ready', appliedIndex });
      return;
    }
    this.wake();
  }

  atTurnEnd(callback: () => void): void {
    this.turnEnds.add(callback);
  }

  status(): ReplicaStatus {
    const { proposals, reads, applier, durability, inputs, snapshots } = this;
    const { turns, readies, sessions } = this;
    return {
      engine: this.engine.status(),
      appliedIndex: applier.appliedIndex,
      restoring: applier.restoring !== null,
      stopped: this.stage === 'stopped',
      proposalsQueued: proposals.queued,
      proposalsQueuedBytes: proposals.queuedBytes,
      batchesInFlight: proposals.batchesInFlight,
      readsQueued: reads.queued,
      readTicketsInFlight: reads.ticketsInFlight,
      readiesUnpersisted: durability.count,
      bytesUnpersisted: durability.bytes,
      entriesUnapplied: applier.entriesWaiting,
      hasSpace: this.wal.hasSpace,
      wal: this.wal.stats(),
      counters: countersOf({
        turns,
        readies,
        proposals,
        applier,
        reads,
        inputs,
        snapshots,
        sessions,
      }),
      lastGapMicros: this.lastGapMicros,
      longestGapMicros: this.longestGapMicros,
    };
  }

  stop(done: (error: WalError | null) => void): void {
    assert(this.stopDone === null, 'a replica is stopped once');
    this.stopDone = done;
    if (this.isStopped()) {
      this.closeLog();
      return;
    }
    this.stage = 'stopping';
    this.stopBy = instant(this.clock.now() + this.limits.stopWaitMicros);
    this.wake();
  }

  halt(): void {
    if (this.isStopped()) return;
    this.endTurns();
    this.transport?.stop(() => {});
  }

  /** Queues a turn at the end of this turn of the event loop; many calls make one turn. */
  private readonly wake = (): void => {
    if (this.turnQueued) return;
    this.turnQueued = true;
    this.clock.defer(this.turn);
  };

  private readonly inTurn = (task: () => void): void => {
    if (this.isStopped()) return;
    this.tasks.push(task);
    this.wake();
  };

  /** A method, because a turn calls out and may be stopped from there. */
  private isStopped(): boolean {
    return this.stage === 'stopped';
  }

  private readonly turn = (): void => {
    this.turnQueued = false;
    this.turnEnds.during(this.takeTurn);
  };

  private readonly takeTurn = (): void => {
    this.proposals.deliverRefusals();
    this.reads.deliverRefusals();
    if (this.isStopped()) return;
    this.turns++;
    const now = this.clock.now();
    const resumed = this.noteGap(now);
    this.engine.clock(now);
    this.settle();
    this.runTasks();
    this.inputs.step();
    this.submit();
    // 6. After a pause the sockets may hold what would have kept the peace: look once more first.
    if (!resumed) this.engine.tick();
    if (this.isStopped()) return;
    if (this.engine.hasReady()) this.process(this.engine.takeReady(), now);
    // A leader with nothing but commit notices to send answers its clients first.
    const answersFirst = this.proposals.batchesInFlight > 0;
    if (!answersFirst) this.transport?.flush();
    this.apply(now);
    this.turnEnds.call();
    if (answersFirst) this.transport?.flush();
    this.judgePressure();
    if (this.isStopped()) return;
    if (this.stage === 'stopping' && this.mayStop(now)) {
      this.finishStop();
      return;
    }
    this.snapshots.expire(now);
    if (resumed || this.hasMore()) this.wake();
    this.timer.arm(this.engine.nextDeadline(), this.snapshots.deadline(), this.stopBy);
  };

  private hasMore(): boolean {
    return (
      this.engine.hasReady() ||
      this.applier.hasWork ||
      // Under pressure nothing is proposed: turns wait for the disk and do not spin.
      (!this.pressed && this.proposals.hasWork) ||
      this.reads.hasWork ||
      this.tasks.length > 0
    );
  }

  /** True after a gap longer than a heartbeat; notes how late the timer was. */
  private noteGap(now: Instant): boolean {
    const gap = now - this.lastTurnAt;
    this.lastTurnAt = now;
    const late = this.timer.lateMicros(now);
    if (late > this.heartbeatMicros) this.lastGapMicros = late;
    if (late > this.longestGapMicros) this.longestGapMicros = late;
    return gap > this.heartbeatMicros;
  }

  /** 2, 3. What became durable since the last turn. */
  private settle(): void {
    const durable = this.durability.settle((ready) => {
      this.sessions.release(ready);
      for (const transfer of ready.transfers) this.snapshots.release(transfer);
      if (ready.snapshot === null) return;
      this.store.named(ready.snapshot);
      this.wal.release(ready.snapshot.index);
      this.handlers.snapshotWritten?.(null, ready.snapshot);
    });
    if (durable !== null) this.engine.persisted(durable);
  }

  private runTasks(): void {
    if (this.tasks.length === 0) return;
    const tasks = this.tasks;
    this.tasks = [];
    for (const task of tasks) task();
  }

  private submit(): void {
    if (this.stage !== 'running') {
      this.proposals.failQueued({ kind: 'stopping' });
      return;
    }
    this.reads.submit(this.engine, this.nextTicket);
    if (this.proposals.queued === 0) return;
    if (!this.wal.hasSpace) this.proposals.failQueued({ kind: 'noSpace' });
    else if (!this.pressed) {
      const { engine, nextTicket } = this;
      this.proposals.submit({ engine, wallMicros: this.clock.wallMicros(), nextTicket });
    }
  }

  private readonly nextTicket = (): Ticket => {
    this.lastTicket++;
    return ticket(this.lastTicket);
  };

  private process(ready: Ready<M>, now: Instant): void {
    this.readies++;
    if (ready.membership !== null) this.setPeers(ready.membership);
    for (const outbound of ready.messages) this.sessions.sendNow(outbound); // 2
    // Entries leave before the own write begins: the way over a peer's disk is the longer one.
    if (ready.records.length > 0) this.transport?.flush();
    const unpersisted = this.durability.append(ready); // 1
    for (const outbound of ready.messagesAfterPersist) this.sessions.hold(unpersisted, outbound);
    for (const transfer of ready.snapshotsToSend) this.snapshots.hold(transfer);
    // Without records and with nothing before it in flight it is durable already.
    if (!unpersisted.logged) this.settle();
    for (const peer of ready.sessionsToReset) this.transport?.resetSession(peer);
    this.applier.add(ready.snapshotToInstall, ready.committed);
    for (const state of ready.readStates) this.reads.confirmed(state.ticket, state.index);
    this.answerAbandoned(ready);
    for (const event of ready.events) this.handlers.engineEvent?.(event, now);
  }

  private answerAbandoned(ready: Ready<M>): void {
    if (ready.abandoned.length === 0) return;
    const leader = this.engine.status().leader ?? 0;
    for (const request of ready.abandoned) {
      if (this.proposals.abandoned(request.ticket, request.outcome, leader)) continue;
      this.reads.abandoned(request.ticket, leader);
    }
  }

  /** 4. Applies, serves the reads that waited for it, and looks whether a snapshot is due. */
  private apply(now: Instant): void {
    const { applier } = this;
    if (applier.run(this.limits.applyBytesMax)) this.engine.applied(applier.appliedIndex);
    if (applier.restoring !== null) return;
    this.reads.serve(applier.appliedIndex);
    this.snapshots.consider(applier, now);
  }

  /** 5. Tells when the log falls behind its limits and when it has caught up. */
  private judgePressure(): void {
    const { readiesUnpersistedMax, bytesUnpersistedMax } = this.limits;
    const { count, bytes } = this.durability;
    const pressed = count >= readiesUnpersistedMax || bytes >= bytesUnpersistedMax;
    if (pressed === this.pressed) return;
    this.pressed = pressed;
    if (!pressed) this.wake(); // What waits in the queue may be proposed again.
    this.handlers.pressure?.(pressed);
  }

  private setPeers(view: MembershipView): void {
    this.transport?.setPeers(membersOf(view).map(this.resolveMember));
  }

  /** 8. What cannot be mended ends the replica. */
  private readonly fail = (error: FatalError): void => {
    if (this.isStopped()) return;
    this.halt();
    this.handlers.fatal?.(error);
  };

  private mayStop(now: Instant): boolean {
    if (this.stopBy !== null && now >= this.stopBy) return true;
    return this.proposals.batchesInFlight === 0 && !this.snapshots.writing;
  }

  private finishStop(): void {
    this.endTurns();
    if (this.transport === null) this.closeLog();
    else this.transport.stop(() => this.closeLog());
  }

  /** No turn follows; everything outstanding is answered. */
  private endTurns(): void {
    this.stage = 'stopped';
    this.timer.cancel();
    this.inputs.close();
    this.tasks = [];
    this.proposals.failQueued({ kind: 'stopping' });
    this.proposals.failInFlight();
    this.reads.failAll({ kind: 'stopping' });
    this.wake(); // For refusals that wait for a turn.
  }

  private closeLog(): void {
    const done = this.stopDone;
    this.wal.close((error) => done?.(error));
  }
}
