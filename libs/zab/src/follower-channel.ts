import type { LogIndex, NodeId, PeerStatus } from '@quorate/consensus';
import type { FollowerInfo, ZabMessage } from './messages.ts';
import { NO_ZXID, type Zxid } from './zxid.ts';

/**
 * Where one follow attempt stands, as its leader sees it: FOLLOWERINFO taken, NEWEPOCH sent, epoch
 * acknowledged, snapshot or DIFF under way, NEWLEADER sent, NEWLEADER acknowledged.
 */
export type ChannelState =
  | 'info'
  | 'epochSent'
  | 'epochAcked'
  | 'snapshot'
  | 'diff'
  | 'newLeaderSent'
  | 'synced';

interface InFlight {
  readonly lastIndex: LogIndex;
  readonly bytes: number;
}

/**
 * The leader's end of one follow attempt (ZooKeeper's `LearnerHandler`). `nextIndex` walks through
 * the leader's history: first DIFF up to `syncEnd`, then NEWLEADER, then PROPOSE. So proposals made
 * while a follower synchronizes stand queued behind its packets without a queue (ZB-20).
 */
export class FollowerChannel {
  readonly id: NodeId;
  readonly nonce: number;
  readonly acceptedEpoch: number;
  state: ChannelState = 'info';
  /** True once the epoch is promised to this leader. */
  supportsEpoch = false;
  nextIndex = 1 as LogIndex;
  syncEnd = 0 as LogIndex;
  /** The follower's history is durable and equal to the leader's up to here. */
  matchIndex = 0 as LogIndex;
  commitSent = 0 as LogIndex;
  /** What the follower said it last logged, in its ACK-E. */
  lastZxid: Zxid = NO_ZXID;
  /** UPTODATE: not owed yet, to be sent, sent; before it nothing is told committed. */
  upToDate: 'none' | 'due' | 'sent' = 'none';
  /** Messages that no position in the history implies; a handful by construction. */
  control: ZabMessage[] = [];
  private inFlight: InFlight[] = [];
  private inFlightBytes = 0;

  constructor(id: NodeId, info: FollowerInfo) {
    this.id = id;
    this.nonce = info.nonce;
    this.acceptedEpoch = info.acceptedEpoch;
  }

  /** True when transactions stream: DIFF before NEWLEADER, PROPOSE behind it. */
  get isStreaming(): boolean {
    return this.state === 'diff' || this.state === 'newLeaderSent' || this.state === 'synced';
  }

  /** True while the window has room; beyond it the follower gets pings only. */
  hasRoom(messagesMax: number, bytesMax: number): boolean {
    return this.inFlight.length < messagesMax && this.inFlightBytes < bytesMax;
  }

  /** Notes a message of transactions up to `lastIndex`. */
  sent(lastIndex: LogIndex, bytes: number): void {
    this.nextIndex = (lastIndex + 1) as LogIndex;
    this.inFlight.push({ lastIndex, bytes });
    this.inFlightBytes += bytes;
  }

  /** The follower has received everything up to `index`. */
  release(index: LogIndex): void {
    let count = 0;
    for (const message of this.inFlight) {
      if (message.lastIndex > index) break;
      this.inFlightBytes -= message.bytes;
      count++;
    }
    if (count > 0) this.inFlight = this.inFlight.slice(count);
  }

  status(): PeerStatus {
    return { id: this.id, matchIndex: this.matchIndex, state: this.state };
  }
}
