import type { LogIndex, NodeId } from './ids.ts';

/**
 * One replica of the cluster. `disk` is the random id of its data directory: a known node id that
 * comes with another disk has lost its promises and must not vote. `address` is where peers dial.
 */
export interface Member {
  readonly id: NodeId;
  readonly disk: string;
  readonly address: string;
}

/** Who takes part. Each array is sorted by id; no id stands in two of them. */
export interface Membership {
  readonly voters: readonly Member[];
  /** Receive everything, vote on nothing. Empty until membership change exists. */
  readonly learners: readonly Member[];
  /** Vote and store, but keep no state machine. Empty until witnesses exist. */
  readonly witnesses: readonly Member[];
}

/** The membership in force now; `joint` is the outgoing one while a joint change is under way. */
export interface MembershipView {
  readonly current: Membership;
  readonly joint: Membership | null;
  /** The entry that set it; 0 for the one the cluster was started with. */
  readonly index: LogIndex;
}
