import { createRandom, InvariantViolation, type Random } from '@quorate/foundation';
import { checkLinearizability, findLostWrites, pairOperations } from '@quorate/linearizability';
import { SimulationFailure } from '../failure.ts';
import {
  bearableKinds,
  drawKinds,
  drawSchedule,
  HOST_FAULT_KINDS,
  type HostFaultKind,
  needDatagrams,
} from './fault-schedule.ts';
import { FaultStrikes } from './fault-strikes.ts';
import { HostCluster } from './host-cluster.ts';
import type { HostRunOptions } from './host-options.ts';
import type { Probe } from './probes.ts';

/** The phase with faults of a standard seed, and how long the clients go on after it. */
const SAFETY_MICROS = 60_000_000;
const QUIET_LOAD_MICROS = 3_000_000;
/** After the last fault a leader serves within so many of the longest election timeouts (V1)... */
const ELECTION_TIMEOUTS_MAX = 20;
/** ...and so much for processes to start and connections to be dialled again. */
const RECONNECT_MICROS = 6_000_000;
/** Then every client operation ends within its deadline, and all replicas are equal within this. */
const CONVERGED_WITHIN_MICROS = 20_000_000;
/** A standard seed asks so much of its clients; slow ones get more time, in peace. */
const OPERATIONS_MIN = 500;
const EXTRA_LOAD_MICROS_MAX = 120_000_000;
/** So far rounds may grow in peace, once clients are served: late candidacies end (V4). */
const ROUNDS_GROWN_MAX = 4;
const CHECK_STEPS_MAX = 20_000_000;

/** Why a run failed. */
export interface RunFailure {
  readonly invariant: string;
  readonly message: string;
  readonly lastEvents: readonly string[];
}

/** What one run did; equal for equal options and builds, times of the real clock aside. */
export interface HostRunResult {
  readonly seed: number;
  readonly protocol: string;
  readonly nodes: number;
  readonly hash: string;
  readonly simulatedMicros: number;
  readonly events: number;
  readonly operations: number;
  readonly operationsOk: number;
  readonly operationsUnknown: number;
  readonly framesDelivered: number;
  readonly bytesSent: number;
  readonly commits: number;
  readonly elections: number;
  readonly faultKinds: readonly HostFaultKind[];
  readonly faultEvents: number;
  /** Replicas taken out for good since their disk lost what it had called durable. */
  readonly retired: number;
  readonly probes: Readonly<Record<Probe, number>>;
  readonly failure: RunFailure | null;
}

/**
 * Runs one seed: faults and load, then peace, in which the cluster must find a leader, serve its
 * clients and become equal; then the history is judged. Never throws for what a replica did wrong.
 */
export function runHosts<M>(options: HostRunOptions<M>): HostRunResult {
  const draws = createRandom(options.seed).split('schedule');
  const kinds = options.schedule?.map(({ kind }) => kind) ?? kindsOf(options, draws);
  const datagrams = options.datagrams ?? needDatagrams(kinds);
  const cluster = new HostCluster({ ...options, datagrams });
  const strikes = new FaultStrikes(cluster, options.seed);
  const schedule = options.schedule ?? scheduleOf(options, cluster, kinds, draws);
  const dropped = new Set(options.drop ?? []);
  strikes.plan(schedule.filter(({ number }) => !dropped.has(number)));
  let failure: RunFailure | null = null;
  try {
    runPhases(cluster, strikes, options.safetyMicros ?? SAFETY_MICROS);
  } catch (error) {
    failure = failureOf(error, cluster);
  }
  const { world, load, frames } = cluster;
  const probes = world.probes.all();
  return {
    seed: options.seed,
    protocol: options.protocol.name,
    nodes: world.ids.length,
    hash: cluster.hash(),
    simulatedMicros: world.queue.now(),
    events: cluster.events,
    operations: load.counts.invoked,
    operationsOk: load.counts.ok,
    operationsUnknown: load.counts.unknown,
    framesDelivered: frames.delivered,
    bytesSent: frames.sentBytes,
    commits: world.ghost.committedIndex,
    elections: probes.elected,
    faultKinds: [...strikes.struck].sort(),
    faultEvents: schedule.length,
    retired: cluster.nodes.filter(({ retiredFor }) => retiredFor !== null).length,
    probes,
    failure,
  };
}

/** The kinds of faults that a seed draws. */
function kindsOf<M>(options: HostRunOptions<M>, random: Random): HostFaultKind[] {
  const { needsFifoChannels } = options.protocol.capabilities;
  // A seed never draws fewer than three nodes.
  const nodes = options.nodes ?? options.swarm?.nodes ?? 3;
  const allowed = options.faults ?? HOST_FAULT_KINDS;
  return drawKinds(random, bearableKinds(allowed, { needsFifoChannels, nodes }));
}

