import {
  type CommittedEntry,
  type ConsensusEngine,
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  type EngineConfig,
  type EngineEvent,
  type EngineLimits,
  instant,
  type Membership,
  type NodeId,
  nodeId,
  type Outbound,
  type ReadState,
  type Ready,
  type ReadyNumber,
  type SnapshotMeta,
  type Ticket,
  type Variants,
  type WalRecord,
} from '@quorate/consensus';
import { createRandom, required } from '@quorate/foundation';
import type { RaftMessage } from './messages.ts';
import { raft } from './protocol.ts';

/** A message on its way. */
export interface OnTheWay {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly message: RaftMessage;
}

/** A replica with its disk and everything that its Readies have given out. */
interface Replica {
  engine: ConsensusEngine<RaftMessage>;
  readonly durable: WalRecord[];
  unsynced: Ready<RaftMessage>[];
  snapshot: SnapshotMeta | null;
  readonly committed: CommittedEntry[];
  readonly readStates: ReadState[];
  readonly abandoned: { ticket: Ticket; outcome: string }[];
  readonly events: EngineEvent[];
  readonly asked: Ready<RaftMessage>['snapshotsToSend'][number][];
}

/**
 * Replicas stepped by hand, for tests that play out one schedule: nothing is delivered and no time
 * passes unless the test says so; disks sync at once unless their node stands in `slowDisks`.
 */
export class HandDriven {
  readonly slowDisks = new Set<number>();
  wire: OnTheWay[] = [];
  private readonly replicas = new Map<number, Replica>();
  private now = 1_000_000;
  private readonly membership: Membership;
  private readonly variants: Variants;
  private readonly limits: EngineLimits;

  constructor(
    nodes: number,
    options: { variants?: Variants; limits?: Partial<EngineLimits> } = {},
  ) {
    const ids = Array.from({ length: nodes }, (_, i) => nodeId(i + 1));
    const voters = ids.map((id) => ({ id, disk: `d${id}`, address: `n${id}:1` }));
    this.membership = { voters, learners: [], witnesses: [] };
    this.variants = options.variants ?? {};
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    for (const id of ids) this.open(id, [], null);
  }

  /** Opens a replica over records that a test has made up, or anew over its own disk. */
  open(id: number, records: readonly WalRecord[], snapshot: SnapshotMeta | null): void {
    const config: EngineConfig = {
      id: nodeId(id),
      membership: this.membership,
      now: instant(this.now),
      ...DEFAULT_TIMING,
      detector: 'timers',
      variants: this.variants,
      limits: this.limits,
    };
    const random = createRandom(`hand-${id}-${this.now}`);
    this.replicas.set(id, {
      engine: raft.open(config, random, snapshot, records),
      durable: [...records],
      unsynced: [],
      snapshot,
      committed: [],
      readStates: [],
      abandoned: [],
      events: [],
      asked: [],
    });
  }

  /** Loses what is not durable and opens the replica again; its messages on the way stay. */
  restart(id: number): void {
    const { durable, snapshot } = this.replica(id);
    this.now += 1_000;
    this.open(id, durable, snapshot);
  }

  replica(id: number): Replica {
    return required(this.replicas.get(id), `there is a node ${id}`);
  }

  engine(id: number): ConsensusEngine<RaftMessage> {
    return this.replica(id).engine;
  }

  /** The payloads of committed command entries, as text. */
  texts(id: number): string[] {
    const { committed } = this.replica(id);
    return committed.filter((e) => e.type === 1).map((e) => new TextDecoder().decode(e.payload));
  }

  /** Lets time pass for one node alone, fires its timers and takes what comes. */
  pass(id: number, micros: number): void {
    this.now += micros;
    this.engine(id).clock(instant(this.now));
    this.engine(id).tick();
    this.take(id);
  }

  /** Lets the node's election timeout pass. */
  timeout(id: number): void {
    this.pass(id, DEFAULT_TIMING.electionTimeoutMaxMicros + 1);
  }

  /** Takes everything that the node has ready. */
  take(id: number): void {
    const replica = this.replica(id);
    while (replica.engine.hasReady()) {
      const ready = replica.engine.takeReady();
      replica.committed.push(...ready.committed);
      replica.readStates.push(...ready.readStates);
      replica.abandoned.push(...ready.abandoned);
      replica.events.push(...ready.events);
      replica.asked.push(...ready.snapshotsToSend);
      if (ready.snapshotToInstall !== null) replica.snapshot = ready.snapshotToInstall;
      this.send(id, ready.messages);
      replica.unsynced.push(ready);
      const applied = ready.committed.at(-1)?.index ?? ready.snapshotToInstall?.index;
      if (applied !== undefined) replica.engine.applied(applied);
      if (!this.slowDisks.has(id)) this.sync(id);
    }
  }

  /** Makes the node's oldest `count` unsynced Readies durable and sends what waited for them. */
  sync(id: number, count = Number.MAX_SAFE_INTEGER): void {
    const replica = this.replica(id);
    const done = replica.unsynced.slice(0, count);
    replica.unsynced = replica.unsynced.slice(count);
    let last = 0;
    for (const ready of done) {
      replica.durable.push(...ready.records);
      this.send(id, ready.messagesAfterPersist);
      last = ready.number;
    }
    if (last > 0) replica.engine.persisted(last as ReadyNumber);
    if (!this.slowDisks.has(id) || done.length > 0) this.take(id);
  }

  /** Takes matching messages off the wire, in order, without delivering them. */
  pick(matches: (one: OnTheWay) => boolean): OnTheWay[] {
    const picked = this.wire.filter(matches);
    this.wire = this.wire.filter((one) => !matches(one));
    return picked;
  }

  deliver(...messages: readonly OnTheWay[]): void {
    for (const { from, to, message } of messages) {
      const { engine } = this.replica(to);
      engine.clock(instant(this.now));
      engine.step(from, message);
      this.take(to);
    }
  }

  /** Delivers until nothing is on the way, among `nodes` alone; what goes elsewhere is lost. */
  settle(...nodes: readonly number[]): void {
    const within = (one: OnTheWay): boolean =>
      nodes.length === 0 || (nodes.includes(one.from) && nodes.includes(one.to));
    for (let rounds = 0; rounds < 1_000 && this.wire.length > 0; rounds++) {
      const batch = this.wire;
      this.wire = [];
      this.deliver(...batch.filter(within));
    }
  }

  /** Makes a node leader with the votes of `nodes`. */
  elect(id: number, ...nodes: readonly number[]): void {
    for (let tries = 0; tries < 3 && this.engine(id).status().role !== 'leader'; tries++) {
      // The others must first have missed their leader, or they would not listen.
      const micros = DEFAULT_TIMING.electionTimeoutMaxMicros;
      for (const [peer, { engine }] of this.replicas) {
        if (peer === id) continue;
        if (engine.status().role === 'leader') this.pass(peer, micros + 1);
        else engine.clock(instant(this.now + micros));
      }
      this.timeout(id);
      this.settle(...nodes);
    }
  }

  propose(id: number, text: string, ticket = 1): string {
    const payload = new TextEncoder().encode(text);
    const status = this.engine(id).propose(payload, ticket as Ticket);
    this.take(id);
    return status;
  }

  private send(from: number, outbound: readonly Outbound<RaftMessage>[]): void {
    for (const { to, message } of outbound) {
      for (const peer of to) this.wire.push({ from: nodeId(from), to: peer, message });
    }
  }
}
