import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRandom } from '@quorate/foundation';
import {
  bootstrapInterval,
  LatencyHistogram,
  meanOf,
  type RunOperation,
  type RunProtocol,
  type SeriesRow,
  summariseFailovers,
} from '@quorate/report';
import type { FigureKind, Figures, OutcomeCounts, PhaseSummary } from '../loader/messages.ts';
import type { BlockResult, GaugePair } from './block.ts';
import type { BlockVerdict } from './judge-block.ts';
import { nodesFor, type RunPlan } from './plan.ts';

/** A block with what its history says. */
export interface JudgedBlock {
  readonly block: BlockResult;
  readonly verdict: BlockVerdict;
  /** Null for a block that counts. */
  readonly voidReason: string | null;
}

/** One protocol's part of the run, with its windows and histogram files. */
export interface AssembledProtocol {
  readonly protocol: RunProtocol;
  readonly series: readonly SeriesRow[];
  readonly hlogs: readonly string[];
}

const KINDS: readonly FigureKind[] = ['write', 'read', 'cas', 'delete'];
const BOOTSTRAP_RESAMPLES = 2_000;

/** Joins the blocks of one protocol: histograms are merged, percentiles never averaged. */
export function assembleProtocol(
  plan: RunPlan,
  name: string,
  blocks: readonly JudgedBlock[],
  folder: string,
): AssembledProtocol {
  const counted = blocks.filter(({ voidReason }) => voidReason === null);
  const used = counted.length > 0 ? counted : blocks;
  const figures = used.map(({ block }) => readFigures(block.figuresFile));
  const clock = plan.scenario.load?.mode === 'closed' ? 'send' : 'intendedStart';
  const latency = mergeLatencies(name, figures, folder, clock);
  const verdicts = used.map(({ verdict }) => verdict);
  const first = used[0];
  const protocol: RunProtocol = {
    name,
    target: 'quorate',
    variants: { ...(first?.block.variants ?? {}) },
    labels: labelsThatDiffer(plan, name),
    blocks: blocks.map(({ block, voidReason }) => ({
      index: block.index,
      order: block.order,
      status: voidReason === null ? 'ok' : 'void',
      voidReason,
      startMs: block.startMs,
      durationMs: block.durationMs,
      warmupMs: block.warmupMs,
      history: relative(folder, block.historyFile),
      events: 'events.ndjson.gz',
    })),
    throughput: throughputOf(used.map(({ block }) => block)),
    operations: countsOf(used.flatMap(({ block }) => block.phases)),
    latencyMs: latency.latencyMs,
    points: used.flatMap(({ block }) => pointsOf(plan, block, used.length)),
    faults: verdicts.flatMap((verdict) => verdict.faults),
    failovers: verdicts.flatMap((verdict) => verdict.failovers),
    failover: summariseFailovers(verdicts.flatMap((verdict) => verdict.failovers)),
    cost: costOf(used.map(({ block }) => block)),
    replicas: replicasOf(used.map(({ block }) => block)),
    verdicts: {
      linearizable: allTrue(verdicts.map((verdict) => verdict.linearizable)),
      linearizableReason: verdicts.find((verdict) => verdict.reason !== null)?.reason ?? null,
      checkedOperations: sum(verdicts.map((verdict) => verdict.checkedOperations)),
      ackedWrites: sum(verdicts.map((verdict) => verdict.ackedWrites)),
      ackedLost: sumOrNull(verdicts.map((verdict) => verdict.ackedLost)),
      lostExamples: verdicts.flatMap((verdict) => [...verdict.lostExamples]).slice(0, 10),
      smallestFailingHistory:
        verdicts.find((verdict) => verdict.smallestFailingHistory !== null)
          ?.smallestFailingHistory ?? null,
      slo: [],
    },
  };
  return {
    protocol,
    series: figures.flatMap((figure) => [...figure.series]),
    hlogs: latency.hlogs,
  };
}

function readFigures(file: string): Figures {
  return JSON.parse(readFileSync(file, 'utf8')) as Figures;
}

function relative(folder: string, file: string): string {
  return file.slice(folder.length + 1);
}

function mergeLatencies(
  name: string,
  figures: readonly Figures[],
  folder: string,
  clock: 'intendedStart' | 'send',
): {
  latencyMs: RunProtocol['latencyMs'];
  hlogs: string[];
} {
  const latencyMs: RunProtocol['latencyMs'] = {};
  const hlogs: string[] = [];
  for (const operation of KINDS) {
    const merged = LatencyHistogram.create();
    for (const figure of figures) {
      for (const part of figure.histograms) {
        if (!part.measured || part.kind !== operation) continue;
        const histogram = LatencyHistogram.fromHlog(part.hlog);
        if (histogram !== null) merged.merge(histogram);
        histogram?.destroy();
      }
    }
    if (merged.count > 0) {
      const hlog = `histograms/${name}-${operation}.hlog`;
      writeFileSync(join(folder, hlog), merged.toHlog(`${name}-${operation}`, 0, 0));
      const summary = merged.summary(clock, hlog);
      if (summary !== null) latencyMs[operation] = summary;
      hlogs.push(hlog);
    }
    merged.destroy();
  }
  return { latencyMs, hlogs };
}

