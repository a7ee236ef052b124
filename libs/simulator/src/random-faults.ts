import type { NodeId } from '@quorate/consensus';
import type { Random } from '@quorate/foundation';
import type { SimulatedCluster } from './simulated-cluster.ts';

/** The kinds of faults that a run may draw from. */
export const FAULT_KINDS = [
  'crash',
  'crashLeader',
  'crashBehindMessage',
  'powerCut',
  'pause',
  'partition',
  'partialPartition',
  'isolateLeader',
  'oneWayCut',
  'slowLink',
  'lossyLink',
  'stallDisk',
] as const;
/** One of {@link FAULT_KINDS}. */
export type FaultKind = (typeof FAULT_KINDS)[number];

/** A link so slow that heartbeats and elections overtake what is on it. */
const SLOW_LINK_MAX_MICROS = 150_000;
const LOSS_MAX = 0.3;
/** A node that crashes behind a message crashes behind one of its next so many. */
const MESSAGES_BEFORE_CRASH_MAX = 12;
/** Of the links of a partial partition one in so many stays whole. */
const LINK_WHOLE_ONE_IN = 2;

/**
 * Random faults while it runs: each seed draws which kinds it uses and how long a fault lasts
 * (swarm testing). Disks keep what was synced, so recovery is always possible and a cluster that
 * stalls after `stop` has a defect.
 */
export class RandomFaults<M> {
  readonly kinds: readonly FaultKind[];
  private readonly cluster: SimulatedCluster<M>;
  private readonly random: Random;
  private readonly everyMicros: number;
  private readonly lastsMicros: number;
  private running = false;
  /** Messages after which a node loses power, by node. */
  private readonly doomed = new Map<NodeId, number>();

  constructor(cluster: SimulatedCluster<M>) {
    this.cluster = cluster;
    cluster.onMessage((from) => this.left(from));
    this.random = cluster.random.split('faults');
    const drawn = FAULT_KINDS.filter(() => this.random.below(2) === 0);
    this.kinds = drawn.length > 0 ? drawn : FAULT_KINDS;
    this.everyMicros = this.random.between(20_000, 600_000);
    this.lastsMicros = this.random.between(10_000, 800_000);
  }

  start(): void {
    this.running = true;
    this.next();
  }

  /** Ends all faults: links mended, disks working, every node up and running. */
  stop(): void {
    this.running = false;
    this.doomed.clear();
    this.cluster.heal();
    for (const id of this.cluster.ids) {
      this.cluster.stallDisk(id, false);
      this.cluster.restart(id);
      this.cluster.resume(id);
    }
  }

  private next(): void {
    const pause = 1 + this.random.below(2 * this.everyMicros);
    this.cluster.queue.after(pause, () => {
      if (!this.running) return;
      const kind = this.kinds[this.random.below(this.kinds.length)] as FaultKind;
      const undo = this.strike(kind);
      this.cluster.queue.after(1 + this.random.below(2 * this.lastsMicros), () => {
        if (this.running) undo();
      });
      this.next();
    });
  }

  /** Does harm and returns how to end it. */
  private strike(kind: FaultKind): () => void {
    const { cluster } = this;
    const node = this.anyNode();
    const leader = cluster.leader() ?? node;
    switch (kind) {
      case 'crash':
        return this.crash([node]);
      case 'crashLeader':
        return this.crash([leader]);
      case 'crashBehindMessage':
        return this.crashBehindMessage(this.random.below(2) === 0 ? leader : node);
      case 'powerCut':
        return this.crash(cluster.ids);
      case 'pause':
        cluster.pause(node);
        return () => cluster.resume(node);
      case 'partition':
        return this.partition();
      case 'partialPartition':
        return this.partialPartition();
      case 'isolateLeader':
        cluster.isolate(leader);
        return () => cluster.heal();
      case 'oneWayCut': {
        const to = this.anyNode();
        if (to !== node) cluster.cut(node, to);
        return () => cluster.links.mend(node, to);
      }
      case 'stallDisk':
        cluster.stallDisk(node, true);
        return () => cluster.stallDisk(node, false);
      case 'slowLink':
      case 'lossyLink':
        return this.harmLink(kind, node, this.anyNode());
    }
  }

  private crash(nodes: readonly NodeId[]): () => void {
    for (const id of nodes) this.cluster.crash(id);
    return () => {
      for (const id of nodes) this.cluster.restart(id);
    };
  }

  /** Power goes right behind one of the next messages: nothing that is not durable survives. */
  private crashBehindMessage(node: NodeId): () => void {
    this.doomed.set(node, 1 + this.random.below(MESSAGES_BEFORE_CRASH_MAX));
    return () => {
      this.doomed.delete(node);
      this.cluster.restart(node);
    };
  }

  private left(from: NodeId): void {
    const before = this.doomed.get(from);
    if (before === undefined) return;
    if (before > 1) this.doomed.set(from, before - 1);
    else {
      this.doomed.delete(from);
      // Behind the event that sends it: a turn is never cut in two.
      this.cluster.queue.after(0, () => {
        if (this.running) this.cluster.crash(from, 0);
      });
    }
  }

  /** Each pair of nodes is cut or not: bridges, chains, rings of majorities. */
  private partialPartition(): () => void {
    for (const a of this.cluster.ids) {
      for (const b of this.cluster.ids) {
        if (a >= b || this.random.below(LINK_WHOLE_ONE_IN) === 0) continue;
        this.cluster.cut(a, b);
        this.cluster.cut(b, a);
      }
    }
    return () => this.cluster.heal();
  }

  private partition(): () => void {
    const left: NodeId[] = [];
    const right: NodeId[] = [];
    for (const id of this.cluster.ids) (this.random.below(2) === 0 ? left : right).push(id);
    this.cluster.partition(left, right);
    return () => this.cluster.heal();
  }

  private harmLink(kind: 'slowLink' | 'lossyLink', from: NodeId, to: NodeId): () => void {
    const { links } = this.cluster;
    const before = links.settings(from, to);
    if (kind === 'lossyLink') links.override(from, to, { loss: this.random.fraction() * LOSS_MAX });
    else links.override(from, to, { delayMaxMicros: SLOW_LINK_MAX_MICROS });
    return () => links.override(from, to, before);
  }

  private anyNode(): NodeId {
    return this.cluster.ids[this.random.below(this.cluster.ids.length)] as NodeId;
  }
}
