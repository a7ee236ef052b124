import { protocolNamed } from '@quorate/kv-server';
import { HOST_FAULT_KINDS, type HostFaultKind } from '@quorate/simulator';
import { UsageError } from '../errors.ts';
import type { SeedSettings, SeedTask } from './simulate-worker.ts';

/** The flags of `quorate simulate`, as the command line has them. */
export interface SimulateFlags {
  readonly protocol?: string;
  readonly seeds?: string;
  readonly nodes?: string;
  readonly clients?: string;
  readonly until?: string;
  readonly faults?: string;
  readonly drop?: string;
  readonly twice?: boolean;
  readonly jobs?: string;
  readonly budget?: string;
  readonly failures?: string;
  readonly resume?: string;
  readonly shrink?: boolean;
  readonly trace?: string;
  readonly record?: boolean;
  readonly json?: boolean;
}

/** The seeds that one campaign runs: each seed with each protocol, and how. Plain data. */
export interface CampaignPlan {
  readonly protocols: readonly string[];
  readonly firstSeed: number;
  readonly lastSeed: number;
  readonly settings: SeedSettings;
}

/** How a campaign is carried out; changes nothing of what its seeds do. */
export interface CampaignEffort {
  readonly jobs: number;
  /** No seed begins after so many milliseconds. */
  readonly budgetMs: number;
  /** When so many runs of this sitting have failed, no more begin: the first say what is wrong. */
  readonly failuresMax: number;
}

const ALL = ['raft', 'multi-paxos', 'zab'];
const DEFAULT_SEEDS = '1..20';
const DEFAULT_JOBS = '2';
const JOBS_MAX = 64;
const DEFAULT_FAILURES = '10';
const FAILURES_MAX = 1_000_000;
/** Outcomes are kept in memory as a short row each. */
const SEEDS_MAX = 1_000_000;
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };
/** What belongs to the campaign and so to its state file. */
const PLAN_FLAGS = [
  ...['protocol', 'seeds', 'nodes', 'clients', 'until', 'faults', 'drop', 'twice'],
  ...['shrink', 'trace'],
] as const;

/** The campaign that the flags ask for. Throws `UsageError`. */
export function planOf(flags: SimulateFlags): CampaignPlan {
  const { nodes, clients, until, faults, drop } = flags;
  return {
    protocols: protocolsOf(flags.protocol ?? 'all'),
    ...seedsOf(flags.seeds ?? DEFAULT_SEEDS),
    settings: {
      ...(nodes === undefined ? {} : { nodes: wholeNumber('--nodes', nodes, 2, 9) }),
      ...(clients === undefined ? {} : { clients: wholeNumber('--clients', clients, 1, 16) }),
      ...(until === undefined ? {} : { untilSeconds: wholeNumber('--until', until, 1, 60) }),
      ...(faults === undefined ? {} : { faults: faultsOf(faults) }),
      ...(drop === undefined ? {} : { drop: dropOf(drop) }),
      ...(flags.twice ? { twice: true } : {}),
    },
  };
}

/** How hard to try. Throws `UsageError`. */
export function effortOf(flags: SimulateFlags): CampaignEffort {
  const { budget, failures = DEFAULT_FAILURES } = flags;
  return {
    failuresMax: wholeNumber('--failures', failures, 1, FAILURES_MAX),
    jobs: wholeNumber('--jobs', flags.jobs ?? DEFAULT_JOBS, 1, JOBS_MAX),
    budgetMs: budget === undefined ? Number.POSITIVE_INFINITY : budgetOf(budget),
  };
}

/** Throws `UsageError` when a flag contradicts what the state file holds. */
export function refuseWithResume(flags: SimulateFlags): void {
  for (const name of PLAN_FLAGS) {
    if (flags[name as keyof SimulateFlags] === undefined) continue;
    throw new UsageError(
      `--${name} stands in the file of --resume; it goes with --jobs, --budget, --failures, ` +
        '--record and --json',
    );
  }
}

/** The number of runs of a campaign. */
export function runCount({ protocols, firstSeed, lastSeed }: CampaignPlan): number {
  return (lastSeed - firstSeed + 1) * protocols.length;
}

