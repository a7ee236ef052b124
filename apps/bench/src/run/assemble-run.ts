import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  judgeSlo,
  type Run,
  type RunProtocol,
  reportFiles,
  runExitCode,
  type SloVerdict,
  seriesToCsv,
  writeReport,
} from '@quorate/report';
import { ExitCode } from '../errors.ts';
import type { PhaseSummary } from '../loader/messages.ts';
import { SIM_MODEL } from '../sim/sim-model.ts';
import { assembleProtocol, type JudgedBlock } from './assemble-protocol.ts';
import { labelsOf } from './labels.ts';
import type { RunPlan } from './plan.ts';
import type { Interruption } from './run-scenario.ts';

/** What a run is assembled from. */
export interface AssembleInput {
  readonly plan: RunPlan;
  readonly blocks: readonly JudgedBlock[];
  readonly environment: Run['environment'];
  readonly folder: string;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly voidRepeats: number;
  readonly interruption: Interruption | null;
}

/** The finished `run.json` with its exit code. */
export interface AssembledRun {
  readonly run: Run;
  readonly exitCode: number;
}

/** Writes `run.json`, series, histograms, charts and reports into the folder. */
export async function assembleRun(input: AssembleInput): Promise<AssembledRun> {
  const { plan, blocks, folder, environment } = input;
  const machine = {
    cores: environment.cores,
    syncMicros:
      plan.scenario.runtime === 'sim'
        ? SIM_MODEL.diskSyncUs
        : (environment.fsyncLatencyUs?.p50 ?? null),
  };
  const assembled = plan.scenario.protocols
    .filter((name) => blocks.some(({ block }) => block.protocol === name))
    .map((name) => {
      const own = blocks.filter(({ block }) => block.protocol === name);
      return assembleProtocol(plan, name, own, { folder, machine });
    });
  const judged = assembled.map(({ protocol }) => judge(plan, protocol));
  const protocols = assembled.map(({ protocol }, place) => withSlos(protocol, judged[place] ?? []));
  const exitCode = exitCodeOf(input, protocols);
  const run: Run = {
    schemaVersion: 1,
    status: input.interruption !== null ? 'interrupted' : isVoid(input) ? 'void' : 'complete',
    exitCode,
    startedAt: input.startedAt.toISOString(),
    durationMs: input.durationMs,
    quick: plan.scenario.quick,
    command: [...plan.command],
    scenario: {
      name: plan.scenario.name,
      file: plan.scenarioFile,
      sha256: createHash('sha256').update(plan.scenarioText).digest('hex'),
      resolved: JSON.parse(JSON.stringify(plan.scenario)) as Record<string, unknown>,
    },
    seed: plan.scenario.seed,
    environment,
    labels: labelsOf(plan),
    protocols,
    generator: generatorOf(input),
    comparison: null,
    verdict: { exit: exitCode, lines: verdictLines(input, protocols, judged.flat()) },
    files: {
      ...reportFiles(),
      charts: [...reportFiles().charts],
      series: 'series.csv',
      hlogs: assembled.flatMap((one) => [...one.hlogs]),
    },
  };
  writeFileSync(
    join(folder, 'series.csv'),
    seriesToCsv(assembled.flatMap((one) => [...one.series])),
  );
  writeFileSync(join(folder, 'run.json'), `${JSON.stringify(run, null, 2)}\n`);
  await writeReport(folder);
  return { run, exitCode };
}

function judge(plan: RunPlan, protocol: RunProtocol): SloVerdict[] {
  // The baseline is there to compare with; nobody promises anything about it but correctness.
  return plan.slos
    .map((slo) => judgeSlo(slo, protocol))
    .filter((verdict): verdict is SloVerdict => verdict !== null)
    .filter(({ metric }) => protocol.name !== 'none' || !/^(failover|unavailable)/.test(metric));
}

function withSlos(protocol: RunProtocol, judged: readonly SloVerdict[]): RunProtocol {
  const slo = judged.map(({ expression, metric, value, samples, neededSamples, result }) => ({
    ...{ expression, metric, value, samples, neededSamples, result },
  }));
  return { ...protocol, verdicts: { ...protocol.verdicts, slo } };
}

