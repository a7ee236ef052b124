import { protocolNamed } from '@quorate/kv-server';
import {
  type HostFaultKind,
  type HostRunOptions,
  type HostRunResult,
  runHosts,
} from '@quorate/simulator';
import { UsageError } from '../errors.ts';
import { rulesOf } from '../sim/protocol-rules.ts';

/** What is asked of every seed of a campaign; what is not given is drawn from the seed. */
export interface SeedSettings {
  readonly nodes?: number;
  readonly clients?: number;
  /** The length of the phase with faults; 60 when not given. */
  readonly untilSeconds?: number;
  readonly faults?: readonly HostFaultKind[];
  readonly drop?: readonly number[];
  /** Runs it a second time, with a trace, and compares the hashes (C12). */
  readonly twice?: boolean;
}

/** One seed to run; plain data, so that it crosses to a worker thread. */
export interface SeedTask extends SeedSettings {
  readonly protocol: string;
  readonly seed: number;
}

/** What came out of a seed, with the real time that its first run took. */
export interface SeedOutcome extends HostRunResult {
  readonly elapsedMs: number;
  /** The hash of the second run; null unless it was asked for. */
  readonly hashAgain: string | null;
}

/** Where the events of a run go. */
export type TraceSinks = Pick<HostRunOptions<unknown>, 'onTrace' | 'causalTrace'>;

/** Runs one seed to its end; the entry of the worker threads. */
export function runSeed(task: SeedTask, sinks: TraceSinks = {}): SeedOutcome {
  const protocol = protocolNamed(task.protocol);
  if (protocol === null) throw new UsageError(`--protocol ${task.protocol}: not known`);
  const { seed, nodes, clients, untilSeconds, faults, drop } = task;
  const rules = rulesOf(task.protocol);
  const options = {
    ...{ protocol, seed },
    ...(rules === null ? {} : { rules }),
    ...(nodes === undefined ? {} : { nodes }),
    ...(clients === undefined ? {} : { swarm: { clients } }),
    ...(untilSeconds === undefined ? {} : { safetyMicros: untilSeconds * 1e6 }),
    ...(faults === undefined ? {} : { faults }),
    ...(drop === undefined ? {} : { drop }),
  };
  const startedAt = performance.now();
  const result = runHosts({ ...options, ...sinks });
  const elapsedMs = performance.now() - startedAt;
  if (!task.twice) return { ...result, elapsedMs, hashAgain: null };
  const { hash: hashAgain } = runHosts({ ...options, traceEventsMax: 0, onTrace: () => undefined });
  const outcome = { ...result, elapsedMs, hashAgain };
  if (hashAgain === result.hash || result.failure !== null) return outcome;
  const message = `C12: the second run of this seed ends with ${hashAgain}, not ${result.hash}`;
  return { ...outcome, failure: { invariant: 'C12', message, lastEvents: [] } };
}
