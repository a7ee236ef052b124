import type { NodeId, Protocol } from '@quorate/consensus';
import {
  type ClusterOptions,
  type ConfigOverrides,
  type ProtocolRules,
  SimulatedCluster,
  SteadyLoad,
} from '@quorate/simulator';

/** What a protocol's author may set; everything has a default. */
export interface ConformanceOptions<M> {
  /** The cluster sizes that the protocol supports; 1 alone for an unreplicated one. */
  readonly sizes?: readonly number[];
  /** Random-fault runs per kind of channel; `QUORATE_SEEDS` in the environment sets the default. */
  readonly randomSeeds?: number;
  /**
   * The first seed, `QUORATE_FIRST_SEED` by default; a failing run is repeated alone by its seed
   * and `randomSeeds: 1`.
   */
  readonly firstSeed?: number;
  /** Overrides for every cluster of the suite: variants under test, timing. */
  readonly config?: ConfigOverrides;
  /** What this protocol must never do, checked in every cluster of the suite. */
  readonly rules?: ProtocolRules<M>;
}

/** One thing that every engine must do. `run` throws when the engine does not. */
export interface ConformanceCase<M> {
  readonly name: string;
  /** The fewest nodes that the case needs: 1, 2, 3 or 5. */
  readonly nodesMin: number;
  run(kit: ConformanceKit<M>): void;
}

/** After the last fault a leader must serve within this; 16 times the longest election timeout. */
export const SERVING_WITHIN_MICROS = 5_000_000;
/** Then the rounds grow no more, but for candidacies that were under way (V4). */
const ROUNDS_GROWN_MAX = 2;
const PEACE_MICROS = 1_000_000;
/** A probe that was refused is tried again after so long. */
const PROBE_AGAIN_MICROS = 10_000;
/** No reordered message is later than this. */
const LATE_MICROS = 1_000_000;
/** And every replica must hold everything within this. */
export const CONVERGED_WITHIN_MICROS = 10_000_000;

/** Random-fault runs per kind of channel, unless options or environment say otherwise. */
const RANDOM_SEEDS = 24;

/** What the cases are built from: clusters of the protocol under test, and how they settle. */
export class ConformanceKit<M> {
  readonly protocol: Protocol<M>;
  readonly options: Required<Omit<ConformanceOptions<M>, 'rules'>>;
  private readonly rules: Pick<ConformanceOptions<M>, 'rules'>;
  private probes = 0;

  constructor(protocol: Protocol<M>, options: ConformanceOptions<M>) {
    this.protocol = protocol;
    this.rules = options.rules === undefined ? {} : { rules: options.rules };
    this.options = {
      sizes: [1, 2, 3, 4, 5],
      randomSeeds: Number(process.env.QUORATE_SEEDS ?? RANDOM_SEEDS),
      firstSeed: Number(process.env.QUORATE_FIRST_SEED ?? 1),
      config: {},
      ...options,
    };
  }

  /** The channels that the protocol supports. */
  get channels(): readonly ('fifo' | 'lossy')[] {
    return this.protocol.capabilities.needsFifoChannels ? ['fifo'] : ['fifo', 'lossy'];
  }

  /** The usual number of nodes: 3 where the protocol has it. */
  get usualSize(): number {
    return this.options.sizes.includes(3) ? 3 : 1;
  }

  /** A cluster of the protocol; the suite's configuration lies under the given one. */
  cluster(options: Omit<ClusterOptions<M>, 'protocol'>): SimulatedCluster<M> {
    const base = this.options.config;
    const limits = { ...base.limits, ...options.config?.limits };
    const config = { ...base, ...options.config, limits };
    return new SimulatedCluster({ ...this.rules, ...options, protocol: this.protocol, config });
  }

  /** Waits for a serving leader. */
  elect(cluster: SimulatedCluster<M>): NodeId {
    cluster.expectWithin(
      'a serving leader',
      SERVING_WITHIN_MICROS,
      () => cluster.leader() !== null,
    );
    return cluster.leader() as NodeId;
  }