function labelsThatDiffer(plan: RunPlan, name: string): Record<string, unknown> {
  const nodes = nodesFor(plan.scenario, name);
  return nodes === plan.scenario.nodes ? {} : { nodes };
}

/** Sums over the measured phases: the load, or the probe where a scenario has faults alone. */
function throughputOf(blocks: readonly BlockResult[]): RunProtocol['throughput'] {
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

function countsOf(phases: readonly PhaseSummary[]): RunProtocol['operations'] {
  const operations: RunProtocol['operations'] = {};
  for (const kind of KINDS) {
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

function pointsOf(plan: RunPlan, block: BlockResult, blocks: number): RunProtocol['points'] {
  if (plan.scenario.load === undefined) return [];
  return block.phases
    .filter((phase) => phase.measured)
    .map((phase) => {
      const latencyMs: Partial<Record<RunOperation, { p50: number; p99: number; max: number }>> =
        {};
      for (const kind of KINDS) {
        const quantiles = phase.quantilesMs[kind];
        if (quantiles !== null) latencyMs[kind] = quantiles;
      }
      const inFlight = /^in-flight-(\d+)$/.exec(phase.name)?.[1];
      return {
        ratePerSecond: phase.offeredPerSecond,
        inFlight: inFlight === undefined ? null : Number(inFlight),
        opsPerSecond: phase.opsPerSecond,
        latencyMs,
        limitedBy: limitOf(phase, block),
        ...(blocks > 1 ? { block: block.index } : {}),
      };
    });
}

const GENERATOR_BUSY_SHARE = 0.85;
const FOLLOWED_SHARE = 0.97;

/** What held a step back, as far as the counters show it; null when it kept up. */
function limitOf(phase: PhaseSummary, block: BlockResult): string | null {
  const offered = phase.offeredPerSecond;
  if (offered !== null && phase.opsPerSecond >= offered * FOLLOWED_SHARE) return null;
  if (block.loaderCpuShare > GENERATOR_BUSY_SHARE) return 'generator CPU';
  return offered === null ? null : 'the service fell behind the offered rate';
}

/** Differences of counters over the measured load, per committed write. */
function costOf(blocks: readonly BlockResult[]): RunProtocol['cost'] {
  const of = (leads: boolean) => {
    const pairs = blocks.flatMap(({ gauges }) => gauges.filter((pair) => pair.leads === leads));
    const commits = sum(
      pairs.map(({ before, after }) => after.commandsApplied - before.commandsApplied),
    );
    if (commits === 0) return null;
    const per = (value: (gauges: GaugePair['before']) => number): number =>
      sum(pairs.map(({ before, after }) => Math.max(0, value(after) - value(before)))) / commits;
    return {
      messagesPerCommit: per((gauges) => gauges.peerMessagesSent),
      bytesPerCommit: per((gauges) => gauges.peerBytesSent),
      fsyncsPerCommit: per((gauges) => gauges.walSyncs),
      cpuUsPerCommit: per((gauges) => gauges.cpuUserMicros + gauges.cpuSystemMicros),
    };
  };
  const leader = of(true);
  const follower = of(false);
  return leader === null && follower === null ? null : { leader, follower };
}

function replicasOf(blocks: readonly BlockResult[]): RunProtocol['replicas'] {
  const nodes = new Map<number, RunProtocol['replicas'][number]>();
  for (const block of blocks) {
    for (const { node, after } of block.gauges) {
      const before = nodes.get(node);
      nodes.set(node, {
        node,
        pid: block.pids.get(node) ?? null,
        eventLoopDelayP99Ms: Math.max(after.eventLoopDelayP99Ms, before?.eventLoopDelayP99Ms ?? 0),
        gcMaxMs: Math.max(after.gcMaxMs, before?.gcMaxMs ?? 0),
        rssMaxBytes: Math.max(after.rssBytes, before?.rssMaxBytes ?? 0),
      });
    }
  }
  return [...nodes.values()].sort((a, b) => a.node - b.node);
}

/** False wins over unknown, unknown over true. */
function allTrue(values: readonly (boolean | null)[]): boolean | null {
  if (values.includes(false)) return false;
  return values.includes(null) || values.length === 0 ? null : true;
}

function sumOrNull(values: readonly (number | null)[]): number | null {
  const known = sum(values.map((value) => value ?? 0));
  return values.includes(null) && known === 0 ? null : known;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
