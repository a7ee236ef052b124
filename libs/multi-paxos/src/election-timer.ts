import type { Context } from './context.ts';

/** Who may prepare when the leader is silent; the variant `electionRule`. */
export type ElectionRule = 'timeout' | 'ranked';

/** The smallest distance between the base of the timeout and a draw, in microseconds (RF-10). */
const ABOVE_BASE_MICROS = 1_000;
/** After this many lost ballots in a row the back-off grows no more. */
const BACKOFF_LOSSES_MAX = 4;

/** True for a name that `electionRule` may have. */
export function isElectionRule(name: unknown): name is ElectionRule {
  return name === 'timeout' || name === 'ranked';
}

/**
 * Draws a silence after which a replica acts, in microseconds: uniform in [min + 1 ms, max], anew
 * for each wait. Under `ranked` the same range is cut into one share a voter, lowest id first, so
 * that the timers of two replicas do not meet. `lostBallots` widens the range at its upper end:
 * proposers that keep preempting each other would otherwise duel for ever (MP-07; Paxos Made
 * Simple, section 2.4).
 */
export function drawElectionTimeout(
  context: Context,
  rule: ElectionRule,
  lostBallots: number,
): number {
  const { electionTimeoutMinMicros, electionTimeoutMaxMicros } = context.config;
  const lowest = electionTimeoutMinMicros + ABOVE_BASE_MICROS;
  const span = Math.max(0, electionTimeoutMaxMicros - lowest);
  const backoff = Math.floor((span * Math.min(lostBallots, BACKOFF_LOSSES_MAX)) / 2);
  if (rule === 'timeout') return lowest + context.random.between(0, span + backoff);
  const share = Math.floor(span / context.voters.ids.length);
  const rank = context.voters.ids.indexOf(context.id);
  return lowest + rank * share + context.random.between(0, Math.max(0, share - 1) + backoff);
}
