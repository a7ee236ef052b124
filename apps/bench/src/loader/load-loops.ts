import { GET, type OpenLoopPlan, OperationSource, type WorkloadOptions } from '@quorate/workload';
import type { LoaderWorld } from './loader-world.ts';
import type { OperationRunner } from './operation-runner.ts';

/** What a loop came to, beside what stands in the log. */
export interface LoopResult {
  readonly startMicros: number;
  readonly endMicros: number;
  readonly starts: number;
  /** Null where no start can be late: on virtual time, and in a closed loop of it. */
  readonly missedStarts: number | null;
  readonly worstStartLateMicros: number | null;
}

/**
 * A start later than this after its intended time counts as missed. Lateness is never hidden, as
 * latency counts from the intended start; the question is whose it is. On a machine that runs the
 * generator beside the replicas, a ready thread waits for one or two scheduling turns of its
 * neighbours (3 to 4 ms each with the default Linux scheduler), as a client of the service would;
 * beyond that the generator itself has stalled.
 */
const MISSED_START_MICROS = 10_000;
/** After the last start, how long the loop waits for operations to end, and how often it looks. */
const DRAIN_MICROS = 10_000_000;
const DRAIN_LOOK_MICROS = 2_000;

/**
 * Runs a drawn open loop: each operation starts at its own time, whatever became of the others.
 * Resolves when all have ended, or the drain limit has passed.
 */
export function runOpenLoop(
  runner: OperationRunner,
  world: LoaderWorld,
  plan: OpenLoopPlan,
  phase: number,
): Promise<LoopResult> {
  const startMicros = world.now() + 1000;
  let next = 0;
  let missed = 0;
  let worst = 0;
  return new Promise((resolve) => {
    const finish = (): void => {
      const isReal = world.health !== null;
      resolve({
        startMicros,
        endMicros: world.now(),
        starts: plan.count,
        missedStarts: isReal ? missed : null,
        worstStartLateMicros: isReal ? worst : null,
      });
    };
    const drain = (since: number): void => {
      if (runner.inFlight === 0 || world.now() - since > DRAIN_MICROS) finish();
      else world.wake(world.now() + DRAIN_LOOK_MICROS, () => drain(since));
    };
    const turn = (): void => {
      while (next < plan.count) {
        const intended = startMicros + (plan.startMicros[next] as number);
        const late = world.now() - intended;
        if (late < 0) break;
        if (late > MISSED_START_MICROS) missed++;
        if (late > worst) worst = late;
        const key = plan.keys[next] as number;
        const write = plan.writeNumbers[next] as number;
        const client = plan.clients[next] as number;
        runner.start(phase, plan.kinds[next] as number, key, write, client, intended, null);
        next++;
      }
      if (next >= plan.count) drain(world.now());
      else world.wake(startMicros + (plan.startMicros[next] as number), turn);
    };
    turn();
  });
}

/**
 * Keeps `inFlight` operations going: each that ends is followed by the next one of its client.
 * Resolves when the time is over and all have ended.
 */
export function runClosedLoop(
  runner: OperationRunner,
  world: LoaderWorld,
  options: WorkloadOptions,
  durationMs: number,
  phase: number,
): Promise<LoopResult & { readonly nextWriteNumber: number }> {
  const source = new OperationSource(options);
  const startMicros = world.now();
  const stopMicros = startMicros + durationMs * 1000;
  let starts = 0;
  let open = 0;
  return new Promise((resolve) => {
    const start = (client: number): void => {
      source.draw(client);
      starts++;
      open++;
      runner.start(phase, source.kind, source.key, source.writeNumber, client, 0, () => {
        open--;
        if (world.now() < stopMicros) start(client);
        else if (open === 0) finish();
      });
    };
    const finish = (): void => {
      const { nextWriteNumber } = source;
      const never = world.health === null ? null : 0;
      const late = { missedStarts: never, worstStartLateMicros: never };
      resolve({ startMicros, endMicros: world.now(), starts, ...late, nextWriteNumber });
    };
    for (let client = 0; client < options.clients; client++) start(client);
  });
}

/** Reads every key once, a bounded number at a time; gives the revisions found, -1 for none. */
export function readBackKeys(
  runner: OperationRunner,
  keys: number,
  phase: number,
  inFlightMax: number,
): Promise<Float64Array> {
  const revisions = new Float64Array(keys).fill(-1);
  if (keys === 0) return Promise.resolve(revisions);
  let next = 0;
  let open = 0;
  return new Promise((resolve) => {
    const start = (): void => {
      const key = next++;
      open++;
      runner.start(phase, GET, key, 0xffff_ffff, key, 0, (result) => {
        open--;
        if (result.outcome === 'ok') revisions[key] = result.revision;
        if (next < keys) start();
        else if (open === 0) resolve(revisions);
      });
    };
    while (next < keys && open < inFlightMax) start();
  });
}
