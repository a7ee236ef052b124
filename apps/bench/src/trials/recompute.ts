import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Run, RunProtocol } from '@quorate/report';

/** One operation as its two lines of a history state it. Times in nanoseconds. */
interface Seen {
  readonly f: string;
  readonly key: string;
  readonly phase: string;
  readonly intended: number;
  readonly invoked: number;
  readonly place: number;
  readonly written: unknown;
  ended: number | null;
  endedPlace: number;
  outcome: 'ok' | 'fail' | 'info' | 'open';
  read: unknown;
}

/** What the history files of a protocol say by themselves. */
export interface Recomputed {
  readonly ackedLost: number;
  /** By kind of operation, the measured latencies in milliseconds, the lowest first. */
  readonly latenciesMs: Readonly<Record<string, readonly number[]>>;
  readonly unavailableMs: Readonly<Record<string, number>>;
}

/**
 * Computes again, from the history files and the times of the faults alone, what `run.json` states.
 * It shares no code with the harness: plain loops over parsed lines, so that both can be wrong only
 * in the same way by accident.
 */
export function recompute(folder: string, run: Run, protocol: RunProtocol): Recomputed {
  const histories = protocol.blocks
    .filter(({ status, history }) => status === 'ok' && history !== null)
    .map(({ history, index }) => ({ index, seen: readSeen(join(folder, history ?? '')) }));
  const all = histories.flatMap(({ seen }) => seen);
  const hasLoad = run.scenario.resolved.load !== undefined;
  const measured = all.filter(
    ({ phase }) =>
      phase !== 'read-back' &&
      !phase.startsWith('warm-up') &&
      (phase === 'probe' ? !hasLoad : true),
  );
  const unavailableMs: Record<string, number> = {};
  for (const failover of protocol.failovers) {
    const fault = protocol.faults.find(({ id }) => id === failover.faultId);
    const history = histories.find(({ index }) => index === fault?.block);
    if (fault === undefined || history === undefined) continue;
    unavailableMs[failover.faultId] = largestGap(protocol, fault, history.seen);
  }
  return {
    ackedLost: histories.reduce((sum, { seen }) => sum + lostWrites(seen), 0),
    latenciesMs: Object.fromEntries(
      ['write', 'read', 'cas', 'delete'].map((kind) => {
        const latencies = measured
          .filter(({ f, outcome }) => f === kind && outcome === 'ok')
          .map(({ ended, intended }) => ((ended ?? 0) - intended) / 1e6)
          .sort((a, b) => a - b);
        return [kind, latencies];
      }),
    ),
    unavailableMs,
  };
}

/** Histograms keep three digits, so a value and its bucket differ by a thousandth at most. */
const BUCKET = 0.001;
/** They count in whole microseconds, a history in nanoseconds. */
const MICROSECOND_MS = 0.001;
/** How many standard deviations a sample may lie from what it was drawn from. */
const SIGMAS = 6;

/**
 * Between which latencies the 99th percentile of all `population` operations must lie, given those
 * of them that a history holds. A complete history leaves one rank to either side, for the rounding
 * of ranks. A history of one key in n is a sample: the number of its latencies below the percentile
 * spreads binomially, and the ranks follow from that.
 */
export function p99Bounds(
  latencies: readonly number[],
  population: number,
): { readonly lowest: number; readonly highest: number } {
  const size = latencies.length;
  const isSample = size < population;
  const slack = 1 + (isSample ? Math.ceil(SIGMAS * Math.sqrt(size * 0.99 * 0.01)) : 0);
  const rank = Math.ceil(size * 0.99) - 1;
  const at = (place: number) => latencies[Math.min(Math.max(place, 0), size - 1)] ?? NaN;
  const isBeyond = isSample && rank + slack >= size;
  return {
    lowest: at(rank - slack) * (1 - BUCKET) - MICROSECOND_MS,
    highest: isBeyond ? Infinity : at(rank + slack) * (1 + BUCKET) + MICROSECOND_MS,
  };
}

function readSeen(file: string): Seen[] {
  const bytes = readFileSync(file);
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  const open = new Map<number, Seen>();
  const seen: Seen[] = [];
  for (const [place, line] of text.trimEnd().split('\n').entries()) {
    const event = JSON.parse(line);
    if (event.type === 'invoke') {
      const { f, key, phase, intended, time: invoked } = event;
      const written = f === 'cas' ? event.value?.[1] : event.value;
      const one: Seen = {
        ...{ f, key, phase, intended, invoked, place, written },
        ...{ ended: null, endedPlace: Infinity, outcome: 'open', read: undefined },
      };
      open.set(event.process, one);
      seen.push(one);
      continue;
    }
    const one = open.get(event.process);
    if (one === undefined) throw new Error(`line ${place + 1} ends nothing`);
    open.delete(event.process);
    one.outcome = event.type;
    one.ended = event.time;
    one.endedPlace = place;
    one.read = event.value;
  }
  return seen;
}

/** Acknowledged changes that began after all that can explain the last read of their key ended. */
function lostWrites(seen: readonly Seen[]): number {
  const keys = new Map<string, Seen[]>();
  for (const one of seen) keys.set(one.key, [...(keys.get(one.key) ?? []), one]);
  let lost = 0;
  for (const operations of keys.values()) {
    const last = operations.filter(({ f, outcome }) => f === 'read' && outcome === 'ok').at(-1);
    if (last === undefined) continue;
    const value = last.read ?? null;
    const sources = operations.filter(
      ({ f, written, outcome }) =>
        outcome !== 'fail' && (value === null ? f === 'delete' : f !== 'read' && written === value),
    );
    // Nothing written yet explains an absent key as well; a source still open explains anything.
    const explainedUntil = Math.max(-1, ...sources.map(({ endedPlace }) => endedPlace));
    if (sources.some(({ outcome }) => outcome !== 'ok')) continue;
    lost += operations.filter(
      ({ f, outcome, place, endedPlace }) =>
        f !== 'read' && outcome === 'ok' && place > explainedUntil && endedPlace < last.place,
    ).length;
  }
  return lost;
}

function largestGap(
  protocol: RunProtocol,
  fault: RunProtocol['faults'][number],
  seen: readonly Seen[],
): number {
  const from = fault.installedMs ?? 0;
  const next = protocol.faults
    .filter(({ block, kind }) => block === fault.block && !kind.startsWith('restart'))
    .map(({ requestedMs }) => requestedMs)
    .filter((ms) => ms > fault.requestedMs)
    .sort((a, b) => a - b)[0];
  const probe = seen.filter(({ phase, ended }) => phase === 'probe' && ended !== null);
  const until = Math.max(from, next ?? Math.max(...probe.map(({ ended }) => (ended ?? 0) / 1e6)));
  const successes = seen
    .filter(({ f, outcome }) => f !== 'read' && outcome === 'ok')
    .map(({ ended }) => (ended ?? 0) / 1e6)
    .sort((a, b) => a - b);
  let before = successes.filter((ms) => ms < from).at(-1) ?? from;
  let largest = 0;
  for (const ms of [...successes.filter((at) => at >= from && at <= until), until]) {
    const isEnd = ms === until && !successes.includes(ms);
    const after = isEnd ? Math.min(until, successes.find((at) => at > before) ?? until) : ms;
    largest = Math.max(largest, after - before);
    before = ms;
  }
  return largest;
}
