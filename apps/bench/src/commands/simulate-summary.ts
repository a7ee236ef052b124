import { PROBES, type Probe } from '@quorate/simulator';
import Table from 'cli-table3';
import type { SeedOutcome, SeedTask } from './simulate-worker.ts';

/** A campaign of fewer seeds a protocol is not expected to reach every probe. */
const SEEDS_FOR_PROBES = 100;

/** Totals of a campaign, as one line of `results/simulation.ndjson` has them. */
export interface CampaignTotals {
  readonly protocols: readonly string[];
  readonly seeds: number;
  readonly failed: number;
  readonly events: number;
  readonly operations: number;
  readonly commits: number;
  readonly framesDelivered: number;
  readonly simulatedHours: number;
  readonly realSeconds: number;
  readonly seedsPerSecond: number;
  /** Messages between replicas that one core delivered in a second, everything included. */
  readonly framesPerCoreSecond: number;
  /** A hash over the hashes of all seeds in order: equal for equal campaigns. */
  readonly hash: string;
  readonly probes: Readonly<Record<Probe, number>>;
  readonly probesMissed: readonly Probe[];
}

/** Adds up what a campaign did; `outcomes` in the order of their tasks. */
export function totalsOf(outcomes: readonly SeedOutcome[], realSeconds: number): CampaignTotals {
  const sum = (of: (outcome: SeedOutcome) => number): number =>
    outcomes.reduce((total, outcome) => total + of(outcome), 0);
  const framesDelivered = sum((o) => o.framesDelivered);
  const probes = Object.fromEntries(
    PROBES.map((probe) => [probe, sum((o) => o.probes[probe])]),
  ) as Record<Probe, number>;
  const protocols = [...new Set(outcomes.map(({ protocol }) => protocol))];
  const enough = outcomes.length >= SEEDS_FOR_PROBES * Math.max(1, protocols.length);
  return {
    protocols,
    seeds: outcomes.length,
    failed: outcomes.filter(({ failure }) => failure !== null).length,
    events: sum((o) => o.events),
    operations: sum((o) => o.operations),
    commits: sum((o) => o.commits),
    framesDelivered,
    simulatedHours: rounded(sum((o) => o.simulatedMicros) / 3.6e9, 3),
    realSeconds: rounded(realSeconds, 1),
    seedsPerSecond: rounded(outcomes.length / realSeconds, 2),
    framesPerCoreSecond: Math.round((1000 * framesDelivered) / sum((o) => o.elapsedMs)),
    hash: hashOf(outcomes),
    probes,
    probesMissed: enough ? PROBES.filter((probe) => probes[probe] === 0) : [],
  };
}

/** The summary for people: medians and minima of what a standard seed must reach, then probes. */
export function summaryText(outcomes: readonly SeedOutcome[], totals: CampaignTotals): string {
  const head = ['protocol', 'seeds', 'failed', 'simulated s', 'operations', 'fault kinds'];
  const table = new Table({
    head: [...head, 'elections', 'commits'],
    style: { head: [], border: [] },
  });
  for (const protocol of totals.protocols) {
    const own = outcomes.filter((outcome) => outcome.protocol === protocol);
    const cell = (of: (outcome: SeedOutcome) => number): string => medianAndMinimum(own.map(of));
    table.push([
      protocol,
      own.length,
      own.filter(({ failure }) => failure !== null).length,
      cell((o) => Math.round(o.simulatedMicros / 1e6)),
      cell((o) => o.operations),
      cell((o) => o.faultKinds.length),
      cell((o) => o.elections),
      cell((o) => o.commits),
    ]);
  }
  const hits = PROBES.map((probe) => `${probe} ${totals.probes[probe]}`);
  const lines = [
    `${table.toString()}\n(median / minimum)`,
    `${totals.events} events, ${totals.simulatedHours} simulated hours, ` +
      `${totals.framesDelivered} messages between replicas in ${totals.realSeconds} s: ` +
      `${totals.seedsPerSecond} seeds/s, ${totals.framesPerCoreSecond} messages/s of one core`,
    `probes: ${hits.join(' · ')}`,
    `hash of the campaign: ${totals.hash}`,
  ];
  if (totals.probesMissed.length > 0) {
    lines.push(`probes without a hit, so the campaign fails: ${totals.probesMissed.join(', ')}`);
  }
  return `${lines.join('\n')}\n`;
}

/** A failed seed: the invariant, the last events and the one command that replays it. */
export function failureText(outcome: SeedOutcome, task: SeedTask): string {
  const { failure, protocol, seed } = outcome;
  if (failure === null) return '';
  const events = failure.lastEvents.map((line) => `  ${line}`).join('\n');
  const replay = replayCommand(task);
  return (
    `\nFAILED ${protocol} seed ${seed}: ${failure.message}\nlast events ` +
    `(microseconds, node, event):\n${events}\nreplay: ${replay}\nshrink: ${replay} --shrink\n`
  );
}

/** The command that runs one task again. */
export function replayCommand(task: SeedTask): string {
  const { protocol, seed, nodes, faults, drop } = task;
  const parts = [`quorate simulate --protocol ${protocol} --seeds ${seed}..${seed}`];
  if (nodes !== undefined) parts.push(`--nodes ${nodes}`);
  if (faults !== undefined) parts.push(`--faults ${faults.length === 0 ? 'none' : faults}`);
  if (drop !== undefined && drop.length > 0) parts.push(`--drop ${drop}`);
  return parts.join(' ');
}

function medianAndMinimum(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  return `${sorted[Math.floor(sorted.length / 2)] ?? 0} / ${sorted[0] ?? 0}`;
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** FNV-1a over the hashes of the seeds. */
function hashOf(outcomes: readonly SeedOutcome[]): string {
  let hash = 0x811c9dc5;
  for (const { hash: own } of outcomes) {
    for (let i = 0; i < own.length; i++) hash = Math.imul(hash ^ own.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}
