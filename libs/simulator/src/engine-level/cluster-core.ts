import {
  createRecordCodec,
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  type EngineEvent,
  type Membership,
  type MessageCodec,
  type NodeId,
  nodeId,
  type Protocol,
  type SnapshotMeta,
  type WalRecord,
} from '@quorate/consensus';
import { concatBytes, crc32Table, createRandom, type Random, required } from '@quorate/foundation';
import { EventQueue } from '../event-queue.ts';
import { SimulationFailure } from '../failure.ts';
import { LinkMatrix } from '../link-matrix.ts';
import {
  type ClusterOptions,
  DEFAULT_DISK,
  DEFAULT_NETWORK,
  type DiskOptions,
  type NetworkOptions,
} from '../options.ts';
import { MessageGate, type RunObserver } from '../run-observer.ts';
import { Trace } from '../trace.ts';
import { DrivenNode } from './driven-node.ts';
import { EngineHost, type HostEnvironment } from './engine-host.ts';
import { GhostState } from './ghost-state.ts';
import { MessageNetwork, type MessageReceiver } from './message-network.ts';

const TRACE_EVENTS_MAX = 200;
/** Engine events kept per run, the oldest go first. */
const ENGINE_EVENTS_MAX = 100_000;
/** Turns in a row after which a deadline in the past is one that never fires. */
const OVERDUE_TURNS_MAX = 8;

/** An event that an engine told, with the node that told it. */
export interface ToldEvent {
  readonly from: NodeId;
  readonly event: EngineEvent;
}

/** The nodes, the network between them, the ghost and the trace, wired together. */
export class ClusterCore<M> {
  readonly ids: readonly NodeId[];
  readonly seed: number | string;
  readonly random: Random;
  readonly queue = new EventQueue();
  readonly links: LinkMatrix;
  readonly network: MessageNetwork<M>;
  readonly ghost: GhostState;
  /** The rules of the protocol, if it was given some. */
  readonly observer: RunObserver<M> | null;
  readonly trace: Trace;
  readonly events: ToldEvent[] = [];
  readonly messageListeners: ((from: NodeId, to: NodeId, message: M) => void)[] = [];
  private readonly protocol: Protocol<M>;
  private readonly codec: MessageCodec<M> | null;
  private readonly nodes = new Map<NodeId, DrivenNode<M>>();
  private readonly gates = new Map<NodeId, MessageGate<M>>();
  private readonly overdue = new Map<NodeId, number>();

  constructor(options: ClusterOptions<M>) {
    const count = options.nodes;
    const numbers =
      typeof count === 'number' ? Array.from({ length: count }, (_, i) => i + 1) : count;
    this.ids = numbers.map(nodeId);
    this.seed = options.seed;
    this.protocol = options.protocol;
    this.random = createRandom(options.seed);
    this.trace = new Trace(options.traceEventsMax ?? TRACE_EVENTS_MAX);
    const fail = (invariant: string, message: string): never => this.fail(invariant, message);
    const run = { voters: this.ids, fail, crc32: crc32Table };
    this.ghost = new GhostState(this.ids, fail);
    this.observer = options.rules?.(run) ?? null;
    const network: NetworkOptions = { ...DEFAULT_NETWORK, ...options.network };
    const { needsFifoChannels } = options.protocol.capabilities;
    if (needsFifoChannels && network.channels !== 'fifo') {
      throw new RangeError(`protocol ${options.protocol.name} needs FIFO channels`);
    }
    const records = createRecordCodec(crc32Table);
    this.codec = network.useCodec ? options.protocol.createCodec(records) : null;
    this.links = new LinkMatrix(network);
    const world = { queue: this.queue, links: this.links, options: network };
    this.network = new MessageNetwork(
      { ...world, random: this.random.split('network') },
      this.receiver(),
    );
    const disk: DiskOptions = { ...DEFAULT_DISK, ...options.disk };
    for (const id of this.ids) this.nodes.set(id, this.build(id, options, network, disk));
  }

