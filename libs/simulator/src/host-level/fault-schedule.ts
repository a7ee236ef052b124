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
  'reset',
  'slowSync',
  'syncError',
  'noSpace',
  'bitFlip',
  'clientCut',
] as const;
/** One of {@link HOST_FAULT_KINDS}. */
export type HostFaultKind = (typeof HOST_FAULT_KINDS)[number];

/** One fault of a schedule. Whom it strikes is drawn when it does, from its own number. */
export interface FaultEvent {
  /** From 0; names the event for `drop` and seeds its draws, so that dropping shifts no other. */
  readonly number: number;
  readonly kind: HostFaultKind;
  readonly atMicros: number;
  readonly lastsMicros: number;
}

/** The fewest kinds that a standard seed uses. */
const KINDS_MIN = 5;
const KINDS_EXTRA_MAX = 5;
/** Nothing is broken before the first leader had a fair chance. */
const FIRST_FAULT_MICROS = 1_500_000;

/** Draws which kinds a seed uses: five to ten of the allowed ones (swarm testing). */
export function drawKinds(random: Random, allowed: readonly HostFaultKind[]): HostFaultKind[] {
  const wanted = Math.min(allowed.length, KINDS_MIN + random.below(KINDS_EXTRA_MAX + 1));
  const pool = [...allowed];
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
  if (kinds.length === 0) return [];
  const events: FaultEvent[] = [];
  const owed = [...kinds];
  let at = FIRST_FAULT_MICROS;
  while (at < untilMicros) {
    const kind = owed.shift() ?? (kinds[random.below(kinds.length)] as HostFaultKind);
    const lastsMicros = 1_000 + random.below(lastsMaxMicros);
    events.push({ number: events.length, kind, atMicros: at, lastsMicros });
    at += 1 + random.below(2 * everyMicros);
  }
  return events;
}
