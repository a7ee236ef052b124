import {
  createRecordCodec,
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  type Instant,
  type MessageCodec,
  type NodeId,
  nodeId,
  type Protocol,
  type ReadLevel,
  type SnapshotTransfer,
  type Ticket,
} from '@quorate/consensus';
import { assert, concatBytes, crc32Table, createRandom, required } from '@quorate/foundation';
import {
  type ClientRequest,
  type ConfigOverrides,
  EngineHost,
  GhostState,
  type HostEnvironment,
  type MachineImage,
} from '@quorate/simulator';
import { describeReady } from './describe-ready.ts';

/** How a golden cluster is built; `snapshots` is the number of entries between two of them. */
export interface GoldenOptions {
  readonly nodes: number;
  readonly seed: string;
  readonly snapshots: number;
  readonly config: ConfigOverrides;
}

type InFlight<M> = { readonly said: string } & (
  | { readonly message: M }
  | { readonly transfer: SnapshotTransfer; readonly image: MachineImage }
);

/** Rounds of `stabilize` and deadlines of `timeout` before a script is called endless. */
const ROUNDS_MAX = 1_000;
const DEADLINES_MAX = 100;

/**
 * A cluster in which nothing happens by itself: messages wait on their links, batches for their
 * sync, and each node's clock stands until the script moves it. It prints every Ready.
 */
export class GoldenCluster<M> {
  readonly ids: readonly NodeId[];
  private readonly protocol: Protocol<M>;
  private readonly codec: MessageCodec<M>;
  private readonly ghost: GhostState;
  private readonly hosts = new Map<NodeId, EngineHost<M>>();
  private readonly clocks = new Map<NodeId, number>();
  private readonly links = new Map<string, InFlight<M>[]>();
  private readonly lines: string[] = [];
  private readonly heartbeatMicros: number;
  private tickets = 0;
  private seenKinds = new Set<string>();

  constructor(protocol: Protocol<M>, options: GoldenOptions) {
    this.protocol = protocol;
    const records = createRecordCodec(crc32Table);
    this.codec = protocol.createCodec(records);
    this.ids = Array.from({ length: options.nodes }, (_, i) => nodeId(i + 1));
    this.ghost = new GhostState(this.ids, (invariant, message) => {
      throw new Error(`${invariant}: ${message}\n${this.lines.join('\n')}`);
    });
    const timing = { ...DEFAULT_TIMING, ...options.config };
    this.heartbeatMicros = timing.heartbeatMicros;
    const voters = this.ids.map((id) => ({ id, disk: `disk-${id}`, address: `node-${id}:1` }));
    const random = createRandom(options.seed);
    for (const id of this.ids) {
      this.clocks.set(id, 0);
      const config = {
        detector: 'timers' as const,
        variants: {},
        ...timing,
        limits: { ...DEFAULT_LIMITS, ...options.config.limits },
        id,
        membership: { voters, learners: [], witnesses: [] },
      };
      const hostOptions = {
        protocol,
        config,
        codec: records,
        random: random.split(`engine ${id}`),
        snapshotEveryEntries: options.snapshots,
        segmentBatchesMax: 16,
        keepArchive: false,
        sessions: true,
      };
      this.hosts.set(id, new EngineHost(hostOptions, this.environment(id)));
    }
    for (const id of this.ids) this.restart(id);
  }

  /** What happened since the last call, one line each. */
  takeLines(): string[] {
    return this.lines.splice(0, this.lines.length);
  }

  print(line: string): void {
    this.lines.push(line);
  }

  /** Moves a node's clock by one heartbeat and fires what is due. */
  tick(id: NodeId): void {
    this.clocks.set(id, this.clock(id) + this.heartbeatMicros);
    this.turn(id);
  }

  /** Moves a node's clock without firing anything: time passes that it has not yet noticed. */
  elapse(id: NodeId, millis: number): void {
    this.clocks.set(id, this.clock(id) + millis * 1_000);
    if (this.host(id).running) this.host(id).engine.clock(this.clock(id) as Instant);
  }

