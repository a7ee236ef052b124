import { protocolNamed } from '@quorate/kv-server';
import {
  type HostFaultKind,
  type HostRunResult,
  type ProtocolRules,
  RULES_OF_ALL,
  runHosts,
} from '@quorate/simulator';
import { UsageError } from '../errors.ts';

/** One seed to run; plain data, so that it crosses to a worker thread. */
export interface SeedTask {
  readonly protocol: string;
  readonly seed: number;
  readonly nodes?: number;
  readonly faults?: readonly HostFaultKind[];
  readonly drop?: readonly number[];
  /** Runs it a second time, with a trace, and compares the hashes (C12). */
  readonly twice?: boolean;
}

/** What came out of a seed, with the real time that it took. */
export interface SeedOutcome extends HostRunResult {
  readonly elapsedMs: number;
}

/** What may be checked of each protocol beyond agreement. */
const RULES: Readonly<Record<string, ProtocolRules>> = {
  raft: { oneLeaderPerRound: true, oneVotePerRound: true, leadsFrom: 'elected' },
  zab: { oneLeaderPerRound: true, oneVotePerRound: false, leadsFrom: 'serving' },
};

/** Runs one seed to its end; the entry of the worker threads. */
export function runSeed(task: SeedTask, onTrace?: (line: string) => void): SeedOutcome {
  const protocol = protocolNamed(task.protocol);
  if (protocol === null) throw new UsageError(`--protocol ${task.protocol}: not known`);
  const { seed, nodes, faults, drop } = task;
  const options = {
    ...{ protocol, seed, rules: RULES[task.protocol] ?? RULES_OF_ALL },
    ...(nodes === undefined ? {} : { nodes }),
    ...(faults === undefined ? {} : { faults }),
    ...(drop === undefined ? {} : { drop }),
  };
  const startedAt = performance.now();
  const result = runHosts(onTrace === undefined ? options : { ...options, onTrace });
  const elapsedMs = performance.now() - startedAt;
  if (!task.twice || result.failure !== null) return { ...result, elapsedMs };
  const again = runHosts({ ...options, traceEventsMax: 0, onTrace: () => undefined });
  if (again.hash === result.hash) return { ...result, elapsedMs };
  const message = `C12: the second run of this seed ends with ${again.hash}, not ${result.hash}`;
  return { ...result, elapsedMs, failure: { invariant: 'C12', message, lastEvents: [] } };
}
