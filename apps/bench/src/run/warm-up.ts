import type { PhasePlan } from '../loader/messages.ts';
import type { Scenario } from '../scenario/schema.ts';
import type { Progress } from '../terminal/progress.ts';
import type { LoaderHandle } from './loader-handle.ts';

const STEP_MS = 500;
/** Two medians this close together count as steady. */
const STEADY_RATIO = 1.15;

/**
 * Runs load that no figure counts until the median latency of one step is close to that of the step
 * before, or the limit is reached: compilers have compiled, connections stand. Returns its length.
 */
export async function warmUp(
  loader: LoaderHandle,
  scenario: Scenario,
  progress: Progress,
): Promise<number> {
  const { load, probe } = scenario;
  const limitMs = scenario.warmupSecondsMax * 1000;
  const mix = load?.mix ?? probe.mix;
  progress.phase('warm-up', limitMs);
  let before = Number.POSITIVE_INFINITY;
  let spentMs = 0;
  for (let step = 0; spentMs < limitMs; step++) {
    const plan: PhasePlan = {
      name: `warm-up-${step}`,
      measured: false,
      mix,
      durationMs: Math.min(STEP_MS, limitMs - spentMs),
      load: warmUpLoad(scenario),
    };
    const summary = await loader.phase(plan, null);
    spentMs += plan.durationMs;
    const median = summary.quantilesMs.write?.p50 ?? summary.quantilesMs.read?.p50 ?? 0;
    const ratio = Math.max(median / before, before / median);
    if (ratio <= STEADY_RATIO) break;
    before = median;
  }
  return spentMs;
}

function warmUpLoad({ load, probe }: Scenario): PhasePlan['load'] {
  if (load?.mode === 'closed') {
    return { mode: 'closed', inFlight: Math.max(...(load.inFlight ?? [64])) };
  }
  const ratePerSecond = load === undefined ? probe.rate : Math.max(...(load.rates ?? [1000]));
  return { mode: 'open', arrival: 'poisson', ratePerSecond };
}
