import type { NodeId } from '@quorate/consensus';
import { NEVER } from './context.ts';
import type { Accept, Accepted } from './messages.ts';

interface InFlight {
  readonly first: number;
  readonly last: number;
  readonly bytes: number;
}

/** How often the wait for an answer doubles: the longest retransmission interval is 2^3 times. */
const RETRANSMIT_DOUBLINGS_MAX = 3;

/** What a leader knows of one acceptor, and its window of unanswered Accepts. */
export class PeerProgress {
  readonly id: NodeId;
  readonly bit: number;
  /** The next slot to send for the first time. */
  next: number;
  /** The peer accepted, or knows to be chosen, every slot up to this one. */
  match = 0;
  /** The chosen prefix that the peer last stated. */
  chosenPrefix = 0;
  /** The chosen prefix that the peer was last told. */
  told = 0;
  /** The highest heartbeat round that the peer answered. */
  confirmed = 0;
  /** When the peer last answered anything under this ballot. */
  answeredAt: number;
  connected = true;
  /** When unanswered Accepts count as lost. */
  retransmitAt: number = NEVER;
  private inflight: InFlight[] = [];
  private inflightBytes = 0;
  private doublings = 0;

  constructor(id: NodeId, bit: number, next: number, now: number) {
    this.id = id;
    this.bit = bit;
    this.next = next;
    this.answeredAt = now;
  }

  /** Accepts sent and not answered. */
  get inflightCount(): number {
    return this.inflight.length;
  }

  /** True when another Accept may be sent. */
  windowOpen(messagesMax: number, bytesMax: number): boolean {
    return this.connected && this.inflight.length < messagesMax && this.inflightBytes < bytesMax;
  }

  /** Notes a sent Accept. */
  sent(message: Accept, bytes: number, now: number, retransmitMicros: number): void {
    const last = message.firstSlot + message.proposals.length - 1;
    if (this.inflight.length === 0) this.arm(now, retransmitMicros);
    this.inflight.push({ first: message.firstSlot, last, bytes });
    this.inflightBytes += bytes;
    this.next = last + 1;
    this.told = Math.max(this.told, message.chosenPrefix);
  }

  /** Releases what an answer covers; progress restores the shortest retransmission interval. */
  answered(message: Accepted, now: number, retransmitMicros: number): void {
    for (const range of message.ranges) {
      if (range.first <= this.match + 1) this.match = Math.max(this.match, range.last);
    }
    const before = this.inflight.length;
    this.inflight = this.inflight.filter((sent) => !this.covered(sent, message));
    if (this.inflight.length === before) return;
    this.inflightBytes = this.inflight.reduce((sum, sent) => sum + sent.bytes, 0);
    this.doublings = 0;
    if (this.inflight.length === 0) this.retransmitAt = NEVER;
    else this.arm(now, retransmitMicros);
  }

  /** The peer states its chosen prefix. */
  learned(chosenPrefix: number): void {
    this.chosenPrefix = Math.max(this.chosenPrefix, chosenPrefix);
    this.match = Math.max(this.match, this.chosenPrefix);
  }

  /** Counts everything unanswered as lost and starts again at `next`, more patiently. */
  restart(next: number): void {
    this.next = next;
    this.inflight = [];
    this.inflightBytes = 0;
    this.retransmitAt = NEVER;
    this.doublings = Math.min(this.doublings + 1, RETRANSMIT_DOUBLINGS_MAX);
  }

  private covered(sent: InFlight, message: Accepted): boolean {
    const first = Math.max(sent.first, this.chosenPrefix + 1);
    if (first > sent.last) return true;
    return message.ranges.some((range) => range.first <= first && range.last >= sent.last);
  }

  private arm(now: number, retransmitMicros: number): void {
    this.retransmitAt = now + retransmitMicros * 2 ** this.doublings;
  }
}
