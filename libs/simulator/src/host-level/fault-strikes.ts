import type { NodeId } from '@quorate/consensus';
import { createRandom, type Random } from '@quorate/foundation';
import { FIRST_CLIENT_NODE } from './client-load.ts';
import type { FaultEvent, HostFaultKind } from './fault-schedule.ts';
import type { HostCluster } from './host-cluster.ts';
import { type HostNode, SNAPSHOT_DIRECTORY, WAL_DIRECTORY } from './host-node.ts';
import { linksOf } from './link-faults.ts';

/** Two in three faults of one node strike the leader, where it hurts. */
const LEADER_BIAS = 3;
const STALL_MICROS = 250_000;
const LOOP_MICROS = 400_000;
const SLOW_SYNC_MICROS = 400_000;
const RESETS_MAX = 4;

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
      queue.schedule(event.atMicros, () => {
        if (!this.over) this.begin(event);
      });
      queue.schedule(event.atMicros + event.lastsMicros, () => this.end(event.number));
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

  private begin(event: FaultEvent): void {
    const random = createRandom(`${this.seed}/fault ${event.number}`);
    const node = this.victim(random);
    this.struck.add(event.kind);
    const { world } = this.cluster;
    world.note(node.id, event.kind, () => `fault ${event.number}, ${event.lastsMicros} us`);
    if (this.cluster.leader() === node) world.probes.hit('leaderStruck');
    this.undo.set(event.number, this.strike(event, node, random));
  }

  private end(number: number): void {
    const undo = this.undo.get(number);
    if (undo === undefined) return;
    this.undo.delete(number);
    this.cluster.world.note(0, 'fault ends', () => `${number}`, number);
    undo();
  }

  private victim(random: Random): HostNode<M> {
    const { nodes } = this.cluster;
    const drawn = nodes[random.below(nodes.length)] as HostNode<M>;
    const leader = this.cluster.leader();
    return leader !== null && random.below(LEADER_BIAS) > 0 ? leader : drawn;
  }

  /** Does harm and returns how to end it. */
  private strike(event: FaultEvent, node: HostNode<M>, random: Random): () => void {
    switch (event.kind) {
      case 'kill':
      case 'killLeader':
        return this.crash(event.kind === 'kill' ? this.anyNode(random) : node, 'kill');
      case 'powerCut':
        return this.crash(node, 'powerCut');
      case 'powerCutAll':
        return this.crashAll();
      case 'powerCutMidWrite':
        return this.crashMidWrite(node, random);
      case 'killLoop':
        return this.repeat(random, LOOP_MICROS, () => this.crash(node, 'kill')());
      case 'pause':
        node.pause();
        return () => node.resume();
      case 'stall':
        return this.repeat(random, STALL_MICROS, () => this.stall(node, random));
      case 'reset':
        return this.repeat(random, event.lastsMicros / RESETS_MAX, () => this.reset(node, random));
      case 'clientCut':
        return this.cutClient(random);
      case 'slowSync':
        return this.slowSync(node, random);
      case 'syncError':
        return this.syncError(node, random);
      case 'noSpace':
        return this.noSpace(node);
      case 'bitFlip':
        return this.bitFlip(node, random);
      default:
        return this.cluster.effects.install(
          linksOf(event.kind, { ids: this.cluster.world.ids, node: node.id, random }),
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

  /** Power goes exactly when the next but n-th effect of the disk would take place. */
  private crashMidWrite(node: HostNode<M>, random: Random): () => void {
    const { disk } = node;
    let left = 1 + random.below(6);
    disk.onEffect = (_number, operation) => {
      left--;
      if (left > 0) return;
      disk.onEffect = null;
      if (operation === 'write' || operation === 'sync') {
        this.cluster.world.probes.hit('powerCutMidWrite');
      }
      node.powerCut();
    };
    return () => {
      disk.onEffect = null;
      node.start();
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

  private cutClient(random: Random): () => void {
    const { ids, swarm } = this.cluster.world;
    const client = (FIRST_CLIENT_NODE + random.below(swarm.clients)) as NodeId;
    const kept = random.below(3);
    const effects = ids.flatMap((id) => {
      const to = { from: client, to: id, cut: kept !== 1 };
      const back = { from: id, to: client, cut: kept !== 2 };
      return [to, back];
    });
    return this.cluster.effects.install(effects);
  }

  private slowSync(node: HostNode<M>, random: Random): () => void {
    const slower = 1 + random.below(SLOW_SYNC_MICROS);
    node.disk.delays.syncMicros += slower;
    return () => {
      node.disk.delays.syncMicros -= slower;
    };
  }

  private syncError(node: HostNode<M>, random: Random): () => void {
    const operation = random.below(2) === 0 ? 'write' : 'sync';
    node.disk.inject({ operation, effect: 'error', path: WAL_DIRECTORY, skip: random.below(8) });
    return () => node.disk.heal();
  }

  private noSpace(node: HostNode<M>): () => void {
    node.disk.capacityBytes = node.disk.usedBytes();
    return () => {
      node.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    };
  }

  /**
   * Bits rot on a machine that is down, on one machine at a time: in a part of its log that was
   * synced long ago, or in a snapshot. It must refuse to start unless it needs that file no more;
   * then the disk is restored and it starts again.
   */
  private bitFlip(node: HostNode<M>, random: Random): () => void {
    const { disk } = node;
    const segments = disk.names(WAL_DIRECTORY).filter((name) => name.includes('segment'));
    const snapshots = disk.names(SNAPSHOT_DIRECTORY).filter((name) => !name.endsWith('.tmp'));
    const paths = [
      // Not the segment being written (a damaged last group cannot be told from a torn one), nor
      // the next one, which lies ready.
      ...segments.slice(0, -2).map((name) => `${WAL_DIRECTORY}/${name}`),
      ...snapshots.map((name) => `${SNAPSHOT_DIRECTORY}/${name}`),
    ];
    const path = paths[random.below(Math.max(1, paths.length))];
    if (path === undefined || this.cluster.nodes.some(({ damaged }) => damaged)) return () => {};
    node.kill();
    const { length } = disk.contents(path);
    const offset = random.below(Math.max(1, length));
    const bit = random.below(8);
    if (length > 0) disk.flipBit(path, offset, bit);
    const rotten = disk.contents(path)[offset];
    node.damaged = true;
    node.start();
    return () => {
      node.kill();
      // Unless the replica went on without the file: then it is gone, or was written anew.
      if (disk.has(path) && disk.contents(path)[offset] === rotten && length > 0) {
        disk.flipBit(path, offset, bit);
      }
      node.damaged = false;
      node.start();
    };
  }

  private anyNode(random: Random): HostNode<M> {
    const { nodes } = this.cluster;
    return nodes[random.below(nodes.length)] as HostNode<M>;
  }
}