/** The schedule that a seed draws. */
function scheduleOf<M>(
  options: HostRunOptions<M>,
  cluster: HostCluster<M>,
  kinds: readonly HostFaultKind[],
  random: Random,
) {
  const { faultEveryMicros, faultLastsMaxMicros } = cluster.world.swarm;
  return drawSchedule(random, kinds, {
    untilMicros: options.safetyMicros ?? SAFETY_MICROS,
    everyMicros: faultEveryMicros,
    lastsMaxMicros: faultLastsMaxMicros,
  });
}

function runPhases<M>(
  cluster: HostCluster<M>,
  strikes: FaultStrikes<M>,
  safetyMicros: number,
): void {
  const { load, world } = cluster;
  const { queue, swarm } = world;
  load.start();
  cluster.runUntil(safetyMicros);
  strikes.stop();
  const patience = RECONNECT_MICROS + ELECTION_TIMEOUTS_MAX * swarm.timing.electionTimeoutMaxMicros;
  within(cluster, 'a serving leader', patience, () => cluster.leader() !== null);
  const okBefore = load.counts.ok;
  within(cluster, 'clients are served', patience + swarm.operationTimeoutMicros, () => {
    return load.counts.ok >= okBefore + swarm.clients;
  });
  const roundInPeace = highestRound(cluster);
  cluster.runUntil(queue.now() + QUIET_LOAD_MICROS);
  if (safetyMicros >= SAFETY_MICROS) {
    const enough = (): boolean => load.counts.invoked >= OPERATIONS_MIN;
    within(cluster, `${OPERATIONS_MIN} operations`, EXTRA_LOAD_MICROS_MAX, enough);
  }
  load.stop();
  const drained = swarm.operationTimeoutMicros + CONVERGED_WITHIN_MICROS;
  within(cluster, 'every operation ends (V5)', drained, () => load.pending === 0);
  load.readBack();
  within(cluster, 'every key is read back', drained, () => load.pending === 0);
  within(cluster, 'all replicas have applied everything', CONVERGED_WITHIN_MICROS, () => {
    return cluster.nodes.every(({ replica, retiredFor }) => {
      if (retiredFor !== null) return true;
      return replica !== null && replica.appliedIndex >= world.ghost.committedIndex;
    });
  });
  const grown = highestRound(cluster) - roundInPeace;
  if (grown > ROUNDS_GROWN_MAX) cluster.fail('V4', `rounds grew by ${grown} in peace`);
  countAtEnd(cluster);
  load.close();
  judge(cluster);
}

function within<M>(
  cluster: HostCluster<M>,
  what: string,
  micros: number,
  done: () => boolean,
): void {
  if (cluster.runUntil(cluster.world.queue.now() + micros, done)) return;
  cluster.fail('V1', `not within ${micros} us of peace: ${what}`);
}

function highestRound<M>({ nodes }: HostCluster<M>): number {
  return Math.max(0, ...nodes.map(({ replica }) => replica?.status().engine.round ?? 0));
}

function countAtEnd<M>(cluster: HostCluster<M>): void {
  const { probes, datagrams } = cluster.world;
  probes.hit('datagramLost', datagrams?.counts.lost ?? 0);
  probes.hit('datagramDuplicated', datagrams?.counts.duplicated ?? 0);
  probes.hit('datagramReordered', datagrams?.counts.reordered ?? 0);
  for (const { replica } of cluster.nodes) {
    const stats = replica?.status().wal;
    probes.hit('segmentRolled', stats?.rolls ?? 0);
    probes.hit('segmentReleased', stats?.segmentsReleased ?? 0);
  }
}

/** C8, K1 and acknowledged writes that are gone. */
function judge<M>(cluster: HostCluster<M>): void {
  const inService = cluster.nodes.filter(({ retiredFor }) => retiredFor === null);
  const digests = new Set(inService.map(({ machine }) => machine?.kv.digest() ?? ''));
  if (digests.size !== 1) cluster.fail('C8', `replicas end in ${digests.size} states`);
  const operations = pairOperations(cluster.load.history);
  const verdict = checkLinearizability(operations, { limits: { stepsMax: CHECK_STEPS_MAX } });
  const [violation] = verdict.violations;
  if (violation !== undefined) {
    cluster.fail('K1', `key ${violation.key} is not linearizable: ${violation.explanation}`);
  }
  if (verdict.verdict === 'unknown') cluster.fail('K1', `undecided: ${verdict.reason}`);
  const lost = findLostWrites(operations);
  if (lost.ackedLost > 0) cluster.fail('K3', `${lost.ackedLost} acknowledged writes are lost`);
}

function failureOf<M>(error: unknown, cluster: HostCluster<M>): RunFailure {
  if (error instanceof SimulationFailure) {
    const message = error.message.split('\nlast events:')[0] as string;
    return { invariant: error.invariant, message, lastEvents: cluster.lastEvents() };
  }
  const invariant = error instanceof InvariantViolation ? 'assertion' : 'exception';
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { invariant, message, lastEvents: cluster.lastEvents() };
}
