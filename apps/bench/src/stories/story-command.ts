import { mkdirSync } from 'node:fs';
import { UsageError } from '../errors.ts';
import type { RunFlags } from '../run/flags.ts';
import type { LoadedScenario } from '../scenario/load-scenario.ts';
import { Progress } from '../terminal/progress.ts';
import { mergeResult, readResults, writeResults } from './results-file.ts';
import { setLine, storyText } from './story-lines.ts';
import { planStory, type StoryPlan } from './story-plan.ts';
import { type SetTrials, type StoryResult, storyExitCode, storyResult } from './story-result.ts';
import { runTrial, type TrialResult } from './story-trial.ts';

const RESULTS_FOLDER = 'results';

/**
 * Carries out `quorate run` for a scenario with a story: 0 when all statements hold, 1 when one is
 * broken, 2 when one is undecided, 3 when an invariant is violated.
 */
export function storyCommand(loaded: LoadedScenario, flags: RunFlags): number {
  const plan = planStory(loaded, flags);
  const { table } = plan.story;
  if (flags.record && table === undefined) {
    throw new UsageError(`--record: ${plan.scenario.name} names no table that it belongs to`);
  }
  const path = flags.record ? `${RESULTS_FOLDER}/${table}.json` : null;
  if (path !== null) mkdirSync(RESULTS_FOLDER, { recursive: true });
  const progress = new Progress();
  // Recorded set by set: what an interrupted run has finished is kept.
  const result = runStory(plan, (set, remark) => {
    for (const one of set.sets) progress.line(`${setLine(one)}${remark}`);
    if (path !== null) writeResults(path, mergeResult(readResults(path), set));
  });
  progress.end();
  if (path !== null) writeResults(path, mergeResult(readResults(path), result));
  const colours = process.stderr.isTTY === true && !process.env.NO_COLOR;
  process.stderr.write(storyText(result, colours));
  if (flags.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  return storyExitCode(result);
}

/** Told of each set as it ends: the story as if it had this set alone, and what to add. */
export type SetEnded = (result: StoryResult, remark: string) => void;

/** Runs every trial of every set, one after the other. */
export function runStory(plan: StoryPlan, onSet: SetEnded = () => {}): StoryResult {
  const all: SetTrials[] = [];
  for (const set of plan.sets) {
    const results: TrialResult[] = [];
    const trials = Math.min(plan.story.trials, set.trialsMax ?? plan.story.trials);
    for (let trial = 1; trial <= trials; trial++) results.push(runTrial(plan, set, trial));
    const one = { set, results };
    all.push(one);
    const excluded = results.find((result) => result.kind === 'excluded');
    onSet(storyResult(plan, [one]), excluded === undefined ? '' : ` (${excluded.reason})`);
  }
  return storyResult(plan, all);
}
