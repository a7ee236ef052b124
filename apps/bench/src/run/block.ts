import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  Cluster,
  type EventLine,
  monotonicMicros,
  type Reaper,
  type ReplicaGauges,
} from '@quorate/cluster';
import { type FaultRecord, planFaults } from '@quorate/faults';
import { createRandom } from '@quorate/foundation';
import { SERVER_ENTRIES } from '@quorate/kv-server';
import type { LoaderReport, PhasePlan, PhaseSummary } from '../loader/messages.ts';
import type { Progress } from '../terminal/progress.ts';
import { FaultDriver } from './fault-driver.ts';
import { LoaderHandle } from './loader-handle.ts';
import { nodesFor, type RunPlan } from './plan.ts';
import { warmUp } from './warm-up.ts';

/** One block: one protocol, one cluster, all phases. */
export interface BlockInput {
  readonly plan: RunPlan;
  readonly protocol: string;
  readonly index: number;
  /** Place among all blocks of the run, from 0. */
  readonly order: number;
  readonly attempt: number;
  readonly runOriginMicros: number;
  /** The run folder under its temporary name. */
  readonly folder: string;
  readonly reaper: Reaper;
  readonly progress: Progress;
}

/** An engine event on the clock of the run. */
export interface BlockEvent {
  readonly atMs: number;
  readonly node: number;
  readonly event: string;
  readonly round: number;
  readonly about: number;
  readonly detail: string;
}

/** Counters of one replica before and after the measured load. */
export interface GaugePair {
  readonly node: number;
  readonly leads: boolean;
  readonly before: ReplicaGauges;
  readonly after: ReplicaGauges;
}

/** What a block came to, before it is judged. */
export interface BlockResult {
  readonly protocol: string;
  readonly index: number;
  readonly order: number;
  readonly startMs: number;
  readonly durationMs: number;
  readonly warmupMs: number;
  readonly phases: readonly PhaseSummary[];
  readonly faults: readonly FaultRecord[];
  /** When the load beside the faults was over, in milliseconds since the run's start. */
  readonly probeEndMs: number;
  readonly events: readonly BlockEvent[];
  readonly gauges: readonly GaugePair[];
  readonly pids: ReadonlyMap<number, number>;
  readonly variants: Readonly<Record<string, boolean | number | string>>;
  readonly loader: LoaderReport;
  readonly loaderCpuShare: number;
  readonly unreadKeys: number;
  readonly historyFile: string;
  readonly figuresFile: string;
  /** A replica that ended although nobody asked it to. */
  readonly unexpectedExits: readonly string[];
}

const LEADER_LIMIT_MS = 15_000;
const OPERATION_TIMEOUT_MS = 5_000;
/** The name of the phase in which faults happen. */
export const PROBE_PHASE = 'probe';

