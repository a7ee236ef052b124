import type { NodeId } from '@quorate/consensus';
import { createRandom, type Random } from '@quorate/foundation';
import { FIRST_CLIENT_NODE } from './client-load.ts';
import { isDiskFault, strikeDisk } from './disk-strikes.ts';
import type { FaultEvent, HostFaultKind } from './fault-schedule.ts';
import type { HostCluster } from './host-cluster.ts';
import type { HostNode } from './host-node.ts';
import { cutClient, isolation, linksOf } from './link-faults.ts';

/** Two in three faults of one node strike the leader, where it hurts. */
const LEADER_BIAS = 3;
const STALL_MICROS = 250_000;
const LOOP_MICROS = 400_000;
const RESETS_MAX = 4;
const TRIES_MAX = 10;
const TRY_AGAIN_MICROS = 2_000_000;
const CORRUPT_MICROS = 40_000;
/** So many damaged lengths for all damage of frames. */
const LENGTHS_ONE_IN = 4;
const REPLAY_MICROS = 2_000;
const CHURN_MICROS = 300_000;
/** A slow node works one of these in ten. */
const SLOW_CPU_MICROS = 9_000;
const SLOW_DISK_FACTOR = 100;
/** A disk that syncs in 8 ms does not take a second for each. */
const SLOWEST_SYNC_MICROS = 2_000;
const RATES = [0.5, 0.75, 1.25, 1.5, 2];
const WALL_JUMP_MICROS = 3_600_000_000;
const ROLLING_MICROS_MIN = 100_000;

/** Strikes a cluster with the faults of a schedule, and ends each of them. */
export class FaultStrikes<M> {
  /** The kinds that struck. */
  readonly struck = new Set<HostFaultKind>();
  private readonly cluster: HostCluster<M>;
  private readonly seed: number;
  private readonly undo = new Map<number, () => void>();
  private over = false;

  constructor(cluster: HostCluster<M>, seed: number) {
    this.cluster = cluster;
    this.seed = seed;
  }

  /** Plans every event of the schedule. */
  plan(schedule: readonly FaultEvent[]): void {
    const { queue } = this.cluster.world;
    for (const event of schedule) {
      queue.schedule(event.atMicros, () => this.begin(event, TRIES_MAX));
    }
  }

  /** Ends all faults: links mended, disks whole, every node up and running. */
  stop(): void {
    this.over = true;
    for (const number of [...this.undo.keys()]) this.end(number);
    for (const node of this.cluster.nodes) {
      node.disk.heal();
      node.disk.onEffect = null;
      node.start();
    }
  }

  /** A fault that finds nothing to harm yet, such as an old part of a young log, waits for it. */
  private begin(event: FaultEvent, triesLeft: number): void {
    if (this.over) return;
    const random = createRandom(`${this.seed}/fault ${event.number}.${triesLeft}`);
    const node = this.victim(random);
    const { world } = this.cluster;
    world.note(node.id, event.kind, () => `fault ${event.number}, ${event.lastsMicros} us`);
    if (this.cluster.leader() === node) world.probes.hit('leaderStruck');
    const undo = this.strike(event, node, random);
    if (undo !== null) this.undo.set(event.number, undo);
    world.queue.after(undo === null ? TRY_AGAIN_MICROS : event.lastsMicros, () => {
      this.end(event.number);
      if (!this.struck.has(event.kind) && triesLeft > 1) this.begin(event, triesLeft - 1);
    });
  }

  private end(number: number): void {
    const undo = this.undo.get(number);
    if (undo === undefined) return;
    this.undo.delete(number);
    this.cluster.world.note(0, 'fault ends', () => `${number}`, number);
    undo();
  }

  private victim(random: Random): HostNode<M> {
    const drawn = this.anyNode(random);
    const leader = this.cluster.leader();
    return leader !== null && random.below(LEADER_BIAS) > 0 ? leader : drawn;
  }