  /** Moves a node's clock from deadline to deadline until it asks for leadership. */
  timeout(id: NodeId): void {
    this.seenKinds = new Set();
    for (let i = 0; i < DEADLINES_MAX; i++) {
      const deadline = required(this.host(id).engine.nextDeadline(), `node ${id} has a deadline`);
      this.clocks.set(id, Math.max(this.clock(id), deadline));
      this.turn(id);
      if (this.seenKinds.has(`${id} candidacy`) || this.seenKinds.has(`${id} suspected`)) return;
    }
    throw new Error(`node ${id} suspects nobody in ${DEADLINES_MAX} deadlines`);
  }

  propose(id: NodeId, text: string): void {
    const payload = new TextEncoder().encode(text);
    this.request(id, 'propose', text, (t) => this.host(id).engine.propose(payload, t));
  }

  read(id: NodeId, level: ReadLevel): void {
    this.request(id, level, '', (t) => this.host(id).engine.read(level, t));
  }

  /** Delivers what waits on a link now, but at most `count`; drops what matches `drop`. */
  deliver(from: NodeId, to: NodeId, count: number, drop: string | null): void {
    const waiting = this.link(from, to).splice(0, count);
    for (const item of waiting) {
      if (drop !== null && item.said.includes(drop)) {
        this.print(`${from}->${to} dropped: ${item.said}`);
        continue;
      }
      this.print(`${from}->${to} ${item.said}`);
      this.arrive(from, to, item);
    }
    if (waiting.length > 0 && this.host(to).running) this.turn(to);
  }

  /** Loses everything that waits on a link. */
  drop(from: NodeId, to: NodeId): void {
    for (const { said } of this.link(from, to).splice(0)) {
      this.print(`${from}->${to} dropped: ${said}`);
    }
  }

  /** Makes everything that a node has written durable. */
  fsync(id: NodeId): void {
    const host = this.host(id);
    while (host.log.pending.length > 0) host.syncOne();
    host.sayPersisted();
    this.turn(id);
  }

  crash(id: NodeId, keepBatches: number): void {
    this.ghost.crashed(id);
    this.host(id).crash(keepBatches);
    this.print(`${id} crashed`);
    for (const peer of this.ids) if (peer !== id) this.disconnect(id, peer);
  }

  restart(id: NodeId): void {
    this.host(id).open();
    this.turn(id);
    for (const peer of this.ids) if (peer !== id) this.connect(id, peer);
  }

  connect(a: NodeId, b: NodeId): void {
    if (!this.host(a).running || !this.host(b).running) return;
    for (const [node, peer] of [
      [a, b],
      [b, a],
    ] as const) {
      this.host(node).peerConnected(peer);
      this.turn(node);
    }
  }

  disconnect(a: NodeId, b: NodeId): void {
    for (const [node, peer] of [
      [a, b],
      [b, a],
    ] as const) {
      this.link(node, peer).length = 0;
      if (!this.host(node).running) continue;
      this.host(node).peerDisconnected(peer);
      this.turn(node);
    }
  }

  snapshot(id: NodeId): void {
    const host = this.host(id);
    host.cutSnapshot(host.machine.applied);
    this.turn(id);
  }