function isVoid({ plan, blocks }: AssembleInput): boolean {
  return plan.scenario.protocols.some((name) => {
    const own = blocks.filter(({ block }) => block.protocol === name);
    return own.length > 0 && own.every(({ voidReason }) => voidReason !== null);
  });
}

function exitCodeOf(input: AssembleInput, protocols: readonly RunProtocol[]): number {
  if (input.interruption?.reason === 'signal') return ExitCode.interrupted;
  const isUndecided =
    input.interruption !== null ||
    isVoid(input) ||
    protocols.some(
      ({ verdicts, faults }) =>
        verdicts.linearizable === null ||
        verdicts.ackedLost === null ||
        faults.some((fault) => !fault.proven),
    );
  return runExitCode({
    slo: protocols.flatMap(({ verdicts }) => verdicts.slo),
    violated: protocols.some(
      ({ verdicts }) => verdicts.linearizable === false || (verdicts.ackedLost ?? 0) > 0,
    ),
    undecided: isUndecided,
  });
}

/** The lines that people read first, worst news on top. */
function verdictLines(
  input: AssembleInput,
  protocols: readonly RunProtocol[],
  judged: readonly SloVerdict[],
): string[] {
  const lines: string[] = [];
  if (input.interruption !== null) lines.push(`interrupted: ${input.interruption.message}`);
  for (const { name, verdicts, faults, blocks } of protocols) {
    const where = verdicts.smallestFailingHistory;
    if (verdicts.linearizable === false) {
      lines.push(`violation: ${name} is not linearizable, see ${where ?? 'its history'}`);
    }
    if ((verdicts.ackedLost ?? 0) > 0) {
      lines.push(`violation: ${name} lost ${verdicts.ackedLost} acknowledged writes`);
    }
    if (verdicts.linearizable === null) {
      lines.push(`undecided: ${name} was not fully checked: ${verdicts.linearizableReason ?? ''}`);
    }
    if (verdicts.ackedLost === null) {
      lines.push(`undecided: ${name} could not be read back completely`);
    }
    for (const fault of faults.filter((one) => !one.proven)) {
      lines.push(`undecided: ${name} ${fault.id} ${fault.kind}: ${fault.excludedReason ?? ''}`);
    }
    const reasons = blocks.filter((block) => block.status === 'void').map((b) => b.voidReason);
    for (const reason of reasons) lines.push(`void block: ${name}: ${reason ?? ''}`);
  }
  return [...lines, ...judged.map(({ line }) => line)];
}

/** The share of one core that the loader took; null on virtual time. */
function cpuShareOf({ cpuMicros, startMicros, endMicros }: PhaseSummary): number | null {
  if (cpuMicros === null) return null;
  return endMicros <= startMicros ? 0 : cpuMicros / (endMicros - startMicros);
}

/** The generator over all blocks: its CPU share is that of its busiest measured phase. */
function generatorOf({ plan, blocks, voidRepeats }: AssembleInput): Run['generator'] {
  const isSimulated = plan.scenario.runtime === 'sim';
  const phases = blocks.flatMap(({ block }) => block.phases.filter((phase) => phase.measured));
  const starts = phases.reduce((total, phase) => total + phase.starts, 0);
  const missedStarts = isSimulated
    ? null
    : phases.reduce((total, phase) => total + (phase.missedStarts ?? 0), 0);
  const loaders = blocks.map(({ block }) => block.loader);
  const voidReasons = blocks.flatMap(({ voidReason }) => (voidReason === null ? [] : [voidReason]));
  const highest = (values: readonly (number | null)[]): number | null =>
    present(values).length === 0 ? null : Math.max(...present(values));
  return {
    pid: loaders.at(-1)?.pid ?? null,
    missedStarts,
    missedStartsShare: missedStarts === null ? null : starts === 0 ? 0 : missedStarts / starts,
    eventLoopDelayP99Ms: highest(loaders.map((loader) => loader.eventLoopDelayP99Ms)),
    cpuShare: highest(phases.map(cpuShareOf)),
    gcMaxMs: highest(loaders.map((loader) => loader.gcMaxMs)),
    healthy: voidReasons.length === 0,
    voidReasons,
    voidBlocksRepeated: voidRepeats,
  };
}

function present(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null);
}
