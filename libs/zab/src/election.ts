import type { NodeId } from '@quorate/consensus';
import type { Notification, Vote } from './messages.ts';
import { compareZxid } from './zxid.ts';

/**
 * Orders votes: by currentEpoch, then by last logged zxid, then by server id. A total order, so
 * that votes can never chase each other in a circle (ZB-18). Positive when `a` is the better vote.
 */
export function compareVotes(a: Vote, b: Vote): number {
  if (a.epoch !== b.epoch) return a.epoch - b.epoch;
  const byZxid = compareZxid(a.zxid, b.zxid);
  return byZxid === 0 ? a.leader - b.leader : byZxid;
}

/** What hearing a notification calls for. */
export type Heard =
  /** The own vote or round changed: tell everybody. */
  | 'changed'
  /** Counted; nothing to say. */
  | 'noted'
  /** The sender is in an older round: tell it the current one. */
  | 'behind';

/** Where an election stands. */
export interface Outcome {
  /** `undecided`, `quorum` for the own vote, or an `established` leader found by its followers. */
  readonly kind: 'undecided' | 'quorum' | 'established';
  readonly leader: NodeId | 0;
  /** The vote that names the leader, as it was heard; null while undecided. */
  readonly vote: Vote | null;
  /** True when no voter is left that could still bring a better vote. */
  readonly unanimous: boolean;
}

interface Settled {
  readonly leader: NodeId;
  readonly vote: Vote;
  readonly leading: boolean;
  readonly round: number;
}

const UNDECIDED: Outcome = { kind: 'undecided', leader: 0, vote: null, unanimous: false };

/**
 * One server's fast leader election: votes are gossiped, a better vote is adopted and passed on,
 * until a quorum votes alike (ZooKeeper's `FastLeaderElection`; the paper leaves phase 0 open). It
 * only finds a promising leader: what it finds is checked again in discovery.
 */
export class FastLeaderElection {
  readonly id: NodeId;
  private readonly voters: readonly NodeId[];
  private readonly isQuorum: (has: (voter: NodeId) => boolean) => boolean;
  private readonly isAvoided: (server: NodeId) => boolean;
  private readonly received = new Map<NodeId, Vote>();
  private readonly settled = new Map<NodeId, Settled>();
  private own: Vote;
  /** The election round: notifications of older rounds do not count. */
  round: number;
  /** The best vote seen in this round. */
  proposal: Vote;

  /** Opens round `round` with a vote for the own history. */
  constructor(
    own: Vote,
    round: number,
    voters: readonly NodeId[],
    isQuorum: (has: (voter: NodeId) => boolean) => boolean,
    isAvoided: (server: NodeId) => boolean,
  ) {
    this.id = own.leader;
    this.own = own;
    this.round = round;
    this.proposal = own;
    this.voters = voters;
    this.isQuorum = isQuorum;
    this.isAvoided = isAvoided;
    this.received.set(this.id, own);
  }

  /** Takes one notification of a voter. */
  hear(from: NodeId, notification: Notification): Heard {
    const { vote, round, state } = notification;
    if (state === 'looking') this.settled.delete(from);
    else {
      this.settled.set(from, { leader: vote.leader, vote, leading: state === 'leading', round });
    }
    if (state !== 'looking' && round !== this.round) return 'noted';
    if (round < this.round) return 'behind';
    let changed = false;
    if (round > this.round) {
      this.round = round;
      this.received.clear();
      this.adopt(this.isBetter(vote, this.own) ? vote : this.own);
      changed = true;
    } else if (this.isBetter(vote, this.proposal)) {
      this.adopt(vote);
      changed = true;
    }
    this.received.set(from, vote);
    return changed ? 'changed' : 'noted';
  }

  /** What the votes amount to now. */
  outcome(): Outcome {
    const established = this.establishedLeader();
    if (established !== null) {
      const { leader, vote } = established;
      return { kind: 'established', leader, vote, unanimous: true };
    }
    const { leader } = this.proposal;
    const votesFor = (voter: NodeId): boolean => this.received.get(voter)?.leader === leader;
    if (!this.isQuorum(votesFor)) return UNDECIDED;
    const unanimous = this.voters.every((voter) => this.received.has(voter));
    return { kind: 'quorum', leader, vote: this.proposal, unanimous };
  }

  /**
   * A leader that says of itself that it leads and that a quorum follows, this server included:
   * how a late joiner finds an established leader whose election round it has missed.
   */
  private establishedLeader(): Settled | null {
    for (const [server, entry] of this.settled) {
      if (!entry.leading || entry.leader !== server || server === this.id) continue;
      const follows = (voter: NodeId): boolean =>
        voter === this.id || this.settled.get(voter)?.leader === server;
      if (this.isQuorum(follows)) {
        this.round = Math.max(this.round, entry.round);
        return entry;
      }
    }
    return null;
  }

  /** A server that lately failed to lead after winning gets no vote for a while (V1). */
  private isBetter(vote: Vote, than: Vote): boolean {
    return compareVotes(vote, than) > 0 && !this.isAvoided(vote.leader);
  }

  private adopt(vote: Vote): void {
    this.proposal = vote;
    this.received.set(this.id, vote);
  }
}
