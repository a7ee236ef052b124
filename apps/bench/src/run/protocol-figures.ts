import { createRandom } from '@quorate/foundation';
import { bootstrapInterval, meanOf, type RunOperation, type RunProtocol } from '@quorate/report';
import type { FigureKind, OutcomeCounts, PhaseSummary } from '../loader/messages.ts';
import type { BlockResult } from './block.ts';
import { expectedCost } from './expected-cost.ts';
import { cpuMicrosOf, type GaugePair } from './gauges.ts';
import { limitOf } from './limits.ts';

/** The kinds of operations that figures keep apart. */
export const FIGURE_KINDS: readonly FigureKind[] = ['write', 'read', 'cas', 'delete'];

const BOOTSTRAP_RESAMPLES = 2_000;

/** What the machine can do, against which limits are judged. */
export interface Machine {
  readonly cores: number;
  /** Median latency of a sync on the idle machine, in microseconds. */
  readonly syncMicros: number | null;
}

/** Sums over the measured phases: the load, or the probe where a scenario has faults alone. */
export function throughputOf(blocks: readonly BlockResult[]): RunProtocol['throughput'] {
  const perBlock = blocks.map(({ phases }) => {
    const measured = phases.filter((phase) => phase.measured);
    const seconds = sum(measured.map((phase) => (phase.endMicros - phase.startMicros) / 1e6));
    const weighted = (of: (phase: PhaseSummary) => number): number =>
      seconds === 0
        ? 0
        : sum(measured.map((p) => (of(p) * (p.endMicros - p.startMicros)) / 1e6)) / seconds;
    return {
      ops: weighted((phase) => phase.opsPerSecond),
      writes: weighted((phase) => phase.committedWritesPerSecond),
      offered: measured.every((phase) => phase.offeredPerSecond !== null)
        ? weighted((phase) => phase.offeredPerSecond ?? 0)
        : null,
    };
  });
  const [first] = perBlock;
  if (first === undefined) return null;
  const ops = perBlock.map((block) => block.ops);
  const interval =
    ops.length < 3
      ? null
      : bootstrapInterval({
          ...{ values: ops, statistic: meanOf, resamples: BOOTSTRAP_RESAMPLES },
          random: createRandom('throughput interval'),
        });
  return {
    offeredPerSecond:
      first.offered === null ? null : meanOf(perBlock.map((block) => block.offered ?? 0)),
    committedWritesPerSecond: meanOf(perBlock.map((block) => block.writes)),
    opsPerSecond: meanOf(ops),
    low95: interval?.low ?? null,
    high95: interval?.high ?? null,
  };
}

/** Ends by kind over all phases, the probe included. */
export function countsOf(blocks: readonly BlockResult[]): RunProtocol['operations'] {
  const phases = blocks.flatMap((block) => block.phases);
  const operations: RunProtocol['operations'] = {};
  for (const kind of FIGURE_KINDS) {
    const counts = phases.map((phase) => phase.operations[kind]);
    const total = addCounts(counts);
    if (total.ok + total.fail + total.info > 0) operations[kind] = total;
  }
  return operations;
}

function addCounts(counts: readonly OutcomeCounts[]): { ok: number; fail: number; info: number } {
  return {
    ok: sum(counts.map((one) => one.ok)),
    fail: sum(counts.map((one) => one.fail)),
    info: sum(counts.map((one) => one.info)),
  };
}

/** The load steps of all blocks, each with what held it back. */
export function pointsOf(blocks: readonly BlockResult[], machine: Machine): RunProtocol['points'] {
  const isRepeated = blocks.length > 1;
  return blocks.flatMap((block) =>
    block.phases.flatMap((phase) => {
      const replicas = block.stepGauges.get(phase.name);
      if (replicas === undefined) return []; // The probe is no step of a sweep.
      const inFlight = /^in-flight-(\d+)$/.exec(phase.name)?.[1];
      return {
        ratePerSecond: phase.offeredPerSecond,
        inFlight: inFlight === undefined ? null : Number(inFlight),
        opsPerSecond: phase.opsPerSecond,
        latencyMs: quantilesOf(phase),
        limitedBy: limitOf({ phase, replicas, ...machine }),
        ...(isRepeated ? { block: block.index } : {}),
      };
    }),
  );
}

