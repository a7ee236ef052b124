import { type RunProtocol, type SeriesRow, summariseFailovers } from '@quorate/report';
import type { BlockResult } from './block.ts';
import type { BlockVerdict } from './judge-block.ts';
import { mergeLatencies } from './merge-latencies.ts';
import { nodesFor, type RunPlan } from './plan.ts';
import {
  costOf,
  countsOf,
  type Machine,
  pointsOf,
  replicasOf,
  throughputOf,
} from './protocol-figures.ts';

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

const LOST_EXAMPLES_MAX = 10;

/** Joins the blocks of one protocol: histograms are merged, percentiles never averaged. */
export function assembleProtocol(
  plan: RunPlan,
  name: string,
  judged: readonly JudgedBlock[],
  target: { readonly folder: string; readonly machine: Machine },
): AssembledProtocol {
  const { folder, machine } = target;
  const used = blocksThatCount(judged);
  const blocks = used.map(({ block }) => block);
  const clock = plan.scenario.load?.mode === 'closed' ? 'send' : 'intendedStart';
  const files = blocks.map(({ figuresFile }) => figuresFile);
  const { latencyMs, hlogs, series } = mergeLatencies(files, { protocol: name, folder, clock });
  const failovers = used.flatMap(({ verdict }) => verdict.failovers);
  const protocol: RunProtocol = {
    name,
    target: 'quorate',
    variants: { ...(blocks[0]?.variants ?? {}) },
    labels: labelsThatDiffer(plan, name),
    blocks: judged.map(({ block, voidReason }) => ({
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
    throughput: throughputOf(blocks),
    operations: countsOf(blocks),
    latencyMs,
    points: pointsOf(blocks, machine),
    faults: used.flatMap(({ verdict }) => verdict.faults),
    failovers,
    failover: summariseFailovers(failovers),
    cost: costOf(blocks, { name, nodes: nodesFor(plan.scenario, name) }),
    replicas: replicasOf(blocks),
    // A void block has no figures, but what it did wrong is wrong.
    verdicts: { ...joinVerdicts(judged.map(({ verdict }) => verdict)), slo: [] },
  };
  return { protocol, series, hlogs };
}

/** The blocks that are not void; when all are, the last try of each, so that figures exist. */
function blocksThatCount(judged: readonly JudgedBlock[]): readonly JudgedBlock[] {
  const sound = judged.filter(({ voidReason }) => voidReason === null);
  if (sound.length > 0) return sound;
  return [...new Map(judged.map((one) => [one.block.index, one])).values()];
}

/** What the histories of several blocks say together: the worst of them. */
export function joinVerdicts(
  verdicts: readonly BlockVerdict[],
): Omit<RunProtocol['verdicts'], 'slo'> {
  const failing = verdicts.find(({ linearizable }) => linearizable === false);
  const open = verdicts.find(({ linearizable }) => linearizable === null);
  const remark = verdicts.find(({ reason }) => reason !== null);
  return {
    linearizable: failing ? false : open || verdicts.length === 0 ? null : true,
    linearizableReason: (failing ?? open ?? remark)?.reason ?? remark?.reason ?? null,
    checkedOperations: sum(verdicts.map((verdict) => verdict.checkedOperations)),
    ackedWrites: sum(verdicts.map((verdict) => verdict.ackedWrites)),
    ackedLost: lostOrUnknown(verdicts.map((verdict) => verdict.ackedLost)),
    lostExamples: verdicts
      .flatMap((verdict) => [...verdict.lostExamples])
      .slice(0, LOST_EXAMPLES_MAX),
    smallestFailingHistory: failing?.smallestFailingHistory ?? null,
  };
}

/** What is known to be lost counts; without any, one unknown makes the sum unknown. */
function lostOrUnknown(values: readonly (number | null)[]): number | null {
  const known = sum(values.map((value) => value ?? 0));
  return values.includes(null) && known === 0 ? null : known;
}

function labelsThatDiffer(plan: RunPlan, name: string): Record<string, unknown> {
  const nodes = nodesFor(plan.scenario, name);
  return nodes === plan.scenario.nodes ? {} : { nodes };
}

function relative(folder: string, file: string): string {
  return file.slice(folder.length + 1);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
