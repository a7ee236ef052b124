import { type NodeId, nodeId } from '@quorate/consensus';
import { createRandom, type Random, required } from '@quorate/foundation';
import { nodeRecordCodec } from '@quorate/wal';
import { EventQueue } from '../event-queue.ts';
import { SimulationFailure } from '../failure.ts';
import { LinkMatrix } from '../link-matrix.ts';
import { DEFAULT_NETWORK } from '../options.ts';
import type { PipeWatch } from '../ports/byte-pipe.ts';
import { DatagramNetwork } from '../ports/datagram-network.ts';
import { SimulatedNetwork } from '../ports/simulated-net.ts';
import { Trace } from '../trace.ts';
import { nodeName } from './causal-trace.ts';
import { ClientLoad } from './client-load.ts';
import { FrameGarbler } from './frame-garbler.ts';
import { HostNode } from './host-node.ts';
import { HOST_SETTINGS_DEFAULT, type HostRunOptions, type SwarmOptions } from './host-options.ts';
import type { HostWorld } from './host-world.ts';
import { describeEffects, LinkEffects } from './link-effects.ts';
import type { FrameWatch } from './observed-transport.ts';
import { ProbeCounts } from './probes.ts';
import { ReplicaGhost } from './replica-ghost.ts';
import { StoreGhost } from './store-ghost.ts';
import { drawSwarm } from './swarm.ts';

const TRACE_EVENTS = 40;
/** So many of these happen that the last events would be nothing else; a trace has them all. */
const QUIET_EVENTS: ReadonlySet<string> = new Set(['ready', 'asks']);
/** Datagrams are duplicated now and then without any fault. */
const ALWAYS_DUPLICATED = 0.01;
/** Events between two looks at the condition that a run waits for. */
const LOOK_EVERY = 16;

/** What travelled between replicas. */
export interface FrameCounts {
  sent: number;
  sentBytes: number;
  delivered: number;
}

/** Production replicas and clients on one virtual time, with an all-knowing ghost beside them. */
export class HostCluster<M> {
  readonly world: HostWorld<M>;
  readonly nodes: readonly HostNode<M>[];
  readonly load: ClientLoad<M>;
  readonly effects: LinkEffects;
  readonly frames: FrameCounts = { sent: 0, sentBytes: 0, delivered: 0 };
  readonly random: Random;
  events = 0;
  private readonly trace: Trace;
  private readonly options: HostRunOptions<M>;

  constructor(options: HostRunOptions<M>) {
    this.options = options;
    this.trace = new Trace(options.traceEventsMax ?? TRACE_EVENTS);
    this.random = createRandom(options.seed);
    const drawn = drawSwarm(this.random.split('swarm'));
    const nodes = options.nodes ?? options.swarm?.nodes ?? drawn.nodes;
    this.world = this.build({ ...drawn, ...options.swarm, nodes });
    this.effects = new LinkEffects(this.world.links, (effects) => {
      this.note(0, 'links', () => describeEffects(effects, nodeName), 0);
    });
    this.nodes = this.world.ids.map((id) => new HostNode(this.world, id));
    this.load = new ClientLoad(this.world);
    for (const node of this.nodes) node.start();
  }

  /** Runs until `done` holds or the time is up; true when it came to hold. */
  runUntil(micros: number, done: () => boolean = () => false): boolean {
    const { queue, settings } = this.world;
    // A condition looks at every replica, so it is asked after some events only.
    while (this.events % LOOK_EVERY !== 0 || !done()) {
      if (!queue.runNext(micros)) {
        queue.advanceTo(micros);
        return done();
      }
      this.events++;
      this.trace.number(queue.now());
      if (this.events > settings.eventsMax) this.fail('V4', `over ${settings.eventsMax} events`);
    }
    return true;
  }

  node(id: NodeId): HostNode<M> {
    return required(this.nodes[id - 1], `node ${id}`);
  }

  /** The serving leader of the highest round, or null. */
  leader(): HostNode<M> | null {
    let best: HostNode<M> | null = null;
    let bestRound = -1;
    for (const node of this.nodes) {
      const status = node.replica?.status().engine;
      if (status?.role !== 'leader' || !status.serving || status.round <= bestRound) continue;
      best = node;
      bestRound = status.round;
    }
    return best;
  }

  /** Equal for equal seeds, options and builds. */
  hash(): string {
    return this.trace.hash();
  }

  /** The last events, for people. */
  lastEvents(): string[] {
    return this.trace.tail();
  }