  /** Proposes until one proposal is done, at any leader; then waits until all have applied it. */
  probe(cluster: SimulatedCluster<M>, nodes: readonly number[] = cluster.ids): void {
    let open = this.tryProbe(cluster);
    let lastTry = cluster.now() as number;
    cluster.expectWithin('a probe is committed', CONVERGED_WITHIN_MICROS, () => {
      if (open?.outcome === 'done') return true;
      const over = open === null || open.outcome !== 'pending';
      if (over && cluster.now() - lastTry >= PROBE_AGAIN_MICROS) {
        open = this.tryProbe(cluster);
        lastTry = cluster.now();
      }
      return false;
    });
    const target = cluster.committedIndex;
    cluster.expectWithin('all have applied the probe', CONVERGED_WITHIN_MICROS, () =>
      nodes.every((id) => cluster.isUp(id) && cluster.applied(id).length >= target),
    );
  }

  /** The quiet phase: mends and restarts everything; the cluster must serve, agree and conclude. */
  settle(cluster: SimulatedCluster<M>): void {
    cluster.heal();
    for (const id of cluster.ids) {
      cluster.stallDisk(id, false);
      cluster.restart(id);
      cluster.resume(id);
    }
    this.elect(cluster);
    this.catchUp(cluster);
    this.probe(cluster);
    this.checkRounds(cluster);
    cluster.expectWithin('every request is concluded', CONVERGED_WITHIN_MICROS, () =>
      cluster.ids.every((id) => cluster.unconcluded(id).length === 0),
    );
    this.checkEqual(cluster);
  }

  /** What is committed reaches all without another write: nobody may wait for the next one. */
  private catchUp(cluster: SimulatedCluster<M>): void {
    cluster.expectWithin('all have applied what is committed', CONVERGED_WITHIN_MICROS, () =>
      cluster.ids.every((id) => cluster.applied(id).length >= cluster.committedIndex),
    );
  }

  /** V4 holds where messages are timely: one that comes after an election timeout is a fault. */
  private checkRounds(cluster: SimulatedCluster<M>): void {
    if (cluster.links.usual.reordering > 0) {
      for (const a of cluster.ids) {
        for (const b of cluster.ids) cluster.links.override(a, b, { reordering: 0 });
      }
      cluster.run(LATE_MICROS);
    }
    const highest = (): number => Math.max(...cluster.ids.map((id) => cluster.status(id).round));
    const before = highest();
    cluster.run(PEACE_MICROS);
    const grown = highest() - before;
    if (grown > ROUNDS_GROWN_MAX) cluster.fail('V4', `rounds grew by ${grown} in peace`);
  }

  /** Every replica applied the same, and everything that was acknowledged stands in it once. */
  checkEqual(cluster: SimulatedCluster<M>): void {
    const first = cluster.committed(cluster.ids[0] as number);
    for (const id of cluster.ids) {
      const texts = cluster.committed(id);
      expectThat(
        cluster,
        texts.join() === first.join(),
        `node ${id} applied the same as the first`,
      );
    }
    expectThat(cluster, new Set(first).size === first.length, 'each proposal is applied once');
    const applied = new Set(first);
    for (const { kind, outcome, text } of cluster.requests) {
      if (kind !== 'propose' || outcome !== 'done') continue;
      expectThat(cluster, applied.has(text), `the acknowledged "${text}" is applied`);
    }
  }

  /** Some seconds of load. */
  load(cluster: SimulatedCluster<M>, micros: number, everyMicros = 2_000): void {
    const load = new SteadyLoad(cluster, everyMicros);
    load.start();
    cluster.run(micros);
    load.stop();
  }

  private tryProbe(
    cluster: SimulatedCluster<M>,
  ): ReturnType<SimulatedCluster<M>['propose']> | null {
    // Where nothing else happens, time stands still: a single replica has nobody to hear from.
    cluster.queue.after(PROBE_AGAIN_MICROS, () => {});
    const leader = cluster.leader();
    if (leader === null) return null;
    this.probes++;
    return cluster.propose(leader, `probe-${this.probes}`);
  }
}

/** Fails the run with its seed and last events unless `condition` holds. */
export function expectThat<M>(
  cluster: SimulatedCluster<M>,
  condition: boolean,
  what: string,
): asserts condition {
  if (!condition) cluster.fail('conformance', `expected: ${what}; ${cluster.picture()}`);
}
