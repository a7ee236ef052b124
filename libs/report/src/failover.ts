import { assert } from '@quorate/foundation';
import type { FailoverPhases, RunFailover } from './run-schema.ts';
import { percentileOf } from './statistics.ts';

/** What an engine told about itself; the names are those of the contract's events. */
export type MarkKind =
  | 'suspected'
  | 'candidacy'
  | 'candidacyFailed'
  | 'elected'
  | 'serving'
  | 'firstCommit';

/** One engine event on the clock of the run. */
export interface EngineMark {
  readonly atMs: number;
  readonly node: number;
  readonly kind: MarkKind;
}

/** What {@link analyseFailover} needs. All times are milliseconds since the start of the run. */
export interface FailoverInput {
  readonly faultId: string;
  /** When the fault was in force. */
  readonly installedMs: number;
  /** When the consequences end at the latest: the next fault, or the end of the load. */
  readonly untilMs: number;
  /** Successful completions of writes, ascending; those of the whole block. */
  readonly writeSuccessMs: ArrayLike<number>;
  readonly marks: readonly EngineMark[];
  readonly oldLeader: number | null;
}

/** The window before a fault in which the resolution is taken. */
const BEFORE_MS = 1_000;
/** The window before a fault whose rate counts as normal; short, as load steps may end near. */
const RATE_MS = 250;
/** The window of the throughput that counts as recovered. */
const WINDOW_MS = 100;
const RECOVERED_SHARE = 0.9;

/**
 * Measures one failover from outside: unavailability is the largest gap between successive
 * successful completions of writes that overlaps the time from the fault's installation to
 * `untilMs`. Engine marks only explain it. A gap that no success ends by then is censored: a lower
 * bound. `resolutionMs` is the 99th percentile of the gaps just before the fault, the finest thing
 * that could have been seen.
 */
export function analyseFailover(input: FailoverInput): RunFailover {
  const { faultId, installedMs, untilMs, oldLeader } = input;
  assert(untilMs >= installedMs, 'consequences end after the fault');
  const gap = largestGap(input);
  const after = input.marks
    .filter(({ atMs }) => atMs >= installedMs && atMs <= untilMs)
    .sort((a, b) => a.atMs - b.atMs);
  const endMs = gap.censored ? untilMs : gap.toMs;
  const elected = electionThatServed(after, endMs);
  const newLeader = elected?.node ?? null;
  const { phasesMs, missing } = phasesOf(input, after, elected, gap.censored ? null : gap.toMs);
  return {
    faultId,
    unavailableMs: gap.toMs - gap.fromMs,
    censored: gap.censored,
    resolutionMs: resolutionBefore(input),
    oldLeader,
    newLeader,
    failedRounds: failedRounds(after, elected),
    phasesMs,
    phasesReason: missing.length === 0 ? null : `not seen: ${missing.join(', ')}`,
  };
}

/** How often one node had to try again before the election, at most: rounds that elected nobody. */
function failedRounds(marks: readonly EngineMark[], elected: EngineMark | null): number {
  const failed = new Set<number>();
  const retries = new Map<number, number>();
  for (const { kind, node, atMs } of marks) {
    if (elected !== null && atMs > elected.atMs) break;
    if (kind === 'candidacyFailed') failed.add(node);
    // Losing to the winner is no failed round; only who tries again has lost one.
    if (kind === 'candidacy' && failed.delete(node))
      retries.set(node, (retries.get(node) ?? 0) + 1);
  }
  return Math.max(0, ...retries.values());
}

interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
  readonly censored: boolean;
}

function largestGap({ writeSuccessMs, installedMs, untilMs }: FailoverInput): Gap {
  let place = firstAtLeast(writeSuccessMs, installedMs);
  let fromMs = place === 0 ? installedMs : (writeSuccessMs[place - 1] as number);
  let largest: Gap = { fromMs, toMs: fromMs, censored: false };
  for (;;) {
    const next = writeSuccessMs[place++] ?? Number.POSITIVE_INFINITY;
    const censored = next > untilMs;
    const toMs = censored ? untilMs : next;
    if (toMs - fromMs > largest.toMs - largest.fromMs) largest = { fromMs, toMs, censored };
    if (censored) return largest;
    fromMs = next;
  }
}

