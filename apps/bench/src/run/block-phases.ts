import { join } from 'node:path';
import { type FaultRecord, type PlanStep, planFaults } from '@quorate/faults';
import type { LoaderReport, PhasePlan, PhaseSummary } from '../loader/messages.ts';
import type { BlockInput } from './block.ts';
import { type GaugePair, type GaugeReading, pairGauges } from './gauges.ts';
import type { LoaderHandle } from './loader-handle.ts';
import type { RunPlan } from './plan.ts';
import { warmUp } from './warm-up.ts';

/** What the phases of a block run on: a started cluster with a loader beside it. */
export interface BlockStage {
  readonly loader: LoaderHandle;
  /** The client ports of all replicas, by node. */
  readonly addresses: readonly string[];
  readGauges(): Promise<GaugeReading[]>;
  /**
   * Counts over a stretch with faults, until the function returned is called; empty where asking
   * would cost the replicas time.
   */
  watchGauges(): () => readonly GaugePair[];
  /** Carries a fault plan out from now on; resolves when every fault is settled. */
  carryOut(steps: readonly PlanStep[]): Promise<readonly FaultRecord[]>;
}

/** What the phases of a block came to. */
export interface MeasuredBlock {
  readonly warmupMs: number;
  readonly phases: readonly PhaseSummary[];
  readonly faults: readonly FaultRecord[];
  /** When the load beside the faults was over, in milliseconds since the run's start. */
  readonly probeEndMs: number;
  /** Counters over the load as a whole; in the simulator over the probe where there is no load. */
  readonly gauges: readonly GaugePair[];
  /** Counters over each load step, by the name of its phase. */
  readonly stepGauges: ReadonlyMap<string, readonly GaugePair[]>;
  /** Health of the replicas at the end; one that was restarted counts from its restart. */
  readonly finalGauges: readonly GaugeReading[];
  readonly loader: LoaderReport;
  readonly unreadKeys: number;
  readonly historyFile: string;
  readonly figuresFile: string;
}

const OPERATION_TIMEOUT_MS = 5_000;
/** The name of the phase in which faults happen. */
const PROBE_PHASE = 'probe';

/** Warm-up, load, faults under the probe, read-back; then the loader writes its files. */
export async function measureBlock(
  input: BlockInput,
  stage: BlockStage,
  name: string,
): Promise<MeasuredBlock> {
  const { scenario, clientTransport } = input.plan;
  const { load } = scenario;
  const { loader } = stage;
  await loader.open({
    clientTransport,
    addresses: stage.addresses,
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
  const loaded = await runLoad(input, stage);
  const phases = [...loaded.phases];
  let { gauges } = loaded;
  let faults: readonly FaultRecord[] = [];
  let probeEndMs = 0;
  if (input.plan.faults.length > 0 && input.protocol !== 'none') {
    const probed = await probe(input, stage);
    faults = probed.faults;
    phases.push(probed.summary);
    probeEndMs = (probed.summary.endMicros - input.runOriginMicros) / 1000;
    if (load === undefined) gauges = probed.gauges;
  }
  input.progress.phase('reading every key back', 0);
  const { unread } = await loader.readBack();
  const finalGauges = await stage.readGauges();
  const historyFile = join(input.folder, 'histories', `${name}.ndjson.gz`);
  const figuresFile = join(input.folder, 'data', `${name}.figures.json`);
  const report = await loader.finish({
    ...{ historyFile, figuresFile, originMicros: input.runOriginMicros },
    historyOpsMax: scenario.historyOpsMax,
    protocol: input.protocol,
    block: input.index,
  });
  return {
    ...{ warmupMs, phases, faults, probeEndMs, historyFile, figuresFile, gauges, finalGauges },
    stepGauges: loaded.stepGauges,
    loader: report,
    unreadKeys: unread,
  };
}

/** Runs the load steps, with the counters of all replicas between them. */
async function runLoad(
  input: BlockInput,
  stage: BlockStage,
): Promise<Pick<MeasuredBlock, 'phases' | 'gauges' | 'stepGauges'>> {
  const plans = loadPhases(input.plan);
  if (plans.length === 0) return { phases: [], gauges: [], stepGauges: new Map() };
  const phases: PhaseSummary[] = [];
  const stepGauges = new Map<string, GaugePair[]>();
  const first = await stage.readGauges();
  let before = first;
  for (const plan of plans) {
    phases.push(await runPhase(input, stage, plan));
    const after = await stage.readGauges();
    stepGauges.set(plan.name, pairGauges(before, after));
    before = after;
  }
  return { phases, gauges: pairGauges(first, before), stepGauges };
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
  { loader }: BlockStage,
  plan: PhasePlan,
): Promise<PhaseSummary> {
  input.progress.phase(plan.name, plan.durationMs);
  return loader.phase(plan, (seen) => input.progress.operations(seen.completed, seen.inFlight));
}

async function probe(
  input: BlockInput,
  stage: BlockStage,
): Promise<{
  readonly summary: PhaseSummary;
  readonly faults: readonly FaultRecord[];
  readonly gauges: readonly GaugePair[];
}> {
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
  const counted = stage.watchGauges();
  const running = stage.loader.phase(plan, (seen) =>
    input.progress.operations(seen.completed, seen.inFlight),
  );
  running.catch(() => undefined); // Awaited below; a failure of the driver must come out first.
  const faults = await stage.carryOut(steps);
  return { faults, summary: await running, gauges: counted() };
}
