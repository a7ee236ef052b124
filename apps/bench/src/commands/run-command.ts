import { ExitCode } from '../errors.ts';
import type { RunFlags } from '../run/flags.ts';
import { makePlan } from '../run/make-plan.ts';
import { ScenarioRun } from '../run/run-scenario.ts';
import { findScenario } from '../scenario/catalogue.ts';
import { loadScenario } from '../scenario/load-scenario.ts';
import { storyCommand } from '../stories/story-command.ts';
import { Progress } from '../terminal/progress.ts';
import { printSummary } from '../terminal/summary.ts';

/**
 * Carries out `quorate run`; resolves with the exit code. Throws `UsageError` before anything is
 * started. The first Ctrl-C stops the replicas in order and keeps what is finished; a second one
 * ends the command at once, and the reaper does the rest.
 */
export async function runCommand(
  file: string,
  flags: RunFlags,
  command: readonly string[],
): Promise<number> {
  const loaded = loadScenario(findScenario(file));
  if (loaded.scenario.story !== undefined) return storyCommand(loaded, flags);
  const plan = makePlan(loaded, flags, command);
  const progress = new Progress();
  const run = new ScenarioRun(plan, progress);
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (++signals > 1) process.exit(ExitCode.interrupted);
    progress.line(`${signal}: stopping all replicas`);
    run.stop({ reason: 'signal', message: `ended by ${signal}` });
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const watchdog = setTimeout(() => {
    const minutes = (plan.scenario.deadline / 60_000).toFixed(1);
    run.stop({ reason: 'deadline', message: `not finished within ${minutes} minutes` });
  }, plan.scenario.deadline);
  try {
    const finished = await run.run();
    progress.end();
    printSummary(finished.run, finished.folder, plan.json);
    return finished.exitCode;
  } finally {
    clearTimeout(watchdog);
    progress.end();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}