  /** Delivers and syncs everything among the given nodes until nothing is left to do. */
  stabilize(among: readonly NodeId[]): void {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      let active = false;
      for (const id of among) {
        if (!this.host(id).running) continue;
        if (this.host(id).needsSync) {
          this.fsync(id);
          active = true;
        }
        for (const to of among) {
          if (to === id || this.link(id, to).length === 0) continue;
          this.deliver(id, to, Number.MAX_SAFE_INTEGER, null);
          active = true;
        }
      }
      if (!active) return;
    }
    throw new Error(`the cluster is not stable after ${ROUNDS_MAX} rounds`);
  }

  status(id: NodeId): void {
    const host = this.host(id);
    if (!host.running) {
      this.print(`${id} down`);
      return;
    }
    const { role, phase, round, leader, commitIndex, lastIndex, snapshotIndex } =
      host.engine.status();
    const indexes = `commit ${commitIndex} last ${lastIndex} snapshot ${snapshotIndex}`;
    this.print(`${id} ${role} (${phase}) round ${round} leader ${leader ?? '-'} ${indexes}`);
    const peers = host.engine.status().peers.filter((peer) => peer.id !== id);
    for (const peer of peers) this.print(`  peer ${peer.id} ${peer.state} ${peer.matchIndex}`);
  }

  private turn(id: NodeId): void {
    const host = this.host(id);
    // Applying takes no time here; a turn may commit, the next one may want a snapshot.
    do {
      host.turn();
      this.ghost.checkStatus(id, host.engine.status());
      if (host.hasEntriesToApply) host.applyAll();
    } while (host.hasWork);
  }

  private arrive(from: NodeId, to: NodeId, item: InFlight<M>): void {
    const host = this.host(to);
    if ('message' in item) {
      const { message } = item;
      host.input((engine) => engine.step(from, message));
      return;
    }
    host.receiveSnapshot(from, item.transfer.meta, item.image);
    this.host(from).input((engine) => engine.snapshotSent(to, host.running));
    if (this.host(from).running) this.turn(from);
  }

  private environment(id: NodeId): HostEnvironment<M> {
    return {
      now: () => this.clock(id) as Instant,
      send: (from, to, message) => {
        const bytes = concatBytes(this.codec.encode(message)).slice();
        const decoded = required(this.codec.decode(bytes), 'what is encoded decodes');
        const said = this.protocol.describeMessage(message);
        this.link(from, to).push({ said, message: decoded });
      },
      streamSnapshot: (from, transfer, image) => {
        const said = `snapshot file ${transfer.meta.index}`;
        this.link(from, transfer.to).push({ said, transfer, image });
      },
      resetSession: (node, peer) => {
        this.print(`${node} ends its session with ${peer}`);
        this.link(node, peer).length = 0;
        this.link(peer, node).length = 0;
        this.host(node).peerDisconnected(peer);
        this.host(peer).peerDisconnected(node);
        this.host(node).peerConnected(peer);
        this.host(peer).peerConnected(node);
      },
      opened: (host, snapshot) => this.ghost.opened(id, snapshot, host.engine.status()),
      taken: (_host, ready) => {
        this.ghost.taken(id, ready);
        for (const event of ready.events) this.seenKinds.add(`${id} ${event.kind}`);
        this.lines.push(...describeReady(this.protocol, id, ready));
      },
      durable: (_host, batch) => this.ghost.persisted(id, batch.records),
      applied: () => {},
    };
  }

  private request(
    node: NodeId,
    kind: ClientRequest['kind'],
    text: string,
    ask: (ticket: Ticket) => ClientRequest['status'],
  ): void {
    this.tickets++;
    const ticket = this.tickets as Ticket;
    const committedBefore = this.ghost.committedIndex;
    this.host(node).engine.clock(this.clock(node) as Instant);
    const status = ask(ticket);
    this.print(`${node} ${kind} ticket ${ticket}: ${status}`);
    const outcome = status === 'accepted' ? 'pending' : 'refused';
    const index = 0 as ClientRequest['index'];
    this.ghost.requested({ node, kind, ticket, status, text, committedBefore, outcome, index });
    this.turn(node);
  }

  private link(from: NodeId, to: NodeId): InFlight<M>[] {
    const key = `${from}->${to}`;
    const known = this.links.get(key);
    if (known !== undefined) return known;
    const fresh: InFlight<M>[] = [];
    this.links.set(key, fresh);
    return fresh;
  }

  private clock(id: NodeId): number {
    return required(this.clocks.get(id), `node ${id} has a clock`);
  }

  private host(id: NodeId): EngineHost<M> {
    const host = this.hosts.get(id);
    assert(host !== undefined, `node ${id} is one of ${this.ids.join(', ')}`);
    return host;
  }
}