/** Runs one block from an empty directory to its files; leaves no process behind. */
export async function runBlock(input: BlockInput): Promise<BlockResult> {
  const name = `${input.protocol}-${input.index}${input.attempt > 0 ? `-try${input.attempt + 1}` : ''}`;
  const directory = join(input.folder, 'data', name);
  mkdirSync(directory, { recursive: true });
  const startMicros = monotonicMicros();
  const events: BlockEvent[] = [];
  const unexpectedExits: string[] = [];
  const cluster = await Cluster.start(
    {
      ...clusterDescription(input, directory),
      onEvent: (node, event) => events.push(blockEvent(node, event, input.runOriginMicros)),
      onUnexpectedExit: (node, reason) => unexpectedExits.push(`replica ${node} ${reason}`),
    },
    input.reaper,
  );
  const loader = new LoaderHandle(input.reaper);
  try {
    const leader = await cluster.awaitLeader(LEADER_LIMIT_MS);
    const measured = await measure(input, cluster, loader, name);
    return {
      protocol: input.protocol,
      index: input.index,
      order: input.order,
      startMs: (startMicros - input.runOriginMicros) / 1000,
      durationMs: (monotonicMicros() - startMicros) / 1000,
      events,
      unexpectedExits,
      variants: leader.variants,
      pids: new Map(cluster.running.map((id) => [id, cluster.pid(id)])),
      ...measured,
    };
  } finally {
    await Promise.allSettled([loader.close(), cluster.stop()]);
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

type Measured = Omit<
  BlockResult,
  | 'protocol'
  | 'index'
  | 'order'
  | 'startMs'
  | 'durationMs'
  | 'events'
  | 'unexpectedExits'
  | 'variants'
  | 'pids'
>;

async function measure(
  input: BlockInput,
  cluster: Cluster,
  loader: LoaderHandle,
  name: string,
): Promise<Measured> {
  const { scenario, clientTransport } = input.plan;
  const { load } = scenario;
  const loaderStart = performance.now();
  await loader.open({
    clientTransport,
    addresses: cluster.members.map((member) => member.client),
    // Every protocol gets the same operations: the seed names the block, not the protocol.
    seed: `${scenario.seed}/block-${input.index}`,
    keys: load?.keys ?? 500,
    keyDistribution: load?.keyDistribution ?? 'uniform',
    valueBytes: load?.valueBytes ?? 128,
    readLevel: load?.readLevel ?? 'linearizable',
    clients: load?.clients ?? 4,
    timeoutMs: OPERATION_TIMEOUT_MS,
  });
  const warmupMs = await warmUp(loader, scenario, input.progress);
  const before = await gaugesOf(cluster);
  const phases: PhaseSummary[] = [];
  for (const phase of loadPhases(input.plan)) phases.push(await runPhase(input, loader, phase));
  const after = await gaugesOf(cluster);
  let faults: FaultRecord[] = [];
  let probeEndMs = 0;
  if (input.plan.faults.length > 0 && input.protocol !== 'none') {
    const probed = await probe(input, cluster, loader);
    faults = probed.faults;
    phases.push(probed.summary);
    probeEndMs = (probed.summary.endMicros - input.runOriginMicros) / 1000;
  }
  input.progress.phase('reading every key back', 0);
  const { unread } = await loader.readBack();
  const historyFile = join(input.folder, 'histories', `${name}.ndjson.gz`);
  const figuresFile = join(input.folder, 'data', `${name}.figures.json`);
  const report = await loader.finish({
    ...{ historyFile, figuresFile, originMicros: input.runOriginMicros },
    historyOpsMax: scenario.historyOpsMax,
    protocol: input.protocol,
    block: input.index,
  });
  const loaderSeconds = (performance.now() - loaderStart) / 1000;
  return {
    ...{ warmupMs, phases, faults, probeEndMs, historyFile, figuresFile },
    gauges: pairGauges(before, after),
    loader: report,
    loaderCpuShare: (report.cpuUserMicros + report.cpuSystemMicros) / 1e6 / loaderSeconds,
    unreadKeys: unread,
  };
}

function clusterDescription(input: BlockInput, directory: string) {
  const { scenario, clientTransport } = input.plan;
  const { protocol, index } = input;
  const ids = Array.from({ length: nodesFor(scenario, protocol) }, (_, i) => i + 1);
  const random = createRandom(`${scenario.seed}/ids/${index}`);
  const [electionMinMs, electionMaxMs] = scenario.electionTimeout;
  return {
    clusterId: `bench-${input.runOriginMicros}-${input.order}`,
    runtime: scenario.runtime,
    // Which id starts first is drawn per block: ZAB, for one, prefers high ids.
    nodeIds: shuffled(ids, random),
    directory,
    entries: {
      process: fileURLToPath(SERVER_ENTRIES.process),
      worker: fileURLToPath(SERVER_ENTRIES.worker),
    },
    settings: {
      protocol,
      variants: scenario.variants[protocol as 'raft'] ?? {},
      transport: scenario.transport,
      clientTransport,
      sync: scenario.sync,
      heartbeatMs: scenario.heartbeat,
      electionTimeoutMs: [electionMinMs, electionMaxMs] as const,
      detector: scenario.detector,
    },
  };
}

/** A random order by Fisher and Yates. */
export function shuffled<T>(items: readonly T[], random: { below(bound: number): number }): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j] as T, order[i] as T];
  }
  return order;
}