  /** One line about each node. */
  picture(): string {
    const one = (node: HostNode<M>): string => {
      if (node.retiredFor !== null) return `${node.id} retired: ${node.retiredFor}`;
      if (!node.isUp) return `${node.id} down ${node.refusedFor ?? ''}`;
      const { replica } = node;
      if (replica === null) return `${node.id} starting`;
      const { role, phase, round, commitIndex, lastIndex } = replica.status().engine;
      const paused = node.isPaused ? ' paused' : '';
      const indexes = `applied ${replica.appliedIndex} commit ${commitIndex}/${lastIndex}`;
      return `${node.id} ${role}/${phase} round ${round} ${indexes}${paused}`;
    };
    return this.nodes.map(one).join('; ');
  }

  /** Stops the run. */
  readonly fail = (invariant: string, message: string): never => {
    const text = `${message}; at ${this.world.queue.now()} us; ${this.picture()}`;
    const failure = { invariant, seed: this.options.seed, message: text };
    throw new SimulationFailure(failure, this.lastEvents());
  };

  private build(swarm: SwarmOptions): HostWorld<M> {
    const { random, fail } = this;
    const queue = new EventQueue();
    const links = new LinkMatrix({
      ...DEFAULT_NETWORK,
      duplication: this.options.datagrams ? ALWAYS_DUPLICATED : 0,
      delayMinMicros: swarm.linkDelayMinMicros,
      delayMaxMicros: swarm.linkDelayMaxMicros,
    });
    const ids = Array.from({ length: swarm.nodes }, (_, i) => nodeId(i + 1));
    const probes = new ProbeCounts();
    const records = nodeRecordCodec();
    const { crc32 } = records;
    const { protocol, rules, onEngineEvent = null } = this.options;
    const settings = { ...HOST_SETTINGS_DEFAULT, ...this.options.settings };
    return {
      ...{ protocol, ids, queue, links, random, swarm, settings, probes, fail, onEngineEvent },
      network: new SimulatedNetwork(queue, links, random.split('network'), this.watchPipes()),
      datagrams: this.options.datagrams
        ? new DatagramNetwork(queue, links, random.split('datagrams'), this.watchPipes())
        : null,
      garbler: new FrameGarbler(protocol.createCodec(records)),
      ghost: new ReplicaGhost(ids, { fail, crc32, probes }),
      observer: rules?.({ voters: ids, fail, crc32 }) ?? null,
      store: new StoreGhost({ fail, crc32, probes, digestEvery: settings.digestEvery }),
      frames: this.watchFrames(probes),
      note: (node, kind, detail, number = 0) => this.note(node, kind, detail, number),
    };
  }

  private watchFrames(probes: ProbeCounts): FrameWatch {
    return {
      sent: (_from, to, bytes) => {
        this.frames.sent++;
        this.frames.sentBytes += bytes;
        this.trace.number(to * 1e6 + bytes);
      },
      delivered: () => {
        this.frames.delivered++;
      },
      ...this.watchMessages(),
      session: (node, peer, started) => {
        if (!started) probes.hit('sessionReset');
        this.note(node, started ? 'connected' : 'disconnected', () => `${peer}`, peer);
      },
    };
  }

  private watchMessages(): Pick<FrameWatch, 'said'> {
    const { causalTrace, protocol } = this.options;
    if (causalTrace === undefined) return {};
    return {
      said: (from, to, message) => {
        if (message !== null) causalTrace.says(from, to, protocol.describeMessage(message as M));
      },
    };
  }

  private watchPipes(): PipeWatch | null {
    const { causalTrace } = this.options;
    if (causalTrace === undefined) return null;
    const now = (): number => this.world.queue.now();
    return {
      written: (pipe, from, to, bytes) => causalTrace.written(pipe, { at: now(), from, to, bytes }),
      delivered: (pipe, from, to, bytes) =>
        causalTrace.delivered(pipe, { at: now(), from, to, bytes }),
    };
  }

  private note(node: number, kind: string, detail: () => string, number: number): void {
    const at = this.world.queue.now();
    this.trace.text(kind);
    this.trace.number(node * 2 ** 32 + number);
    if (!QUIET_EVENTS.has(kind)) this.trace.line(() => `${at} ${node} ${kind} ${detail()}`);
    if (kind !== 'ready') this.options.causalTrace?.local(at, node, `${kind} ${detail()}`);
    this.options.onTrace?.(
      JSON.stringify({
        at,
        node,
        event: kind,
        ...(number === 0 ? {} : { number }),
        detail: detail(),
      }),
    );
  }
}
