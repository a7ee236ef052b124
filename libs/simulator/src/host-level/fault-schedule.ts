import type { Random } from '@quorate/foundation';

/** The kinds of faults that a run of production replicas may draw from. */
export const HOST_FAULT_KINDS = [
  'kill',
  'killLeader',
  'killLoop',
  'powerCut',
  'powerCutMidWrite',
  'powerCutAll',
  'pause',
  'stall',
  'isolate',
  'oneWayCut',
  'partition',
  'partialPartition',
  'delay',
  'loss',
  'clog',
  'swizzle',
  'leaveBehind',
  'reset',
  'corruptFrame',
  'duplication',
  'reordering',
  'replay',
  'slowSync',
  'stuckOperation',
  'slowNode',
  'syncError',
  'readError',
  'noSpace',
  'bitFlip',
  'zeroedSector',
  'powerCutAtName',
  'lostWrite',
  'misdirectedWrite',
  'lyingSync',
  'clockRate',
  'rollingRestart',
  'clientCut',
  'repliesLost',
  'clientChurn',
] as const;
/** One of {@link HOST_FAULT_KINDS}. */
export type HostFaultKind = (typeof HOST_FAULT_KINDS)[number];

const DATAGRAM_KINDS: ReadonlySet<HostFaultKind> = new Set(['duplication', 'reordering', 'replay']);
/**
 * Kinds after which a disk may have lost what it called durable. That is outside the contract, so
 * the operator takes the replica out for good when it shows: one such kind a seed, once a run, to
 * stay within what the smallest cluster tolerates.
 */
const LOSING_KINDS: ReadonlySet<HostFaultKind> = new Set([
  'lostWrite',
  'misdirectedWrite',
  'lyingSync',
]);
/** A replica left behind misses more than a short log tail holds. */
const LEAVE_BEHIND_MICROS_MIN = 4_000_000;

/** True when one of the kinds makes sense only where messages travel as datagrams. */
export function needDatagrams(kinds: readonly HostFaultKind[]): boolean {
  return kinds.some((kind) => DATAGRAM_KINDS.has(kind));
}

/** The kinds of `kinds` that a cluster can suffer and, once they end, serve again. */
export function bearableKinds(
  kinds: readonly HostFaultKind[],
  cluster: { readonly needsFifoChannels: boolean; readonly nodes: number },
): HostFaultKind[] {
  return kinds.filter((kind) => {
    if (DATAGRAM_KINDS.has(kind)) return !cluster.needsFifoChannels;
    return !LOSING_KINDS.has(kind) || cluster.nodes > 2;
  });
}

/** One fault of a schedule. Whom it strikes is drawn when it does, from its own number. */
export interface FaultEvent {
  /** From 0; names the event for `drop` and seeds its draws, so that dropping shifts no other. */
  readonly number: number;
  readonly kind: HostFaultKind;
  readonly atMicros: number;
  readonly lastsMicros: number;
}

/**
 * The fewest kinds that a standard seed draws: at least five must strike, and one may find nothing
 * to harm in the whole run (a log too short for old parts).
 */
const KINDS_MIN = 6;
const KINDS_EXTRA_MAX = 4;
/** Nothing is broken before the first leader had a fair chance. */
const FIRST_FAULT_MICROS = 1_500_000;

/**
 * Draws which kinds a seed uses: six to ten of the allowed ones (swarm testing), of those that
 * lose what was durable one at most.
 */
export function drawKinds(random: Random, allowed: readonly HostFaultKind[]): HostFaultKind[] {
  const losing = allowed.filter((kind) => LOSING_KINDS.has(kind));
  const one = losing[random.below(Math.max(1, losing.length))];
  const pool = allowed.filter((kind) => kind === one || !LOSING_KINDS.has(kind));
  const wanted = Math.min(pool.length, KINDS_MIN + random.below(KINDS_EXTRA_MAX + 1));
  while (pool.length > wanted) pool.splice(random.below(pool.length), 1);
  return pool;
}

/**
 * Draws the whole schedule of one seed. Each kind comes at least once, in the order of the kinds'
 * draw, so that the kinds drawn are the kinds that strike.
 */
export function drawSchedule(
  random: Random,
  kinds: readonly HostFaultKind[],
  settings: {
    readonly untilMicros: number;
    readonly everyMicros: number;
    readonly lastsMaxMicros: number;
  },
): FaultEvent[] {
  const { untilMicros, everyMicros, lastsMaxMicros } = settings;
  const events: FaultEvent[] = [];
  const owed = [...kinds];
  const repeated = kinds.filter((kind) => !LOSING_KINDS.has(kind));
  let at = FIRST_FAULT_MICROS;
  while (at < untilMicros) {
    const kind = owed.shift() ?? repeated[random.below(Math.max(1, repeated.length))];
    if (kind === undefined) break;
    const longer = kind === 'leaveBehind' ? LEAVE_BEHIND_MICROS_MIN : 0;
    const lastsMicros = longer + 1_000 + random.below(lastsMaxMicros);
    events.push({ number: events.length, kind, atMicros: at, lastsMicros });
    at += 1 + random.below(2 * everyMicros);
  }
  return events;
}
