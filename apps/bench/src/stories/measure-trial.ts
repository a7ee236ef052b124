import type { Observation, ObservedWrite, Told } from './observation.ts';

/** What one trial came to. */
export type Outcome = 'recovers' | 'degraded' | 'stuck';

/** The figures of one trial. Durations in milliseconds; infinity stands for "never". */
export interface TrialFigures {
  readonly outcome: Outcome;
  /** Another node than the last one began to serve. */
  readonly leaderChanges: number;
  /** Every time that a node began to serve, the same one again included. */
  readonly leaderships: number;
  readonly candidacies: number;
  readonly failedCandidacies: number;
  readonly stepDowns: number;
  /** By how much the highest round that anybody told rose. */
  readonly rounds: number;
  readonly acked: number;
  /** The longest time without an acknowledged write. */
  readonly downtimeMs: number;
  /** From the first kill to a new leader that serves. */
  readonly electionMs: number;
  /** From the end of the faults to the next acknowledged write. */
  readonly recoveryMs: number;
  readonly unacked: number;
  readonly unackedSurvived: number;
  readonly minorityWrites: number;
  readonly minorityAcked: number;
  readonly minoritySurvived: number;
  /** Acknowledged by a leader although it was asked after a later leader had acknowledged. */
  readonly ackedByDeposed: number;
  readonly leadersPerRoundMax: number;
  readonly ackedLost: number;
  readonly linearizable: boolean | null;
  readonly equal: boolean | null;
  readonly lastLeader: number;
  readonly lastRound: number;
}

/** A gap of so many of the longest election timeouts in the settled time is no recovery. */
const GAP_TIMEOUTS = 3;

/** Measures one trial. Pure: the same observation gives the same figures. */
export function measureTrial(seen: Observation): TrialFigures {
  const { startMicros, endMicros } = seen;
  const within = seen.told.filter(({ at }) => at >= startMicros && at <= endMicros);
  const count = (kind: Told['kind']): number => within.filter((one) => one.kind === kind).length;
  const acks = seen.writes
    .flatMap(({ ackedAt }) => (ackedAt === null ? [] : [ackedAt]))
    .sort((a, b) => a - b);
  const unacked = seen.writes.filter(({ ackedAt }) => ackedAt === null);
  const minority = seen.writes.filter(({ askedInMinority }) => askedInMinority);
  const next = acks.find((at) => at >= endMicros);
  return {
    outcome: seen.judgedByServing ? electedOrNot(seen) : outcomeOf(seen, acks),
    leaderChanges: changesOf(seen.told, startMicros, endMicros),
    leaderships: count('serving'),
    candidacies: count('candidacy'),
    failedCandidacies: count('candidacyFailed'),
    stepDowns: count('steppedDown'),
    rounds: roundAt(seen.told, endMicros) - roundAt(seen.told, startMicros),
    acked: acks.length,
    downtimeMs: longestGap(acks, startMicros, endMicros) / 1000,
    electionMs: electionOf(seen) / 1000,
    recoveryMs: next === undefined ? Number.POSITIVE_INFINITY : (next - endMicros) / 1000,
    unacked: unacked.length,
    unackedSurvived: unacked.filter(({ tookEffect }) => tookEffect).length,
    minorityWrites: minority.length,
    minorityAcked: minority.filter(({ ackedInMinority }) => ackedInMinority).length,
    minoritySurvived: minority.filter((one) => one.ackedAt === null && one.tookEffect).length,
    ackedByDeposed: deposedAcks(seen),
    leadersPerRoundMax: leadersPerRound(seen.told),
    ackedLost: seen.ackedLost,
    linearizable: seen.linearizable,
    equal: seen.equal,
    lastLeader: seen.lastLeader,
    lastRound: seen.lastRound,
  };
}

/**
 * Judged in the second half of the faults, when what can settle has settled. Stuck: nothing is
 * acknowledged in it. Recovered: no long gap and no change of leaders in it. Degraded: the rest.
 */
function outcomeOf(seen: Observation, acks: readonly number[]): Outcome {
  const { startMicros, endMicros, told, electionTimeoutMaxMicros } = seen;
  const settledAt = (startMicros + endMicros) / 2;
  const settled = acks.filter((at) => at >= settledAt && at <= endMicros);
  if (settled.length === 0) return 'stuck';
  const gap = longestGap(settled, settledAt, endMicros);
  const changes = changesOf(told, settledAt, endMicros);
  return gap <= GAP_TIMEOUTS * electionTimeoutMaxMicros && changes === 0 ? 'recovers' : 'degraded';
}

/** A trial without load has no acknowledgements to go by. */
function electedOrNot(seen: Observation): Outcome {
  return Number.isFinite(electionOf(seen)) ? 'recovers' : 'stuck';
}

/** The longest time without one of `times` (sorted) that touches the span, within the span. */
function longestGap(times: readonly number[], from: number, to: number): number {
  let longest = 0;
  let last = from;
  for (const at of times) {
    if (at <= from) continue;
    if (at >= to) break;
    longest = Math.max(longest, at - last);
    last = at;
  }
  return Math.max(longest, to - last);
}

function changesOf(told: readonly Told[], from: number, to: number): number {
  let leader = 0;
  let changes = 0;
  for (const { at, node, kind } of told) {
    if (kind !== 'serving' || at > to) continue;
    if (at >= from && node !== leader && leader !== 0) changes++;
    leader = node;
  }
  return changes;
}

function roundAt(told: readonly Told[], time: number): number {
  let highest = 0;
  for (const { at, round } of told) if (at <= time) highest = Math.max(highest, round);
  return highest;
}

function electionOf({ told, killedAt }: Observation): number {
  const served =
    killedAt === null ? undefined : told.find((one) => one.kind === 'serving' && one.at > killedAt);
  return served === undefined ? Number.POSITIVE_INFINITY : served.at - (killedAt ?? 0);
}

function leadersPerRound(told: readonly Told[]): number {
  const leaders = new Map<number, Set<number>>();
  for (const { kind, node, round } of told) {
    if (kind !== 'serving') continue;
    const known = leaders.get(round) ?? new Set<number>();
    leaders.set(round, known.add(node));
  }
  return Math.max(0, ...[...leaders.values()].map((nodes) => nodes.size));
}

/**
 * Writes that one leader acknowledged although it was asked after another one, who began to serve
 * later, had acknowledged something: two leaders would commit side by side.
 */
function deposedAcks({ told, writes }: Observation): number {
  const serving = told.filter(({ kind }) => kind === 'serving');
  const leadershipOf = (write: ObservedWrite): number =>
    serving.findLastIndex(({ at, node }) => node === write.node && at <= write.askedAt);
  const acked = writes.filter(({ ackedAt }) => ackedAt !== null);
  const firstAck = new Map<number, number>();
  for (const write of acked) {
    const place = leadershipOf(write);
    const at = write.ackedAt ?? Number.POSITIVE_INFINITY;
    firstAck.set(place, Math.min(at, firstAck.get(place) ?? Number.POSITIVE_INFINITY));
  }
  const since = serving.map((_, place) => {
    const later = [...firstAck].filter(([one]) => one > place && differ(serving, one, place));
    return Math.min(Number.POSITIVE_INFINITY, ...later.map(([, at]) => at));
  });
  return acked.filter((write) => {
    const place = leadershipOf(write);
    return place >= 0 && write.askedAt > (since[place] ?? Number.POSITIVE_INFINITY);
  }).length;
}

function differ(serving: readonly Told[], a: number, b: number): boolean {
  return serving[a]?.node !== serving[b]?.node;
}