function quantilesOf(phase: PhaseSummary): RunProtocol['points'][number]['latencyMs'] {
  const latencyMs: Partial<Record<RunOperation, { p50: number; p99: number; max: number }>> = {};
  for (const kind of FIGURE_KINDS) {
    const quantiles = phase.quantilesMs[kind];
    if (quantiles !== null) latencyMs[kind] = quantiles;
  }
  return latencyMs;
}

/**
 * What one committed write costs the leader and one follower: differences of counters over the
 * load. A replica that changed its role meanwhile is left out; without load there is no figure on a
 * machine, and in the simulator that of the probe. What the papers let it cost stands beside it.
 */
export function costOf(
  blocks: readonly BlockResult[],
  protocol: { readonly name: string; readonly nodes: number },
): RunProtocol['cost'] {
  const pairs = blocks.flatMap(({ gauges }) => gauges);
  const leader = costPerCommit(pairs.filter(({ leads }) => leads === true));
  const follower = costPerCommit(pairs.filter(({ leads }) => leads === false));
  if (leader === null && follower === null) return null;
  const applied = (name: 'commandsApplied' | 'entriesApplied'): number =>
    sum(pairs.map(({ before, after }) => after[name] - before[name]));
  const entries = applied('entriesApplied');
  const commandsPerEntry = entries <= 0 ? null : applied('commandsApplied') / entries;
  const { name, nodes } = protocol;
  const expected = commandsPerEntry === null ? null : expectedCost(name, nodes, commandsPerEntry);
  return { leader, follower, commandsPerEntry, expected };
}

function costPerCommit(
  pairs: readonly GaugePair[],
): NonNullable<NonNullable<RunProtocol['cost']>['leader']> | null {
  const commits = sum(
    pairs.map(({ before, after }) => after.commandsApplied - before.commandsApplied),
  );
  if (commits <= 0) return null;
  const cpu = pairs.map(cpuMicrosOf);
  const per = (value: (gauges: GaugePair['before']) => number): number =>
    sum(pairs.map(({ before, after }) => Math.max(0, value(after) - value(before)))) / commits;
  return {
    messagesPerCommit: per((gauges) => gauges.peerMessagesSent),
    bytesPerCommit: per((gauges) => gauges.peerBytesSent),
    fsyncsPerCommit: per((gauges) => gauges.walSyncs),
    cpuUsPerCommit: cpu.includes(null) ? null : sum(cpu.map((micros) => micros ?? 0)) / commits,
  };
}

/**
 * The health of each replica: the worst over all blocks, after the load and at the end. The process
 * id is the last one; a replica that was killed had others before, which stand in the evidence.
 */
export function replicasOf(blocks: readonly BlockResult[]): RunProtocol['replicas'] {
  const nodes = new Map<number, RunProtocol['replicas'][number]>();
  for (const block of blocks) {
    const loaded = block.gauges.map(({ node, after }) => ({ node, gauges: after }));
    for (const { node, gauges } of [...loaded, ...block.finalGauges]) {
      const worst = nodes.get(node);
      nodes.set(node, {
        node,
        pid: block.pids.get(node) ?? null,
        eventLoopDelayP99Ms: worse(gauges.eventLoopDelayP99Ms, worst?.eventLoopDelayP99Ms),
        gcMaxMs: worse(gauges.gcMaxMs, worst?.gcMaxMs),
        rssMaxBytes: worse(gauges.rssBytes, worst?.rssMaxBytes),
      });
    }
  }
  return [...nodes.values()].sort((a, b) => a.node - b.node);
}

/** The larger of two figures, of which either may be absent. */
function worse(one: number | null, other: number | null | undefined): number | null {
  return one === null ? (other ?? null) : Math.max(one, other ?? 0);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
