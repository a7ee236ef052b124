import type { NodeId, Round } from '@quorate/consensus';

/**
 * A ballot number: the pair (round, proposer), ordered by round and then by proposer, so that no
 * two proposers can ever use the same one (Paxos Made Simple, section 2.2; Paxos Made Moderately
 * Complex, section 2). A proposer's own rounds strictly increase, also over restarts.
 */
export interface Ballot {
  readonly round: Round;
  readonly node: NodeId | 0;
}

/** The ballot below every real one: nothing promised, nothing accepted. */
export const NO_BALLOT: Ballot = { round: 0 as Round, node: 0 };

/**
 * The highest round that a peer may name. It lies far below 2^53, so that no addition rounds and a
 * proposer always finds a higher round, and far above what any run of elections reaches.
 */
export const ROUND_MAX: number = 2 ** 48;

/** Negative when `a` is lower than `b`, 0 when they are the same ballot, positive when higher. */
export function compareBallots(a: Ballot, b: Ballot): number {
  return a.round === b.round ? a.node - b.node : a.round - b.round;
}

/** True when `a` and `b` are the same ballot. */
export function sameBallot(a: Ballot, b: Ballot): boolean {
  return a.round === b.round && a.node === b.node;
}

/** The higher of two ballots. */
export function higherBallot(a: Ballot, b: Ballot): Ballot {
  return compareBallots(a, b) >= 0 ? a : b;
}

/** True when a round lies in the range that this engine works with. */
export function isRound(round: number): boolean {
  return Number.isSafeInteger(round) && round >= 1 && round <= ROUND_MAX;
}

/** The ballot as people write it: `round.node`. */
export function describeBallot(ballot: Ballot): string {
  return `${ballot.round}.${ballot.node}`;
}