/** The last election before clients were served again, which is the one that served them. */
function electionThatServed(marks: readonly EngineMark[], endMs: number): EngineMark | null {
  const elections = marks.filter(({ kind }) => kind === 'elected');
  return elections.filter(({ atMs }) => atMs <= endMs).at(-1) ?? elections[0] ?? null;
}

function phasesOf(
  input: FailoverInput,
  marks: readonly EngineMark[],
  elected: EngineMark | null,
  successMs: number | null,
): { phasesMs: FailoverPhases; missing: string[] } {
  const { installedMs } = input;
  const first = (kind: MarkKind, fromMs = installedMs, node?: number): number | null =>
    marks.find((m) => m.kind === kind && m.atMs >= fromMs && (node ?? m.node) === m.node)?.atMs ??
    null;
  const electedMs = elected?.atMs ?? null;
  const repaired = elected === null ? null : first('serving', elected.atMs, elected.node);
  const found: { [phase in keyof FailoverPhases]: number | null } = {
    suspicion: first('suspected') ?? first('candidacy'),
    candidacy: first('candidacy'),
    elected: electedMs,
    repaired,
    firstCommit: elected === null ? null : first('firstCommit', elected.atMs, elected.node),
    firstClientSuccess: successMs,
    throughput90: successMs === null ? null : recoveredAt(input, successMs),
  };
  // Clocks of different processes differ a little; phases are cumulative, so none falls.
  let latest = 0;
  const missing: string[] = [];
  const phasesMs = { ...found };
  for (const phase of Object.keys(found) as (keyof FailoverPhases)[]) {
    const atMs = found[phase];
    if (atMs === null) {
      missing.push(phase);
      continue;
    }
    latest = Math.max(latest, atMs - installedMs);
    phasesMs[phase] = latest;
  }
  return { phasesMs, missing };
}

/** The start of the first window whose rate is back to nine tenths of the rate before. */
function recoveredAt(
  { writeSuccessMs, installedMs, untilMs }: FailoverInput,
  fromMs: number,
): number | null {
  const before = countBetween(writeSuccessMs, installedMs - RATE_MS, installedMs);
  const wanted = (before / RATE_MS) * WINDOW_MS * RECOVERED_SHARE;
  if (before === 0) return null;
  for (let start = fromMs; start + WINDOW_MS <= untilMs; start += WINDOW_MS / 10) {
    if (countBetween(writeSuccessMs, start, start + WINDOW_MS) >= wanted) return start;
  }
  return null;
}

function resolutionBefore({ writeSuccessMs, installedMs }: FailoverInput): number | null {
  const end = firstAtLeast(writeSuccessMs, installedMs);
  const gaps: number[] = [];
  for (
    let place = firstAtLeast(writeSuccessMs, installedMs - BEFORE_MS) + 1;
    place < end;
    place++
  ) {
    gaps.push((writeSuccessMs[place] as number) - (writeSuccessMs[place - 1] as number));
  }
  return gaps.length === 0 ? null : percentileOf(gaps, 99);
}

function countBetween(times: ArrayLike<number>, fromMs: number, toMs: number): number {
  return firstAtLeast(times, toMs) - firstAtLeast(times, fromMs);
}

function firstAtLeast(times: ArrayLike<number>, ms: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] as number) >= ms) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The distribution over failovers that count, for `run.json`; null when there is none. */
export function summariseFailovers(failovers: readonly RunFailover[]): {
  count: number;
  censoredCount: number;
  minMs: number | null;
  p50Ms: number | null;
  p95Ms: number | null;
  maxMs: number | null;
} | null {
  if (failovers.length === 0) return null;
  const values = failovers.map(({ censored, unavailableMs }) =>
    censored ? Number.POSITIVE_INFINITY : unavailableMs,
  );
  const finite = (ms: number): number | null => (Number.isFinite(ms) ? ms : null);
  return {
    count: failovers.length,
    censoredCount: failovers.filter(({ censored }) => censored).length,
    minMs: finite(Math.min(...values)),
    p50Ms: finite(percentileOf(values, 50)),
    p95Ms: finite(percentileOf(values, 95)),
    maxMs: finite(Math.max(...values)),
  };
}
