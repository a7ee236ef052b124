import type { NodeId } from '@quorate/consensus';
import { type PlanStep, planFaults, type Role, resolveRole } from '@quorate/faults';
import { createRandom, required } from '@quorate/foundation';
import { protocolNamed } from '@quorate/kv-server';
import { checkLinearizability, findLostWrites, pairOperations } from '@quorate/linearizability';
import { HostCluster, SimulationFailure, type SwarmOptions } from '@quorate/simulator';
import { rulesOf } from '../sim/protocol-rules.ts';
import { pictureOf, SimFaultDriver } from '../sim/sim-fault-driver.ts';
import { LocalClients } from './local-clients.ts';
import { measureTrial, type TrialFigures } from './measure-trial.ts';
import type { Observation, Told } from './observation.ts';
import type { StoryPlan } from './story-plan.ts';
import type { StorySet } from './variant-sets.ts';

/** Virtual time within which a first leader must serve, and all replicas must be equal again. */
const WARM_UP_MICROS = 60_000_000;
const CONVERGE_MICROS = 30_000_000;
/** The warm-up goes on for this long under the first leader, so that every session stands. */
const STEADY_MICROS = 300_000;
const HEARTBEATS_MAX = 10;
const CHECK_STEPS_MAX = 2_000_000;
const TRIALS_PER_SEED = 100_000;

/** What one trial came to: figures, a violated invariant, or why it does not count. */
export type TrialResult =
  | { readonly kind: 'measured'; readonly figures: TrialFigures }
  | { readonly kind: 'violation'; readonly invariant: string; readonly message: string }
  | { readonly kind: 'excluded'; readonly reason: string };

/** Runs one trial of one set on virtual time. Equal arguments give equal results. */
export function runTrial(plan: StoryPlan, set: StorySet, trial: number): TrialResult {
  try {
    return new Trial(plan, set, trial).run();
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    const message = error.message.split('\nlast events:')[0] ?? '';
    return { kind: 'violation', invariant: error.invariant, message };
  }
}

class Trial {
  private readonly plan: StoryPlan;
  private readonly set: StorySet;
  private readonly seed: number;
  private readonly told: Told[] = [];
  private readonly cluster: HostCluster<unknown>;
  private readonly clients: LocalClients<unknown>;

  constructor(plan: StoryPlan, set: StorySet, trial: number) {
    this.plan = plan;
    this.set = set;
    this.seed = plan.scenario.seed * TRIALS_PER_SEED + trial;
    const protocol = required(protocolNamed(set.protocol), set.protocol);
    const { timeouts } = plan.story;
    this.cluster = new HostCluster({
      ...{ protocol, seed: this.seed },
      rules: required(rulesOf(set.protocol), `rules of ${set.protocol}`),
      nodes: plan.scenario.nodes,
      swarm: settingsOf(set, plan.scenario.nodes),
      traceEventsMax: 0,
      settings: {
        variants: set.variants,
        timingOf: (id) => {
          const own = timeouts[`node ${id}`];
          if (own === undefined) return {};
          const electionTimeoutMaxMicros = Math.round(own * 1000);
          // Timeouts are drawn from 1 ms above the least one on, so this is a fixed one.
          const electionTimeoutMinMicros = electionTimeoutMaxMicros - 1000;
          return { electionTimeoutMinMicros, electionTimeoutMaxMicros };
        },
      },
      onEngineEvent: (node, { kind, round }) => {
        this.told.push({ at: this.now, node, kind, round });
      },
    });
    this.clients = new LocalClients(this.cluster, plan.story.rate);
  }