function loadPhases({ scenario }: RunPlan): PhasePlan[] {
  const { load } = scenario;
  if (load === undefined) return [];
  const durationMs = load.secondsEach * 1000;
  const shared = { measured: true, mix: load.mix, durationMs };
  if (load.mode === 'closed') {
    return (load.inFlight ?? [64]).map((inFlight) => ({
      ...{ name: `in-flight-${inFlight}`, ...shared },
      load: { mode: 'closed', inFlight },
    }));
  }
  return (load.rates ?? [1000]).map((ratePerSecond) => ({
    ...{ name: `rate-${ratePerSecond}`, ...shared },
    load: { mode: 'open', arrival: load.arrival, ratePerSecond },
  }));
}

async function runPhase(
  input: BlockInput,
  loader: LoaderHandle,
  plan: PhasePlan,
): Promise<PhaseSummary> {
  input.progress.phase(plan.name, plan.durationMs);
  return loader.phase(plan, (seen) => input.progress.operations(seen.completed, seen.inFlight));
}

async function probe(
  input: BlockInput,
  cluster: Cluster,
  loader: LoaderHandle,
): Promise<{ summary: PhaseSummary; faults: FaultRecord[] }> {
  const { scenario, faults: entries } = input.plan;
  const steps = planFaults(entries, `${scenario.seed}/block-${input.index}`);
  const lastMs = Math.max(0, ...steps.map((step) => step.atMs));
  const plan: PhasePlan = {
    name: PROBE_PHASE,
    measured: scenario.load === undefined,
    mix: scenario.probe.mix,
    durationMs: lastMs + scenario.probe.settle,
    load: { mode: 'open', arrival: 'uniform', ratePerSecond: scenario.probe.rate },
  };
  input.progress.phase(`${steps.length} fault steps under load`, plan.durationMs);
  const running = loader.phase(plan, (seen) =>
    input.progress.operations(seen.completed, seen.inFlight),
  );
  running.catch(() => undefined); // Awaited below; a failure of the driver must come out first.
  const driver = new FaultDriver({
    cluster,
    steps,
    block: input.index,
    random: createRandom(`${scenario.seed}/roles/${input.index}`),
    runOriginMicros: input.runOriginMicros,
    scheduleOriginMicros: monotonicMicros(),
    onLine: (line) => input.progress.line(line),
  });
  const faults = await driver.run();
  return { faults, summary: await running };
}

interface GaugeReading {
  readonly node: number;
  readonly leads: boolean;
  readonly gauges: ReplicaGauges;
}

async function gaugesOf(cluster: Cluster): Promise<GaugeReading[]> {
  const leader = await cluster.leader();
  return Promise.all(
    cluster.running.map(async (node) => ({
      node,
      leads: leader?.id === node,
      gauges: await cluster.gauges(node),
    })),
  );
}

function pairGauges(before: readonly GaugeReading[], after: readonly GaugeReading[]): GaugePair[] {
  const pairs: GaugePair[] = [];
  for (const one of after) {
    const first = before.find((other) => other.node === one.node);
    if (first === undefined) continue;
    pairs.push({ node: one.node, leads: one.leads, before: first.gauges, after: one.gauges });
  }
  return pairs;
}

function blockEvent(node: number, line: EventLine, originMicros: number): BlockEvent {
  const { event, round, node: about, detail, atMicros } = line;
  return { atMs: Math.max(0, (atMicros - originMicros) / 1000), node, event, round, about, detail };
}