  /** Opens all engines and lets all pairs dial. */
  start(): void {
    for (const id of this.ids) this.startNode(id);
    for (const a of this.ids) for (const b of this.ids) if (a < b) this.network.sessions.add(a, b);
  }

  /** Opens a node's engine over what its disk holds. */
  startNode(id: NodeId): void {
    const driven = this.node(id);
    this.note(id, 'starts');
    this.guarded(driven.host, () => driven.start());
  }

  node(id: number): DrivenNode<M> {
    return required(this.nodes.get(nodeId(id)), `node ${id} belongs to the cluster`);
  }

  /** Fails the run with its seed and its last events. */
  fail(invariant: string, message: string, cause?: unknown): never {
    const { seed } = this;
    throw new SimulationFailure({ invariant, seed, message }, this.trace.tail(), cause);
  }

  /** Notes an event in the trace. */
  note(node: NodeId, text: string): void {
    const at = this.queue.now();
    this.trace.number(at);
    this.trace.text(text);
    this.trace.line(() => `${at} ${node}: ${text}`);
  }

  /** Calls into a node's engine; whatever it throws fails the run. */
  guarded(host: EngineHost<M>, body: () => void): void {
    try {
      body();
    } catch (error) {
      if (error instanceof SimulationFailure) throw error;
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.fail('exception', `node ${host.id}: ${detail}`, error);
    }
  }

  /** A node loses power: whatever it was about to say is never said. */
  crashed(id: NodeId): void {
    this.ghost.crashed(id);
    this.observer?.crashed(id);
    this.gates.delete(id);
  }

  /** A message reaches a node. */
  arrived(from: NodeId, to: NodeId, message: M): void {
    const node = this.node(to);
    node.host.input((engine) => {
      this.observer?.received(to, from, message);
      engine.step(from, message);
    });
    node.poke();
  }

  private build(
    id: NodeId,
    options: ClusterOptions<M>,
    network: NetworkOptions,
    disk: DiskOptions,
  ): DrivenNode<M> {
    const members = this.ids.map((one) => ({
      id: one,
      disk: `disk-${one}`,
      address: `node-${one}:1`,
    }));
    const membership: Membership = { voters: members, learners: [], witnesses: [] };
    const config = {
      ...DEFAULT_TIMING,
      detector: 'timers' as const,
      variants: {},
      ...options.config,
      limits: { ...DEFAULT_LIMITS, ...options.config?.limits },
      id,
      membership,
    };
    const host = new EngineHost(
      {
        protocol: this.protocol,
        config,
        codec: createRecordCodec(crc32Table),
        random: this.random.split(`engine ${id}`),
        snapshotEveryEntries: options.snapshotEveryEntries ?? 0,
        segmentBatchesMax: disk.segmentBatchesMax,
        keepArchive: options.keepArchive ?? false,
        sessions: network.channels === 'fifo',
      },
      this.environment(),
    );
    const world = { queue: this.queue, random: this.random.split(`node ${id}`), disk };
    return new DrivenNode(host, world, {
      guarded: (of, body) => this.guarded(of, body),
      afterTurn: (of, ticked) => this.afterTurn(of, ticked),
    });
  }

