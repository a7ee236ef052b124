import type { Instant, LogIndex, NodeId } from '@quorate/consensus';
import { assert } from '@quorate/foundation';

/** How a leader sends to a follower: feeling its way, streaming, or waiting for a snapshot. */
export type ProgressState = 'probe' | 'replicate' | 'snapshot';

/** The messages on their way to one follower: a ring of at most `messagesMax`, oldest first. */
class Inflight {
  private readonly through: number[];
  private readonly size: number[];
  private head = 0;
  count = 0;
  bytes = 0;

  constructor(messagesMax: number) {
    this.through = new Array<number>(messagesMax).fill(0);
    this.size = new Array<number>(messagesMax).fill(0);
  }

  add(through: LogIndex, bytes: number): void {
    assert(this.count < this.through.length, 'a full window takes no message');
    const place = (this.head + this.count) % this.through.length;
    this.through[place] = through;
    this.size[place] = bytes;
    this.count++;
    this.bytes += bytes;
  }

  /** Forgets the messages that an acknowledgement up to `index` covers. */
  acknowledge(index: LogIndex): void {
    while (this.count > 0 && (this.through[this.head] as number) <= index) {
      this.bytes -= this.size[this.head] as number;
      this.head = (this.head + 1) % this.through.length;
      this.count--;
    }
  }

  clear(): void {
    this.count = 0;
    this.bytes = 0;
  }
}

/** What one leadership knows of one follower (Raft paper, figure 2: nextIndex and matchIndex). */
export class Progress {
  readonly id: NodeId;
  state: ProgressState = 'probe';
  /** The highest index known to be durable at the follower and equal to the leader's. */
  match = 0 as LogIndex;
  /** The next index to send; always above `match`. */
  next: LogIndex;
  /** Probes sent and not answered. The first carries entries, a repeated one carries none. */
  probes = 0;
  /** In probe: wait for an answer or a heartbeat's answer before the next probe. */
  probeWaits = false;
  /** In replicate: ask with an empty message whether what was sent has arrived. */
  checkDue = false;
  /** The commit index that the follower knows if nothing was lost; heartbeats repeat it anyway. */
  commitSent = 0 as LogIndex;
  /** The highest confirmation that the follower has answered. */
  confirmed = 0;
  /** When the follower was last heard in this term; at first, the start of the leadership. */
  heardAt: Instant;
  /** True once the follower was heard in this term and its session did not end since. */
  heard = false;
  /** The index of the snapshot on its way; 0 when there is none. */
  snapshotIndex = 0 as LogIndex;
  private matchAtHeartbeat = -1;
  private readonly inflight: Inflight;
  private readonly inflightMessagesMax: number;
  private readonly inflightBytesMax: number;

  constructor(fields: {
    readonly id: NodeId;
    readonly next: LogIndex;
    readonly now: Instant;
    readonly inflightMessagesMax: number;
    readonly inflightBytesMax: number;
  }) {
    this.id = fields.id;
    this.next = fields.next;
    this.heardAt = fields.now;
    this.inflightMessagesMax = fields.inflightMessagesMax;
    this.inflightBytesMax = fields.inflightBytesMax;
    this.inflight = new Inflight(fields.inflightMessagesMax);
  }

  /** True when the follower may be sent no more entries before it answers. */
  get windowFull(): boolean {
    const { count, bytes } = this.inflight;
    return count >= this.inflightMessagesMax || bytes >= this.inflightBytesMax;
  }

  /** True when an AppendEntries is due, given the leader's last index. */
  wantsAppend(lastIndex: LogIndex): boolean {
    if (this.state === 'probe') return !this.probeWaits && this.match < lastIndex;
    if (this.state === 'snapshot') return false;
    return this.checkDue || (this.next <= lastIndex && !this.windowFull);
  }

  /** True when the due AppendEntries may carry entries. */
  get mayCarryEntries(): boolean {
    return this.state === 'probe' ? this.probes === 0 : !this.windowFull;
  }

  /** An AppendEntries with `count` entries left for the follower, telling the commit index. */
  sent(count: number, bytes: number, commitIndex: LogIndex): void {
    const through = (this.next + count - 1) as LogIndex;
    this.checkDue = false;
    if (this.state === 'probe') {
      this.probes++;
      this.probeWaits = true;
      return;
    }
    if (count > 0) this.inflight.add(through, bytes);
    this.next = (through + 1) as LogIndex;
    const told = commitIndex < through ? commitIndex : through;
    if (told > this.commitSent) this.commitSent = told;
  }

  /**
   * The follower holds everything up to `index`. Answers may arrive in any order, so `match` only
   * grows and `next` stays above it (RF-23). Any success ends a probe: `match` is certain.
   */
  acknowledged(index: LogIndex): void {
    if (index > this.match) this.match = index;
    if (this.state === 'probe') this.becomeReplicate();
    this.inflight.acknowledge(index);
    if (this.next <= this.match) this.next = (this.match + 1) as LogIndex;
  }

  /**
   * True when a refusal of `rejectedIndex` answers what is being tried now. Refusals can be late:
   * one at or below `match` is proven wrong since (RF-21), and in probe only the probe itself
   * counts.
   */
  isFreshRejection(rejectedIndex: LogIndex): boolean {
    if (this.state === 'snapshot' || rejectedIndex <= this.match) return false;
    return this.state === 'replicate' || rejectedIndex === this.next - 1;
  }

  /** Feels its way again, from `next` on, but never at or below what is certain. */
  becomeProbe(next: LogIndex): void {
    this.state = 'probe';
    this.next = Math.max(next, this.match + 1) as LogIndex;
    this.probes = 0;
    this.probeWaits = false;
    this.checkDue = false;
    this.snapshotIndex = 0 as LogIndex;
    this.inflight.clear();
  }

  /** Waits for a snapshot to arrive. */
  becomeSnapshot(index: LogIndex): void {
    this.state = 'snapshot';
    this.snapshotIndex = index;
    this.inflight.clear();
  }

  /**
   * A heartbeat was answered, so the follower is there: a probe may be repeated (RF-29), and when
   * nothing was acknowledged since the heartbeat before, ask whether what was sent has arrived.
   */
  heartbeatAnswered(): void {
    this.probeWaits = false;
    if (this.state === 'replicate' && this.match < this.next - 1) {
      if (this.match === this.matchAtHeartbeat) this.checkDue = true;
    }
    this.matchAtHeartbeat = this.match;
  }

  private becomeReplicate(): void {
    this.state = 'replicate';
    this.next = (this.match + 1) as LogIndex;
    this.probes = 0;
    this.probeWaits = false;
    this.inflight.clear();
  }
}