  run(): TrialResult {
    const { cluster, clients, plan } = this;
    if (!this.warmUp()) return { kind: 'excluded', reason: 'no leader within the warm-up' };
    const startedAt = this.now;
    const steps = planFaults(plan.faults, this.seed);
    const random = createRandom(this.seed).split('roles');
    const driver = new SimFaultDriver({ cluster, steps, random });
    driver.start();
    this.planWrites();
    this.forgetKilled(steps);
    const leader = cluster.leader()?.id ?? 0;
    const endsAt = startedAt + this.lastsMicros(steps);
    if (plan.story.ends === 'serving') {
      const served = () => this.told.some((one) => this.isSuccessor(one, startedAt, leader));
      cluster.runUntil(endsAt, served);
    } else cluster.runUntil(endsAt);
    const { records } = driver;
    const failed = records.find(({ installedMs }) => installedMs === null);
    if (failed !== undefined && plan.story.ends === 'healed') {
      return { kind: 'excluded', reason: `${failed.kind}: ${failed.excludedReason}` };
    }
    const status = cluster.leader()?.replica?.status().engine;
    const installed = records.flatMap(({ installedMs: at }) => (at === null ? [] : [at * 1000]));
    const kill = records.find(
      ({ kind, installedMs }) => /^kill/.test(kind) && installedMs !== null,
    );
    const seen = {
      nodes: plan.scenario.nodes,
      startMicros: Math.min(...installed, installed.length === 0 ? startedAt : this.now),
      endMicros: this.now,
      electionTimeoutMaxMicros: this.set.electionTimeoutMs[1] * 1000,
      killedAt: kill?.installedMs ? kill.installedMs * 1000 : null,
      judgedByServing: plan.story.ends === 'serving' || plan.story.rate === 0,
      ...{ lastLeader: status?.id ?? 0, lastRound: status?.round ?? 0 },
    };
    const equal = plan.story.ends === 'healed' ? this.converge(driver) : null;
    const verdict = this.judge(equal === true);
    const observation: Observation = {
      ...seen,
      ...{ told: this.told, writes: clients.observed(), equal, ...verdict },
    };
    return { kind: 'measured', figures: measureTrial(observation) };
  }

  private get now(): number {
    return this.cluster.world.queue.now();
  }

  private warmUp(): boolean {
    const { cluster, clients, plan } = this;
    const { starts } = plan.story;
    if (starts === 'boot') {
      clients.start();
      return true;
    }
    if (starts === 'heartbeat') this.staggerBoot();
    if (!cluster.runUntil(WARM_UP_MICROS, () => cluster.leader() !== null)) return false;
    cluster.runUntil(this.now + STEADY_MICROS);
    clients.start();
    if (starts === 'serving') {
      // A point of the heartbeat interval that the seed draws.
      const phase = createRandom(this.seed)
        .split('phase')
        .below(this.set.heartbeatMs * 1000);
      cluster.runUntil(this.now + phase);
    } else this.awaitHeartbeat();
    return cluster.leader() !== null;
  }

  /** One node begins before the others, so that equal timeouts have a first leader too. */
  private staggerBoot(): void {
    const { nodes, world } = this.cluster;
    const first = createRandom(this.seed).split('first').below(nodes.length);
    for (const [i, node] of nodes.entries()) {
      if (i === first) continue;
      node.pause();
      world.queue.after((this.set.electionTimeoutMs[0] * 1000) / 2, () => node.resume());
    }
  }

  /** Until a heartbeat leaves: in a cluster at rest nothing else sends to all in one turn. */
  private awaitHeartbeat(): void {
    const { frames, world } = this.cluster;
    const deadline = this.now + HEARTBEATS_MAX * this.set.heartbeatMs * 1000;
    let sent = frames.sent;
    while (world.queue.runNext(deadline)) {
      if (frames.sent - sent >= world.ids.length - 1) return;
      sent = frames.sent;
    }
  }

  private isSuccessor({ kind, node, at }: Told, startedAt: number, leader: number): boolean {
    return kind === 'serving' && at > startedAt && node !== leader;
  }

  private lastsMicros(steps: readonly PlanStep[]): number {
    const last = Math.max(0, ...steps.map(({ atMs }) => atMs));
    return Math.round(Math.max(last, this.plan.story.lasts ?? 0) * 1000);
  }

  private planWrites(): void {
    const { queue } = this.cluster.world;
    const random = createRandom(this.seed).split('writes');
    for (const { at, role, times } of this.plan.writes) {
      queue.after(Math.round(at * 1000), () => {
        for (const id of this.resolve(role, random)) {
          for (let i = 0; i < times; i++) this.clients.write(id);
        }
      });
    }
  }

  private resolve(role: Role, random: ReturnType<typeof createRandom>): readonly NodeId[] {
    return (resolveRole(role, pictureOf(this.cluster), random).nodes ?? []) as NodeId[];
  }

