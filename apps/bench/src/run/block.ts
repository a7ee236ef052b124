import { copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cluster, type EventLine, monotonicMicros, type Reaper } from '@quorate/cluster';
import { type FaultRecord, planFaults } from '@quorate/faults';
import { createRandom } from '@quorate/foundation';
import { SERVER_ENTRIES } from '@quorate/kv-server';
import type { LoaderReport, PhasePlan, PhaseSummary } from '../loader/messages.ts';
import type { Progress } from '../terminal/progress.ts';
import { FaultDriver } from './fault-driver.ts';
import { type GaugePair, type GaugeReading, pairGauges, readGauges } from './gauges.ts';
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
  /** Ends the block early: no step begins after it, and everything started is stopped. */
  readonly signal: AbortSignal;
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
  /** Counters over the load as a whole; empty when the scenario has faults alone. */
  readonly gauges: readonly GaugePair[];
  /** Counters over each load step, by the name of its phase. */
  readonly stepGauges: ReadonlyMap<string, readonly GaugePair[]>;
  /** Health of the replicas at the end; one that was restarted counts from its restart. */
  readonly finalGauges: readonly GaugeReading[];
  readonly pids: ReadonlyMap<number, number>;
  readonly variants: Readonly<Record<string, boolean | number | string>>;
  readonly loader: LoaderReport;
  readonly unreadKeys: number;
  readonly historyFile: string;
  readonly figuresFile: string;
  /** A replica that ended although nobody asked it to. */
  readonly unexpectedExits: readonly string[];
}

const LEADER_LIMIT_MS = 15_000;
const OPERATION_TIMEOUT_MS = 5_000;
/**
 * After an abort, how long steps under way may take to notice before their replicas are
 * stopped.
 */
const ABORT_LIMIT_MS = 6_000;
/** The name of the phase in which faults happen. */
export const PROBE_PHASE = 'probe';

/** Runs one block from an empty directory to its files; leaves no process behind. */
export async function runBlock(input: BlockInput): Promise<BlockResult> {
  const retry = input.attempt > 0 ? `-try${input.attempt + 1}` : '';
  const name = `${input.protocol}-${input.index}${retry}`;
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
  const work = runWork(input, cluster, loader, name);
  try {
    const measured = await unlessAborted(work, input.signal);
    return {
      protocol: input.protocol,
      index: input.index,
      order: input.order,
      startMs: (startMicros - input.runOriginMicros) / 1000,
      durationMs: (monotonicMicros() - startMicros) / 1000,
      events,
      unexpectedExits,
      pids: new Map(cluster.running.map((id) => [id, cluster.pid(id)])),
      ...measured,
    };
  } finally {
    await loader.close();
    // A restart under way would start a replica behind the back of a cluster that has stopped.
    await Promise.race([work.catch(() => undefined), pause(ABORT_LIMIT_MS)]);
    await cluster.stop();
    keepLogs(directory, join(input.folder, 'logs'), input);
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Rejects as soon as the signal says so, whatever becomes of the work. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

async function runWork(
  input: BlockInput,
  cluster: Cluster,
  loader: LoaderHandle,
  name: string,
): Promise<Measured & Pick<BlockResult, 'variants'>> {
  const { variants } = await cluster.awaitLeader(LEADER_LIMIT_MS);
  return { variants, ...(await measure(input, cluster, loader, name)) };
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
    readers: scenario.probe.readers,
    timeoutMs: OPERATION_TIMEOUT_MS,
  });
  const warmupMs = await warmUp(loader, scenario, input.progress);
  const loaded = await runLoad(input, cluster, loader);
  const phases = [...loaded.phases];
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
  const finalGauges = await readGauges(cluster);
  const historyFile = join(input.folder, 'histories', `${name}.ndjson.gz`);
  const figuresFile = join(input.folder, 'data', `${name}.figures.json`);
  const report = await loader.finish({
    ...{ historyFile, figuresFile, originMicros: input.runOriginMicros },
    historyOpsMax: scenario.historyOpsMax,
    protocol: input.protocol,
    block: input.index,
  });
  return {
    ...{ warmupMs, phases, faults, probeEndMs, historyFile, figuresFile },
    gauges: loaded.gauges,
    stepGauges: loaded.stepGauges,
    finalGauges,
    loader: report,
    unreadKeys: unread,
  };
}

/** Runs the load steps, with the counters of all replicas between them. */
async function runLoad(
  input: BlockInput,
  cluster: Cluster,
  loader: LoaderHandle,
): Promise<Pick<BlockResult, 'phases' | 'gauges' | 'stepGauges'>> {
  const plans = loadPhases(input.plan);
  if (plans.length === 0) return { phases: [], gauges: [], stepGauges: new Map() };
  const phases: PhaseSummary[] = [];
  const stepGauges = new Map<string, GaugePair[]>();
  const first = await readGauges(cluster);
  let before = first;
  for (const plan of plans) {
    phases.push(await runPhase(input, loader, plan));
    const after = await readGauges(cluster);
    stepGauges.set(plan.name, pairGauges(before, after));
    before = after;
  }
  return { phases, gauges: pairGauges(first, before), stepGauges };
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
    signal: input.signal,
  });
  const faults = await driver.run();
  return { faults, summary: await running };
}

function blockEvent(node: number, line: EventLine, originMicros: number): BlockEvent {
  const { event, round, node: about, detail, atMicros } = line;
  return { atMs: Math.max(0, (atMicros - originMicros) / 1000), node, event, round, about, detail };
}

/** The replicas' logs stay with the run; what they stored does not. */
function keepLogs(
  directory: string,
  logs: string,
  { protocol, index, attempt }: Pick<BlockInput, 'protocol' | 'index' | 'attempt'>,
): void {
  mkdirSync(logs, { recursive: true });
  for (const name of readdirSync(directory).filter((file) => file.endsWith('.log'))) {
    copyFileSync(join(directory, name), join(logs, `${protocol}-${index}-${attempt}-${name}`));
  }
}
