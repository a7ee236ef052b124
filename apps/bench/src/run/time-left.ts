import type { RunPlan } from './plan.ts';

/** Starting replicas, connecting, reading back, checking, stopping: about this long a block. */
const OVERHEAD_MS = 4_000;

/** How long one block of a protocol is expected to take, before any was seen. */
export function estimateBlockMs({ scenario, faults }: RunPlan, protocol: string): number {
  const { load, probe } = scenario;
  const steps =
    load === undefined ? 0 : ((load.mode === 'closed' ? load.inFlight : load.rates) ?? [0]).length;
  const loadMs = steps * (load?.secondsEach ?? 0) * 1000;
  const isProbed = faults.length > 0 && protocol !== 'none';
  const lastFaultMs = Math.max(
    0,
    ...faults.map((fault) => {
      const { action, atMs, times, everyMs } = fault;
      const healsMs =
        action.kind === 'kill'
          ? (action.restartAfterMs ?? 0)
          : 'forMs' in action
            ? action.forMs
            : 0;
      return atMs + (times - 1) * (everyMs ?? 0) + healsMs;
    }),
  );
  return loadMs + (isProbed ? lastFaultMs + probe.settle : 0) + OVERHEAD_MS;
}

/**
 * The time left: what the remaining blocks are expected to take, corrected by how the finished ones
 * compared with what was expected of them.
 */
export function timeLeftMs(
  finished: readonly { readonly expectedMs: number; readonly tookMs: number }[],
  remainingExpectedMs: number,
): number {
  const expected = finished.reduce((sum, { expectedMs }) => sum + expectedMs, 0);
  const took = finished.reduce((sum, { tookMs }) => sum + tookMs, 0);
  return remainingExpectedMs * (expected === 0 ? 1 : took / expected);
}
