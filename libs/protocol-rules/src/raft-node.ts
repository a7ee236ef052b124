import type { NodeId, Ticket } from '@quorate/consensus';
import { ChainLog } from './chain-log.ts';

/** A follower's question for a read index, with the confirmations sent before it came. */
interface AskedRead {
  readonly context: number;
  readonly confirmation: number;
}

/** What an observer knows of one Raft replica. */
export class RaftNode {
  readonly id: NodeId;
  readonly bit: number;
  /** The log as handed out in Readies, and what of it is on the disk. */
  memory = new ChainLog();
  durable = new ChainLog();
  term = 0;
  votedFor = 0;
  durableTerm = 0;
  durableVote = 0;
  /** The highest term that it ever stated to anybody, over all incarnations. */
  spokenTerm = 0;
  /** The highest term in what it was sent, pre-votes aside: what may raise its own. */
  heardTerm = 0;
  /** The highest index announced as committed, and how far what it heard lets it commit. */
  announced = 0;
  commitBound = 0;
  /** The term that it leads, or 0. */
  leads = 0;
  /** Who granted it a vote in which term, as a set of bits. */
  voteTerm = 0;
  voters = 0;
  // One leadership.
  /** The highest acknowledged index by follower, as received and as the engine shows it. */
  readonly acknowledged = new Map<NodeId, number>();
  readonly shownMatch = new Map<NodeId, number>();
  /** The highest confirmation number sent, and answered by follower. */
  confirmation = 0;
  readonly confirmed = new Map<NodeId, number>();
  readonly ownReads = new Map<Ticket, number>();
  readonly peerReads = new Map<NodeId, AskedRead[]>();

  constructor(id: NodeId, bit: number) {
    this.id = id;
    this.bit = bit;
  }

  /** The process is gone and with it everything that is not on the disk. */
  forget(): void {
    this.memory = new ChainLog();
    this.durable = new ChainLog();
    this.term = 0;
    this.votedFor = 0;
    this.durableTerm = 0;
    this.durableVote = 0;
    this.heardTerm = 0;
    this.announced = 0;
    this.commitBound = 0;
    this.voteTerm = 0;
    this.voters = 0;
    this.leadershipEnds();
  }

  leadershipEnds(): void {
    this.leads = 0;
    this.acknowledged.clear();
    this.shownMatch.clear();
    this.confirmation = 0;
    this.confirmed.clear();
    this.ownReads.clear();
    this.peerReads.clear();
  }
}
