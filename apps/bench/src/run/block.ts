import { copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cluster, type EventLine, monotonicMicros, type Reaper } from '@quorate/cluster';
import { createRandom } from '@quorate/foundation';
import { SERVER_ENTRIES } from '@quorate/kv-server';
import type { Progress } from '../terminal/progress.ts';
import { type BlockStage, type MeasuredBlock, measureBlock } from './block-phases.ts';
import { FaultDriver } from './fault-driver.ts';
import { readGauges } from './gauges.ts';
import { LoaderHandle, loaderProcess } from './loader-handle.ts';
import { nodesFor, type RunPlan } from './plan.ts';

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
export interface BlockResult extends MeasuredBlock {
  readonly protocol: string;
  readonly index: number;
  readonly order: number;
  readonly startMs: number;
  readonly durationMs: number;
  readonly events: readonly BlockEvent[];
  /** Empty in the simulator, where there are no processes. */
  readonly pids: ReadonlyMap<number, number>;
  readonly variants: Readonly<Record<string, boolean | number | string>>;
  /** A replica that ended although nobody asked it to. */
  readonly unexpectedExits: readonly string[];
}

const LEADER_LIMIT_MS = 15_000;
/**
 * After an abort, how long steps under way may take to notice before their replicas are
 * stopped.
 */
const ABORT_LIMIT_MS = 6_000;

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
  const loader = new LoaderHandle(loaderProcess(input.reaper));
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
): Promise<MeasuredBlock & Pick<BlockResult, 'variants'>> {
  const { variants } = await cluster.awaitLeader(LEADER_LIMIT_MS);
  const stage: BlockStage = {
    loader,
    addresses: cluster.members.map((member) => member.client),
    readGauges: () => readGauges(cluster),
    watchGauges: () => () => [],
    carryOut: (steps) => {
      const driver = new FaultDriver({
        ...{ cluster, steps, block: input.index, signal: input.signal },
        random: createRandom(`${input.plan.scenario.seed}/roles/${input.index}`),
        runOriginMicros: input.runOriginMicros,
        scheduleOriginMicros: monotonicMicros(),
        onLine: (line) => input.progress.line(line),
      });
      return driver.run();
    },
  };
  return { variants, ...(await measureBlock(input, stage, name)) };
}

function clusterDescription(input: BlockInput, directory: string) {
  const { scenario, clientTransport } = input.plan;
  const { protocol, index } = input;
  const ids = Array.from({ length: nodesFor(scenario, protocol) }, (_, i) => i + 1);
  const random = createRandom(`${scenario.seed}/ids/${index}`);
  const [electionMinMs, electionMaxMs] = scenario.electionTimeout;
  return {
    clusterId: `bench-${input.runOriginMicros}-${input.order}`,
    runtime: scenario.runtime === 'worker' ? ('worker' as const) : ('process' as const),
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
