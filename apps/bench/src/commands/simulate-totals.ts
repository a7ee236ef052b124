import { createHash } from 'node:crypto';
import { protocolNamed } from '@quorate/kv-server';
import { expectedProbes, PROBES, type Probe } from '@quorate/simulator';
import { type CampaignPlan, runCount } from './simulate-plan.ts';
import type { SeedOutcome } from './simulate-worker.ts';

/** A campaign of fewer seeds a protocol is not expected to reach every probe. */
export const SEEDS_FOR_PROBES = 100;
/** What a seed must amount to, or its passing says little. */
export const STANDARD_SEED = {
  simulatedSeconds: 60,
  operations: 500,
  faultKinds: 5,
  elections: 1,
} as const;

/** What is told of each run in a summary. */
export interface RunFigures {
  readonly simulatedSeconds: number;
  readonly operations: number;
  readonly faultKinds: number;
  readonly elections: number;
  readonly commits: number;
}

/** The names of {@link RunFigures}, in the order of the summary's columns. */
export const FIGURES = [
  ...(['simulatedSeconds', 'operations', 'faultKinds', 'elections', 'commits'] as const),
];

interface Row {
  readonly protocol: string;
  readonly hash: string;
  readonly hashAgain: string | null;
  readonly failed: boolean;
  readonly retired: number;
  readonly figures: RunFigures;
}

/** The runs of one protocol in numbers. */
export interface ProtocolTotals {
  readonly runs: number;
  readonly failed: number;
  readonly median: RunFigures;
  readonly minimum: RunFigures;
}

/** Totals of a campaign, as one line of `results/simulation.ndjson` has them. */
export interface CampaignTotals {
  /** Runs: each seed counts once for each protocol. */
  readonly runs: number;
  readonly failed: number;
  /** Runs in which a disk lost what it had called durable. */
  readonly outsideContract: number;
  /** Runs that amount to a {@link STANDARD_SEED}. */
  readonly standardSeeds: number;
  readonly perProtocol: Readonly<Record<string, ProtocolTotals>>;
  readonly events: number;
  readonly operations: number;
  readonly commits: number;
  readonly framesDelivered: number;
  readonly simulatedHours: number;
  /** A hash over the trace hashes of all runs in order: equal for equal campaigns. */
  readonly hash: string;
  /** The same over the second runs of `--twice`; null without it. */
  readonly hashAgain: string | null;
  readonly probes: Readonly<Record<Probe, number>>;
  /** Probes never hit; none when the campaign is not one that must hit all. */
  readonly probesMissed: readonly Probe[];
  /** Why probes without a hit do not count, or null when they do. */
  readonly probesNotJudged: string | null;
  readonly realSeconds: number;
  readonly runsPerSecond: number;
  /** Messages between replicas that one core delivered in a second, everything included. */
  readonly framesPerCoreSecond: number;
}

/** Adds up what a campaign does. It keeps a short row of each run, so memory stays small. */
export class CampaignTally {
  failed = 0;
  done = 0;
  private readonly plan: CampaignPlan;
  private readonly rows: (Row | undefined)[];
  private readonly probes = new Map<Probe, number>();
  private readonly sums = { events: 0, framesDelivered: 0, simulatedMicros: 0, elapsedMs: 0 };

  constructor(plan: CampaignPlan) {
    this.plan = plan;
    this.rows = new Array<Row | undefined>(runCount(plan)).fill(undefined);
  }

  /** True when the run at this place is counted already. */
  has(place: number): boolean {
    return this.rows[place] !== undefined;
  }

  add(place: number, outcome: SeedOutcome): void {
    if (this.has(place)) return;
    const { protocol, hash, hashAgain, failure, probes } = outcome;
    this.rows[place] = {
      ...{ protocol, hash, hashAgain, failed: failure !== null, retired: outcome.retired },
      figures: {
        simulatedSeconds: Math.round(outcome.simulatedMicros / 1e6),
        operations: outcome.operations,
        faultKinds: outcome.faultKinds.length,
        elections: outcome.elections,
        commits: outcome.commits,
      },
    };
    this.done++;
    if (failure !== null) this.failed++;
    for (const name of ['events', 'framesDelivered', 'simulatedMicros', 'elapsedMs'] as const) {
      this.sums[name] += outcome[name];
    }
    for (const probe of PROBES) {
      this.probes.set(probe, (this.probes.get(probe) ?? 0) + (probes[probe] ?? 0));
    }
  }

