import type { NodeId } from '@quorate/consensus';
import { ChainLog } from './chain-log.ts';

/** A vote of fast leader election, in the order in which votes are compared. */
export interface Vote {
  readonly epoch: number;
  readonly zxid: { readonly epoch: number; readonly counter: number };
  readonly leader: NodeId;
}

/** What an observer knows of one ZAB server. */
export class ZabNode {
  readonly id: NodeId;
  readonly bit: number;
  /** The history as handed out in Readies, and what of it is on the disk. */
  memory = new ChainLog();
  durable = new ChainLog();
  acceptedEpoch = 0;
  acceptedFrom = 0;
  currentEpoch = 0;
  durableAccepted = 0;
  durableFrom = 0;
  durableCurrent = 0;
  /** The highest acceptedEpoch that it ever stated, over all incarnations. */
  spokenEpoch = 0;
  announced = 0;
  /** The epoch that it leads since its own currentEpoch was handed out, or 0. */
  leads = 0;
  /** True once that epoch serves. */
  serves = false;
  /** Where NEWLEADER said that the history ends, as last received, by epoch. */
  readonly newLeaders = new Map<number, number>();
  /** The last own vote of the election round: votes only get better. */
  voteRound = 0;
  vote: Vote | null = null;
  // One leadership.
  /** Who promised the epoch, and who acknowledged its NEWLEADER, as received, as sets of bits. */
  promisedFor = 0;
  promised = 0;
  acknowledgedFor = 0;
  acknowledged = 0;
  /** Followers that were sent NEWLEADER of the led epoch. */
  readonly synchronized = new Set<NodeId>();
  /** The last ACK that may have left, by its attempt. */
  readonly acks = { nonce: -1, epoch: 0, index: 0 };

  constructor(id: NodeId, bit: number) {
    this.id = id;
    this.bit = bit;
  }

  /** The process is gone and with it everything that is not on the disk. */
  forget(): void {
    this.memory = new ChainLog();
    this.durable = new ChainLog();
    this.acceptedEpoch = 0;
    this.acceptedFrom = 0;
    this.currentEpoch = 0;
    this.durableAccepted = 0;
    this.durableFrom = 0;
    this.durableCurrent = 0;
    this.announced = 0;
    this.newLeaders.clear();
    this.voteRound = 0;
    this.vote = null;
    this.acks.nonce = -1;
    this.leadershipEnds();
  }

  leadershipEnds(): void {
    this.leads = 0;
    this.serves = false;
    this.promisedFor = 0;
    this.promised = 0;
    this.acknowledgedFor = 0;
    this.acknowledged = 0;
    this.synchronized.clear();
  }
}