  /** Asks, after each step that may have killed somebody, whose clients wait for nobody. */
  private forgetKilled(steps: readonly PlanStep[]): void {
    const { queue, ids } = this.cluster.world;
    for (const { atMs } of steps.filter(({ fault }) => fault.action.kind === 'kill')) {
      queue.after(Math.round(atMs * 1000) + 1, () => {
        for (const id of ids) if (!this.cluster.node(id).isUp) this.clients.forget(id);
      });
    }
  }

  /** Ends all faults, and waits until every replica holds the same. */
  private converge(driver: SimFaultDriver<unknown>): boolean {
    const { cluster, clients } = this;
    const { world } = cluster;
    for (const node of cluster.nodes) node.start();
    const healed = () => driver.isOver && cluster.leader() !== null;
    if (!cluster.runUntil(this.now + CONVERGE_MICROS, healed)) return false;
    // Some time under load, so that a write shows that the cluster serves again.
    cluster.runUntil(this.now + 2 * this.set.electionTimeoutMs[1] * 1000);
    clients.stop();
    const equal = (): boolean =>
      cluster.leader() !== null &&
      cluster.nodes.every(({ replica }) => {
        return replica !== null && replica.appliedIndex >= world.ghost.committedIndex;
      });
    if (!cluster.runUntil(this.now + CONVERGE_MICROS, equal)) return false;
    const leader = cluster.leader();
    if (leader !== null) clients.readBack(leader.id);
    cluster.runUntil(this.now + CONVERGE_MICROS, () => clients.pending === 0 && equal());
    const digests = new Set(cluster.nodes.map(({ machine }) => machine?.kv.digest() ?? ''));
    return digests.size === 1;
  }

  private judge(readBack: boolean): Pick<Observation, 'linearizable' | 'ackedLost'> {
    const operations = pairOperations(this.clients.history);
    const { verdict } = checkLinearizability(operations, { limits: { stepsMax: CHECK_STEPS_MAX } });
    const linearizable = verdict === 'unknown' ? null : verdict === 'linearizable';
    return { linearizable, ackedLost: readBack ? findLostWrites(operations).ackedLost : 0 };
  }
}

/** Ordinary sizes everywhere: a story is about what its schedule does. Times in microseconds. */
function settingsOf(set: StorySet, nodes: number): SwarmOptions {
  const [linkDelayMinMicros, linkDelayMaxMicros] = set.linkDelayMs.map((ms) => ms * 1000) as [
    number,
    number,
  ];
  const [min, max] = set.electionTimeoutMs;
  return {
    nodes,
    timing: {
      heartbeatMicros: Math.round(set.heartbeatMs * 1000),
      electionTimeoutMinMicros: Math.round(min * 1000),
      electionTimeoutMaxMicros: Math.round(max * 1000),
      detector: 'timers',
    },
    ...{ linkDelayMinMicros, linkDelayMaxMicros, timersLateMaxMicros: 100 },
    ...{ diskReadMicros: 10, diskWriteMicros: 20, diskSyncMicros: 200 },
    ...{ segmentBytes: 64 * 1024, writeThrough: true, snapshotEveryEntries: 1_000_000 },
    ...{ commandsMax: 1024, inFlightBatchesMax: 16, proposalsQueuedMax: 16_384 },
    ...{ readiesUnpersistedMax: 256, applyBytesMax: 2 * 1024 * 1024 },
    ...{ appendEntriesMax: 256, appendBytesMax: 1024 * 1024, inflightMessagesMax: 64 },
    ...{ uncommittedEntriesMax: 4096, logTailBytesMin: 1024 * 1024 },
    ...{ logTailBytesMax: 8 * 1024 * 1024, syncBytesMax: 8 * 1024 * 1024 },
    // Stories bring their own clients.
    ...{ clients: 0, clientConcurrency: 1, keys: 1, valueBytesMax: 16, thinkMaxMicros: 1 },
    ...{ operationTimeoutMicros: 1_000_000, resultsPerSessionMax: 1024 },
    sessionlessClients: false,
    ...{ faultEveryMicros: 1_000_000, faultLastsMaxMicros: 1_000_000 },
  };
}