  private environment(): HostEnvironment<M> {
    return {
      now: () => this.queue.now(),
      send: (from, to, message) => this.send(from, to, message),
      streamSnapshot: (from, transfer, image) => {
        this.note(from, `streams snapshot ${transfer.meta.index} to ${transfer.to}`);
        const { incarnation } = this.node(from).host;
        this.network.stream(from, transfer, image, (delivered) => {
          const { host } = this.node(from);
          // A restarted sender knows nothing of the transfers of its former life.
          if (!host.running || host.incarnation !== incarnation) return;
          host.input((engine) => engine.snapshotSent(transfer.to, delivered));
          this.node(from).poke();
        });
      },
      resetSession: (node, peer) => this.network.sessions.end(node, peer),
      opened: (host, snapshot, records) => {
        this.ghost.opened(host.id, snapshot, host.engine.status());
        this.openGate(host.id, snapshot, records);
      },
      taken: (host, ready) => {
        this.trace.number(host.id * 1_000_003 + ready.records.length);
        this.ghost.taken(host.id, ready);
        this.observer?.taken(host.id, ready);
        const durable = ready.records.length === 0 && host.log.pending.length === 0;
        const { number } = ready;
        this.gates.get(host.id)?.taken(ready, number, durable ? number : 0);
        for (const event of ready.events) {
          this.note(host.id, `${event.kind} ${event.node} ${event.detail}`);
          this.events.push({ from: host.id, event });
          if (event.kind === 'elected' && event.node === host.id) this.network.elected(host.id);
        }
        if (this.events.length > ENGINE_EVENTS_MAX) this.events.splice(0, ENGINE_EVENTS_MAX / 2);
      },
      durable: (host, { number, records }) => {
        this.ghost.persisted(host.id, records);
        this.observer?.persisted(host.id, records);
        this.gates.get(host.id)?.durable(number);
      },
      applied: (host) => this.checkApplied(host),
    };
  }

  private openGate(id: NodeId, snapshot: SnapshotMeta | null, records: readonly WalRecord[]): void {
    const { observer } = this;
    if (observer === null) return;
    observer.opened(id, snapshot, records);
    this.gates.set(id, new MessageGate((to, message) => observer.mayLeave(id, to, message)));
  }

  private receiver(): MessageReceiver<M> {
    return {
      isUp: (node) => this.node(node).host.running,
      connected: (node, peer) => {
        this.note(node, `session with ${peer}`);
        this.node(node).host.peerConnected(peer);
        this.node(node).poke();
      },
      disconnected: (node, peer) => {
        this.note(node, `session with ${peer} ended`);
        this.node(node).host.peerDisconnected(peer);
        this.node(node).poke();
      },
      message: (from, to, message) => this.arrived(from, to, message),
      snapshot: (from, to, { meta }, image) => {
        this.ghost.checkImage(from, image);
        this.node(to).host.receiveSnapshot(from, meta, image);
        this.node(to).poke();
      },
    };
  }

  private send(from: NodeId, to: NodeId, message: M): void {
    this.trace.number(this.queue.now());
    this.trace.number(from * 1_000 + to);
    let sent = message;
    if (this.codec === null) this.trace.text(this.protocol.describeMessage(message));
    else {
      const bytes = concatBytes(this.codec.encode(message)).slice();
      this.trace.number(crc32Table(bytes));
      sent = required(this.codec.decode(bytes), 'what the codec encodes it decodes');
    }
    const at = this.queue.now();
    this.trace.line(() => `${at} ${from}->${to} ${this.protocol.describeMessage(message)}`);
    for (const listener of this.messageListeners) listener(from, to, message);
    this.network.send(from, to, sent);
  }

  private checkApplied(host: EngineHost<M>): void {
    const { applied } = host.machine;
    const key = host.machine.appliedKeys()[applied - 1];
    if (applied > 0 && this.ghost.committedKey(applied) !== key) {
      this.fail('C1', `node ${host.id} applied "${key}" at ${applied}`);
    }
  }

  private afterTurn(host: EngineHost<M>, ticked: boolean): void {
    const { engine } = host;
    const status = engine.status();
    this.ghost.checkStatus(host.id, status);
    this.observer?.looked(host.id, status);
    const deadline = engine.nextDeadline();
    if (!ticked || deadline === null || deadline > this.queue.now()) {
      this.overdue.delete(host.id);
      return;
    }
    // A deadline may fall due at once (a new phase starts with a message), but it must then fire.
    const turns = (this.overdue.get(host.id) ?? 0) + 1;
    this.overdue.set(host.id, turns);
    if (turns > OVERDUE_TURNS_MAX) {
      this.fail('contract', `node ${host.id}: tick leaves the deadline ${deadline} in the past`);
    }
  }
}
