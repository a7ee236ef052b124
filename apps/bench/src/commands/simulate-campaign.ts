import { Piscina } from 'piscina';
import { type CampaignPlan, runCount, taskAt } from './simulate-plan.ts';
import { CampaignProgress } from './simulate-progress.ts';
import type { StateFile } from './simulate-state.ts';
import { failureText } from './simulate-summary.ts';
import type { CampaignTally } from './simulate-totals.ts';
import { runSeed, type SeedOutcome, type SeedTask } from './simulate-worker.ts';

/** Runs seeds somewhere: in worker threads, or right here. */
export interface SeedRunner {
  run(task: SeedTask): Promise<SeedOutcome>;
  /** Ends at once; what runs is given up. */
  close(): Promise<void>;
}

/** One sitting of a campaign. */
export interface Sitting {
  readonly plan: CampaignPlan;
  /** Holds what earlier sittings found. */
  readonly tally: CampaignTally;
  readonly state: StateFile | null;
  readonly runner: SeedRunner;
  /** Runs side by side. */
  readonly jobs: number;
  /** No run begins after this, by `performance.now`. */
  readonly endsAt: number;
  /** No run begins when so many of this sitting have failed. */
  readonly failuresMax: number;
  /** Milliseconds that earlier sittings took. */
  readonly msBefore: number;
  readonly stop: AbortSignal;
  /** Where progress goes; stderr unless a test says otherwise. */
  readonly progress?: CampaignProgress;
}

/** How a sitting ended: everything is done, or why not. */
export type SittingEnd = 'complete' | 'interrupted' | 'budget' | 'failures';

/** Runs what is left of a campaign, in the order of its places; failures do not end it at once. */
export async function sit(sitting: Sitting): Promise<SittingEnd> {
  const { plan, tally, state, runner, stop, endsAt, msBefore, failuresMax } = sitting;
  const progress = sitting.progress ?? new CampaignProgress(tally.done, endsAt);
  const startedAt = performance.now();
  const failedBefore = tally.failed;
  const runs = runCount(plan);
  let next = 0;
  const mayBegin = (): boolean =>
    !stop.aborted && performance.now() < endsAt && tally.failed - failedBefore < failuresMax;
  const lane = async (): Promise<void> => {
    while (mayBegin()) {
      while (next < runs && tally.has(next)) next++;
      const place = next++;
      if (place >= runs) return;
      const task = taskAt(plan, place);
      const outcome = await outcomeOf(runner, task, stop);
      if (outcome === null) return;
      tally.add(place, outcome);
      state?.append({ place, atMs: msBefore + performance.now() - startedAt, outcome });
      if (outcome.failure !== null) progress.say(failureText(outcome, task));
      progress.ended({ done: tally.done, runs, failed: tally.failed }, task);
    }
  };
  const interrupted = (): void => void runner.close();
  stop.addEventListener('abort', interrupted, { once: true });
  try {
    await Promise.all(Array.from({ length: Math.min(sitting.jobs, runs) }, lane));
  } finally {
    stop.removeEventListener('abort', interrupted);
    await runner.close();
    progress.say('');
  }
  if (tally.done === runs) return 'complete';
  if (stop.aborted) return 'interrupted';
  return tally.failed - failedBefore >= failuresMax ? 'failures' : 'budget';
}

/** Null when the run was given up because a person interrupted. */
async function outcomeOf(
  runner: SeedRunner,
  task: SeedTask,
  stop: AbortSignal,
): Promise<SeedOutcome | null> {
  try {
    return await runner.run(task);
  } catch (error) {
    if (stop.aborted) return null;
    throw error;
  }
}

/** Megabytes of a worker's young generation; V8 takes a third of it for each half-space. */
const YOUNG_SPACE_MB = 96;

/** Worker threads that run seeds side by side. */
export function threads(jobs: number): SeedRunner {
  const pool = new Piscina({
    filename: new URL('./simulate-worker.js', import.meta.url).href,
    minThreads: jobs,
    maxThreads: jobs,
    recordTiming: false,
    // Most of what a run allocates is dead at once: a larger young space collects it less often.
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_SPACE_MB },
  });
  let closing: Promise<void> | null = null;
  return {
    run: (task) => pool.run(task, { name: 'runSeed' }) as Promise<SeedOutcome>,
    close: () => {
      closing ??= pool.destroy();
      return closing;
    },
  };
}

/** Runs seeds in this thread: for a single one, threads cost more than they bring. */
export const RIGHT_HERE: SeedRunner = {
  run: async (task) => runSeed(task),
  close: async () => {},
};
