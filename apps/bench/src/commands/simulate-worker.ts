import { protocolNamed } from '@quorate/kv-server';
import { multiPaxosRules, raftRules, zabRules } from '@quorate/protocol-rules';
import {
  type HostFaultKind,
  type HostRunResult,
  type ProtocolRules,
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

type AnyRules = ProtocolRules<unknown>;
/** What each protocol must never do; the casts forget the message types, as those of engines do. */
const RULES: ReadonlyMap<string, AnyRules> = new Map([
  ['raft', raftRules as unknown as AnyRules],
  ['multi-paxos', multiPaxosRules as unknown as AnyRules],
  ['zab', zabRules as unknown as AnyRules],
]);

/** Runs one seed to its end; the entry of the worker threads. */
export function runSeed(task: SeedTask, onTrace?: (line: string) => void): SeedOutcome {
  const protocol = protocolNamed(task.protocol);
  if (protocol === null) throw new UsageError(`--protocol ${task.protocol}: not known`);
  const { seed, nodes, faults, drop } = task;
  const rules = RULES.get(task.protocol);
  const options = {
    ...{ protocol, seed },
    ...(rules === undefined ? {} : { rules }),
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