  /** Does harm and returns how to end it; null when the fault found nothing to harm. */
  private strike(event: FaultEvent, node: HostNode<M>, random: Random): (() => void) | null {
    const { cluster } = this;
    const { kind } = event;
    const took = (): void => void this.struck.add(kind);
    if (isDiskFault(kind)) return strikeDisk(kind, { cluster, node, random, took });
    took();
    switch (kind) {
      case 'kill':
      case 'killLeader':
        return this.crash(kind === 'kill' ? this.anyNode(random) : node, 'kill');
      case 'powerCut':
        return this.crash(node, 'powerCut');
      case 'powerCutAll':
        return this.crashAll();
      case 'killLoop':
        return this.repeat(random, LOOP_MICROS, () => this.crash(node, 'kill')());
      case 'rollingRestart':
        return this.rollingRestart(event, random);
      case 'pause':
        node.pause();
        return () => node.resume();
      case 'stall':
        return this.repeat(random, STALL_MICROS, () => this.stall(node, random));
      case 'slowNode':
        return this.slowNode(node, random);
      case 'clockRate':
        return this.clockRate(node, random);
      case 'reset':
        return this.repeat(random, event.lastsMicros / RESETS_MAX, () => this.reset(node, random));
      case 'corruptFrame':
        return this.corruptFrames(random);
      case 'replay':
        return this.repeat(random, REPLAY_MICROS, () => this.replay(random));
      case 'swizzle':
        return this.swizzle(event, random);
      case 'clientCut':
      case 'repliesLost':
        return this.cluster.effects.install(cutClient(kind, this.clientTarget(random)));
      case 'clientChurn':
        return this.repeat(random, CHURN_MICROS, () => cluster.load.replaceClient(random));
      default:
        return cluster.effects.install(
          linksOf(kind, { ids: cluster.world.ids, node: node.id, random }),
        );
    }
  }

  private crash(node: HostNode<M>, how: 'kill' | 'powerCut'): () => void {
    node[how]();
    return () => node.start();
  }

  private crashAll(): () => void {
    this.cluster.world.probes.hit('allPowerCut');
    for (const node of this.cluster.nodes) node.powerCut();
    return () => {
      for (const node of this.cluster.nodes) node.start();
    };
  }

  /** The event loop stands still again and again; the kernel goes on. */
  private stall(node: HostNode<M>, random: Random): void {
    node.pause();
    this.cluster.world.queue.after(1 + random.below(STALL_MICROS), () => node.resume());
  }

  private reset(node: HostNode<M>, random: Random): void {
    const other = this.anyNode(random);
    this.cluster.world.network.reset(node.id, other.id);
    const clients = this.cluster.world.swarm.clients;
    const client = (FIRST_CLIENT_NODE + random.below(clients)) as NodeId;
    this.cluster.world.network.reset(node.id, client);
  }

  private repeat(random: Random, everyMicros: number, action: () => void): () => void {
    let ended = false;
    const again = (): void => {
      if (ended) return;
      action();
      this.cluster.world.queue.after(1 + random.below(Math.ceil(2 * everyMicros)), again);
    };
    again();
    return () => {
      ended = true;
    };
  }

  /** A replica slower than the others in everything: CPU to a tenth, disk to a hundredth. */
  private slowNode(node: HostNode<M>, random: Random): () => void {
    const { delays } = node.disk;
    const { diskReadMicros, diskWriteMicros, diskSyncMicros } = this.cluster.world.swarm;
    const slower = (times: number): void => {
      delays.readMicros += times * diskReadMicros;
      delays.writeMicros += times * diskWriteMicros;
      delays.syncMicros += times * Math.min(diskSyncMicros, SLOWEST_SYNC_MICROS);
    };
    slower(SLOW_DISK_FACTOR - 1);
    let napping = false;
    const end = this.repeat(random, SLOW_CPU_MICROS, () => {
      if (napping || !node.isUp) return;
      napping = true;
      this.cluster.world.probes.hit('nodeSlow');
      node.nap(() => {
        napping = false;
      }, SLOW_CPU_MICROS);
    });
    return () => {
      end();
      slower(1 - SLOW_DISK_FACTOR);
    };
  }

