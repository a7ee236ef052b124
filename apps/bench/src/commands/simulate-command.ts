import { appendFileSync, mkdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { ExitCode, UsageError } from '../errors.ts';
import { sourceState } from '../run/environment.ts';
import { simulationBuild } from './simulate-build.ts';
import { RIGHT_HERE, type SittingEnd, sit, threads } from './simulate-campaign.ts';
import {
  type CampaignEffort,
  type CampaignPlan,
  effortOf,
  planOf,
  refuseWithResume,
  runCount,
  type SimulateFlags,
  taskAt,
} from './simulate-plan.ts';
import { shrinkSeed } from './simulate-shrink.ts';
import { StateFile } from './simulate-state.ts';
import { lookOfOutput, summaryText } from './simulate-summary.ts';
import { CampaignTally, type CampaignTotals } from './simulate-totals.ts';
import { traceSeed } from './simulate-trace.ts';

const RESULTS_FOLDER = 'results';
const RESULTS_FILE = `${RESULTS_FOLDER}/simulation.ndjson`;
type Unfinished = Exclude<SittingEnd, 'complete'> | 'broke down';

const WHY_NOT_ALL: Readonly<Record<Unfinished, string>> = {
  'broke down': 'the program failed',
  interrupted: 'interrupted',
  budget: 'the budget is spent',
  failures: 'so many runs failed that no more were begun',
};

/** Carries out `quorate simulate`: 0 clean, 1 a probe was missed, 3 an invariant is broken. */
export async function simulateCommand(flags: SimulateFlags): Promise<number> {
  const effort = effortOf(flags);
  if (flags.resume !== undefined) {
    refuseWithResume(flags);
    const state = StateFile.open(flags.resume, simulationBuild());
    return campaign({ plan: state.header.plan, state, effort, flags });
  }
  const plan = planOf(flags);
  const runs = runCount(plan);
  if (flags.trace !== undefined || flags.shrink) {
    if (runs !== 1) throw new UsageError('--trace and --shrink take one protocol and one seed');
    if (flags.trace !== undefined && flags.shrink) {
      throw new UsageError('--trace and --shrink exclude each other: shrink first, then trace');
    }
    const task = taskAt(plan, 0);
    return flags.shrink ? shrinkSeed(task) : traceSeed(task, flags.trace as string);
  }
  const state = runs === 1 ? null : beginState(plan, flags.record ?? false);
  return campaign({ plan, state, effort, flags });
}

function beginState(plan: CampaignPlan, record: boolean): StateFile {
  mkdirSync(RESULTS_FOLDER, { recursive: true });
  const time = new Date().toISOString().slice(0, 19).replaceAll(':', '');
  const path = join(RESULTS_FOLDER, `.simulation-${time}-${process.pid}.ndjson`);
  const build = simulationBuild();
  return StateFile.begin(path, {
    ...{ format: 'quorate-simulation-state', version: 1, build, plan, record },
  });
}

async function campaign(parts: {
  readonly plan: CampaignPlan;
  readonly state: StateFile | null;
  readonly effort: CampaignEffort;
  readonly flags: SimulateFlags;
}): Promise<number> {
  const { plan, state, effort, flags } = parts;
  const tally = new CampaignTally(plan);
  for (const { place, outcome } of state?.lines ?? []) tally.add(place, outcome);
  const left = runCount(plan) - tally.done;
  const stopper = new AbortController();
  const interrupt = (): void => stopper.abort();
  // A run right here keeps the event loop busy: nobody would hear the signal before its end.
  if (left > 1) {
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', interrupt);
  }
  const startedAt = performance.now();
  const msBefore = state?.lines.at(-1)?.atMs ?? 0;
  const jobs = Math.max(1, Math.min(effort.jobs, left));
  if (state !== null) {
    const kept = `what they find is kept in ${state.path} until all are done`;
    process.stderr.write(`${left} runs, ${jobs} side by side; ${kept}\n`);
  }
  let end: SittingEnd;
  try {
    end = await sit({
      ...{ plan, tally, state, jobs, msBefore, stop: stopper.signal },
      runner: left > 1 ? threads(jobs) : RIGHT_HERE,
      endsAt: startedAt + effort.budgetMs,
      failuresMax: effort.failuresMax,
    });
  } catch (error) {
    sayHowToGoOn('broke down', { tally, plan, state, flags });
    throw error;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
  const totals = tally.totals(msBefore + performance.now() - startedAt);
  process.stdout.write(
    flags.json ? `${JSON.stringify(totals)}\n` : summaryText(totals, lookOfOutput()),
  );
  const wanted = (flags.record ?? false) || (state?.header.record ?? false);
  if (end === 'complete') {
    if (wanted) record(plan, totals, jobs);
    state?.remove();
  } else sayHowToGoOn(end, { tally, plan, state, flags });
  return exitCodeOf(end, totals);
}

function sayHowToGoOn(
  end: Unfinished,
  parts: {
    readonly tally: CampaignTally;
    readonly plan: CampaignPlan;
    readonly state: StateFile | null;
    readonly flags: SimulateFlags;
  },
): void {
  const { tally, plan, state, flags } = parts;
  if (state === null) return;
  const count = `${runCount(plan) - tally.done} of ${runCount(plan)} runs are left`;
  const jobs = flags.jobs === undefined ? '' : ` --jobs ${flags.jobs}`;
  const recording = flags.record && !state.header.record ? ' --record' : '';
  process.stderr.write(
    `${WHY_NOT_ALL[end]}: ${count}; go on:\n` +
      `npx --no-install quorate simulate --resume ${state.path}${jobs}${recording}\n`,
  );
}

/** Appends the totals of a whole campaign to the committed results. */
function record(plan: CampaignPlan, totals: CampaignTotals, jobs: number): void {
  const { protocols, firstSeed, lastSeed, settings } = plan;
  const { commit, dirty } = sourceState();
  mkdirSync(RESULTS_FOLDER, { recursive: true });
  const line = {
    date: new Date().toISOString(),
    ...{ commit, dirty, build: simulationBuild(), node: process.version },
    ...{ cpuModel: cpus()[0]?.model ?? 'unknown', cores: cpus().length },
    ...{ protocols, seedRange: `${firstSeed}..${lastSeed}`, ...settings, jobs },
    ...totals,
  };
  appendFileSync(RESULTS_FILE, `${JSON.stringify(line)}\n`);
  process.stderr.write(`recorded in ${RESULTS_FILE}\n`);
}

function exitCodeOf(end: SittingEnd, totals: CampaignTotals): number {
  if (totals.failed > 0) return ExitCode.violation;
  if (end === 'interrupted') return ExitCode.interrupted;
  return totals.probesMissed.length > 0 ? ExitCode.sloFellShort : ExitCode.ok;
}