  /** Everything so far; `realMs` that it took. */
  totals(realMs: number): CampaignTotals {
    const rows = this.rows.filter((row) => row !== undefined);
    const { events, framesDelivered, simulatedMicros, elapsedMs } = this.sums;
    const hits = PROBES.map((probe) => [probe, this.probes.get(probe) ?? 0] as const);
    const probesNotJudged = this.probesNotJudged();
    const expected = expectedOf(this.plan.protocols);
    const missed = expected.filter((probe) => !this.probes.get(probe));
    const sum = (name: keyof RunFigures): number =>
      rows.reduce((total, { figures }) => total + figures[name], 0);
    return {
      runs: rows.length,
      failed: this.failed,
      outsideContract: rows.filter(({ retired }) => retired > 0).length,
      standardSeeds: rows.filter(({ figures }) => isStandard(figures)).length,
      perProtocol: Object.fromEntries(
        this.plan.protocols.map((name) => [name, protocolTotals(rows, name)]),
      ),
      ...{ events, operations: sum('operations'), commits: sum('commits'), framesDelivered },
      simulatedHours: rounded(simulatedMicros / 3.6e9, 3),
      hash: hashOf(rows.map(({ hash }) => hash)),
      hashAgain: this.plan.settings.twice ? hashOf(rows.map((row) => row.hashAgain ?? '')) : null,
      probes: Object.fromEntries(hits) as Record<Probe, number>,
      probesMissed: probesNotJudged === null ? missed : [],
      probesNotJudged,
      realSeconds: rounded(realMs / 1000, 1),
      runsPerSecond: rounded((1000 * rows.length) / Math.max(1, realMs), 2),
      framesPerCoreSecond: Math.round((1000 * framesDelivered) / Math.max(1, elapsedMs)),
    };
  }

  private probesNotJudged(): string | null {
    const { protocols, settings } = this.plan;
    const { faults, drop, untilSeconds } = settings;
    if (faults !== undefined || drop !== undefined || untilSeconds !== undefined) {
      return 'the flags leave out faults';
    }
    if (this.done >= SEEDS_FOR_PROBES * protocols.length) return null;
    return `fewer than ${SEEDS_FOR_PROBES} seeds a protocol`;
  }
}

/** Only protocols that do without FIFO channels reach some probes. */
function expectedOf(protocols: readonly string[]): Probe[] {
  const lossy = protocols.some((name) => {
    return protocolNamed(name)?.capabilities.needsFifoChannels === false;
  });
  return expectedProbes(!lossy);
}

function isStandard(figures: RunFigures): boolean {
  return Object.entries(STANDARD_SEED).every(
    ([name, least]) => figures[name as keyof typeof STANDARD_SEED] >= least,
  );
}

function protocolTotals(rows: readonly Row[], name: string): ProtocolTotals {
  const own = rows.filter(({ protocol }) => protocol === name);
  const each = (of: (sorted: readonly number[]) => number): RunFigures => {
    const figure = (key: keyof RunFigures): number =>
      of(own.map(({ figures }) => figures[key]).sort((a, b) => a - b));
    return Object.fromEntries(FIGURES.map((key) => [key, figure(key)])) as unknown as RunFigures;
  };
  return {
    runs: own.length,
    failed: own.filter(({ failed }) => failed).length,
    median: each((sorted) => sorted[Math.floor(sorted.length / 2)] ?? 0),
    minimum: each((sorted) => sorted[0] ?? 0),
  };
}

function hashOf(hashes: readonly string[]): string {
  return createHash('sha256').update(hashes.join('\n')).digest('hex').slice(0, 16);
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