  /** The machine's clocks run at another rate; its wall clock jumps as well. */
  private clockRate(node: HostNode<M>, random: Random): () => void {
    const { queue, probes } = this.cluster.world;
    const rate = RATES[random.below(RATES.length)] as number;
    const jump = (random.below(2) === 0 ? 1 : -1) * WALL_JUMP_MICROS;
    node.time.setRate(rate, queue.now());
    node.time.wallOffsetMicros += jump;
    probes.hit('clockDrifted');
    return () => {
      node.time.setRate(1, queue.now());
      node.time.wallOffsetMicros -= jump;
    };
  }

  /** Stops one replica after the other as an upgrade does, each before the next one. */
  private rollingRestart(event: FaultEvent, random: Random): () => void {
    const { nodes, world } = this.cluster;
    const everyMicros = Math.max(ROLLING_MICROS_MIN, Math.floor(event.lastsMicros / nodes.length));
    const order = shuffled(nodes, random);
    let ended = false;
    const next = (place: number): void => {
      const node = order[place];
      if (ended || node === undefined) return;
      node.stop();
      world.queue.after(Math.ceil(everyMicros / 2), () => {
        node.kill(); // Whoever has not stopped by now is killed, as a supervisor does.
        node.start();
      });
      world.queue.after(everyMicros, () => next(place + 1));
    };
    next(0);
    return () => {
      ended = true;
    };
  }

  /** Clogs the links of some nodes one after the other, and frees them in another order. */
  private swizzle(event: FaultEvent, random: Random): () => void {
    const { cluster } = this;
    const { ids, queue, probes } = cluster.world;
    const some = shuffled(ids, random).slice(0, 1 + random.below(ids.length));
    const ends = new Map<NodeId, () => void>();
    const step = Math.floor(event.lastsMicros / (2 * some.length));
    let over = false;
    some.forEach((id, i) => {
      queue.after(i * step, () => {
        if (!over) ends.set(id, cluster.effects.install(isolation(ids, id)));
      });
    });
    shuffled(some, random).forEach((id, i) => {
      queue.after((some.length + i) * step, () => {
        ends.get(id)?.();
        if (ends.delete(id)) probes.hit('swizzled');
      });
    });
    return () => {
      over = true;
      for (const end of ends.values()) end();
      ends.clear();
    };
  }

  private corruptFrames(random: Random): () => void {
    const { garbler } = this.cluster.world;
    garbler.armChunk(random.nextUint32());
    const end = this.repeat(random, CORRUPT_MICROS, () => this.corrupt(random));
    return () => {
      end();
      garbler.disarm();
    };
  }

  /** One message between two replicas is damaged on its way, or the length in front of one. */
  private corrupt(random: Random): void {
    const { ids, garbler, network, probes } = this.cluster.world;
    const [from, to] = shuffled(ids, random) as [NodeId, NodeId];
    if (random.below(LENGTHS_ONE_IN) === 0) {
      network.corruptLength(from, to, () => probes.hit('corruptLength'));
    } else garbler.arm(from, to, random.nextUint32());
  }

  private replay(random: Random): void {
    if (this.cluster.world.datagrams?.replay(random)) {
      this.cluster.world.probes.hit('datagramReplayed');
    }
  }

  private clientTarget(random: Random) {
    const { ids, swarm } = this.cluster.world;
    const client = (FIRST_CLIENT_NODE + random.below(swarm.clients)) as NodeId;
    return { ids, client, leader: this.cluster.leader()?.id ?? null, random };
  }

  private anyNode(random: Random): HostNode<M> {
    const nodes = this.cluster.nodes.filter(({ retiredFor }) => retiredFor === null);
    return nodes[random.below(nodes.length)] as HostNode<M>;
  }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(random.below(left.length), 1));
  return order;
}