/** The run at a place from 0 on: protocols take turns, seed by seed. */
export function taskAt(plan: CampaignPlan, place: number): SeedTask {
  const { protocols, firstSeed, settings } = plan;
  const protocol = protocols[place % protocols.length] as string;
  return { protocol, seed: firstSeed + Math.floor(place / protocols.length), ...settings };
}

/** The command that carries out a plan, to be pasted at the root of the repository. */
export function commandOf({ protocols, firstSeed, lastSeed, settings }: CampaignPlan): string {
  const { nodes, clients, untilSeconds, faults, drop, twice } = settings;
  const names = protocols.length === ALL.length ? 'all' : protocols.join(',');
  const parts = [`npx --no-install quorate simulate --protocol ${names}`];
  parts.push(`--seeds ${firstSeed === lastSeed ? firstSeed : `${firstSeed}..${lastSeed}`}`);
  if (nodes !== undefined) parts.push(`--nodes ${nodes}`);
  if (clients !== undefined) parts.push(`--clients ${clients}`);
  if (untilSeconds !== undefined) parts.push(`--until ${untilSeconds}`);
  if (faults !== undefined) parts.push(`--faults ${faults.length === 0 ? 'none' : faults}`);
  if (drop !== undefined && drop.length > 0) parts.push(`--drop ${rangesOf(drop)}`);
  if (twice) parts.push('--twice');
  return parts.join(' ');
}

/** The command that runs one task again. */
export function replayCommand({ protocol, seed, ...settings }: SeedTask): string {
  return commandOf({ protocols: [protocol], firstSeed: seed, lastSeed: seed, settings });
}

function protocolsOf(text: string): string[] {
  const names = text === 'all' ? ALL : [...new Set(text.split(','))];
  for (const name of names) {
    if (protocolNamed(name) !== null && name !== 'none') continue;
    throw new UsageError(`--protocol ${name}: allowed are all, ${ALL.join(', ')}`);
  }
  return names;
}

function seedsOf(text: string): { firstSeed: number; lastSeed: number } {
  const range = /^(\d+)(?:\.\.(\d+))?$/.exec(text);
  if (range === null) throw new UsageError(`--seeds ${text}: a number or a range A..B`);
  const firstSeed = Number(range[1]);
  const lastSeed = Number(range[2] ?? range[1]);
  if (lastSeed > Number.MAX_SAFE_INTEGER) {
    throw new UsageError(`--seeds ${text}: a seed is at most ${Number.MAX_SAFE_INTEGER}`);
  }
  if (lastSeed < firstSeed) {
    throw new UsageError(`--seeds ${text}: the first seed is at most the last`);
  }
  if (lastSeed - firstSeed >= SEEDS_MAX) {
    throw new UsageError(`--seeds ${text}: at most ${SEEDS_MAX} seeds a campaign`);
  }
  return { firstSeed, lastSeed };
}

function faultsOf(text: string): HostFaultKind[] {
  if (text === 'none') return [];
  return text.split(',').map((name) => {
    const kind = HOST_FAULT_KINDS.find((known) => known === name);
    if (kind !== undefined) return kind;
    throw new UsageError(`--faults ${name}: allowed are none, ${HOST_FAULT_KINDS.join(', ')}`);
  });
}

/** Numbers of faults, some of them as ranges: `0..6,9`. */
function dropOf(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const range = /^(\d{1,5})(?:\.\.(\d{1,5}))?$/.exec(part);
    const from = Number(range?.[1]);
    const to = Number(range?.[2] ?? range?.[1]);
    if (range === null || to < from) {
      throw new UsageError(`--drop ${part}: numbers of faults or ranges, like 0..6,9`);
    }
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

function rangesOf(numbers: readonly number[]): string {
  const sorted = [...numbers].sort((a, b) => a - b);
  const ranges: [number, number][] = [];
  for (const number of sorted) {
    const last = ranges.at(-1);
    if (last !== undefined && number <= last[1] + 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}..${to}`)).join(',');
}

function wholeNumber(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new UsageError(`${flag} ${text}: a whole number from ${min} to ${max}`);
}

function budgetOf(text: string): number {
  const parts = /^(\d+)(s|m|h)$/.exec(text);
  const milliseconds = Number(parts?.[1]) * (UNITS[parts?.[2] ?? ''] ?? Number.NaN);
  if (milliseconds > 0) return milliseconds;
  throw new UsageError(`--budget ${text}: like 30s, 10m or 2h`);
}
