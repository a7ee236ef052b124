import { RecordKind, type WalRecord } from '@quorate/consensus';
import { type Ballot, compareBallots, describeBallot, NO_BALLOT, sameBallot } from './ballot.ts';
import type { Context } from './context.ts';
import type { Accept, PromiseChunk, SlotRange } from './messages.ts';
import { holdsValue, promiseRecord, sameValue } from './records.ts';

/**
 * The acceptor: two separate facts, the ballot promised and, per slot, the ballot and value
 * accepted (MP-03: reporting the promised ballot as the accepted one loses chosen values). It never
 * accepts below its promise (P3) and never takes a promise back (P2).
 */
export class Acceptor {
  /** Slots up to this one are chosen and covered by a durable snapshot: accepts are refused. */
  snapshotIndex: number;
  private readonly context: Context;
  private promisedBallot: Ballot;
  private promisedIn = 0;
  private rangesBallot: Ballot = NO_BALLOT;
  private ranges: { first: number; last: number }[] = [];

  constructor(context: Context, promised: Ballot, snapshotIndex: number) {
    this.context = context;
    this.promisedBallot = promised;
    this.snapshotIndex = snapshotIndex;
    context.round = promised.round;
  }

  /** The highest ballot promised. */
  get promised(): Ballot {
    return this.promisedBallot;
  }

  /** True when the record of the promise is durable. */
  get promiseDurable(): boolean {
    return this.context.persisted >= this.promisedIn;
  }

  /** True when acknowledgements wait to be sent. */
  get acknowledging(): boolean {
    return this.ranges.length > 0;
  }

  /** Promises a ballot at or above the one promised so far; logs it when it is new. */
  promise(ballot: Ballot): void {
    if (compareBallots(ballot, this.promisedBallot) <= 0) return;
    this.promisedBallot = ballot;
    this.promisedIn = this.context.outbox.number;
    this.context.round = ballot.round;
    this.context.outbox.fact(promiseRecord(ballot));
  }

  /** Accepts a value of this replica's own proposal: it has promised that very ballot. */
  acceptOwn(record: WalRecord): void {
    this.context.slots.put(record);
    this.context.outbox.fact(record);
  }

  /**
   * Phase 2b for a message under the promised ballot. What is accepted already is acknowledged
   * again, what a snapshot covers is not (P12). Returns why the message was refused, or null.
   */
  accept(message: Accept): string | null {
    const refusal = this.refusal(message);
    if (refusal !== null) return refusal;
    const { slots, outbox } = this.context;
    if (!sameBallot(this.rangesBallot, message.ballot)) this.flush(0);
    this.rangesBallot = message.ballot;
    for (const record of message.proposals) {
      const slot: number = record.index;
      if (slot <= this.snapshotIndex || slot <= slots.trimMark) continue;
      if (!slots.fits(slot)) return 'slot too far ahead';
      const held = slots.record(slot);
      if (held === null || !isAcceptAt(held, message.ballot)) {
        slots.put(record);
        outbox.fact(record);
      }
      this.acknowledge(slot);
    }
    return null;
  }

  /** Sends the acknowledgements of this turn to the leader of their ballot, once durable. */
  flush(chosenPrefix: number): void {
    const leader = this.rangesBallot.node;
    if (this.ranges.length === 0 || leader === 0) return;
    const ranges: readonly SlotRange[] = this.ranges;
    this.ranges = [];
    this.context.outbox.sendAfterPersist([leader], {
      kind: 'accepted',
      ballot: this.rangesBallot,
      chosenPrefix,
      ranges,
    });
  }

  /**
   * Phase 1b: one chunk of what this acceptor holds from `fromSlot` on (P7). The host sends it when
   * the promise and all that it reports are durable.
   */
  report(ballot: Ballot, fromSlot: number, chosenPrefix: number): PromiseChunk {
    const { slots, config } = this.context;
    const { appendEntriesMax, appendBytesMax } = config.limits;
    const accepted: WalRecord[] = [];
    let bytes = 0;
    let throughSlot = Math.max(fromSlot - 1, slots.trimMark);
    while (throughSlot < slots.last) {
      const record = slots.record(throughSlot + 1);
      if (record !== null) {
        bytes += record.payload.length;
        const full = accepted.length >= appendEntriesMax || bytes > appendBytesMax;
        if (full && accepted.length > 0) break;
        accepted.push(record);
      }
      throughSlot++;
    }
    return {
      kind: 'promise',
      ballot,
      fromSlot,
      throughSlot,
      last: throughSlot >= slots.last,
      trimMark: slots.trimMark,
      chosenPrefix,
      accepted,
    };
  }

  private refusal(message: Accept): string | null {
    const { slots } = this.context;
    let slot = message.firstSlot;
    for (const record of message.proposals) {
      if (record.index !== slot || !isAcceptAt(record, message.ballot)) {
        return `accept ${describeBallot(message.ballot)} holds a foreign record`;
      }
      if (!holdsValue(record)) return 'accept holds no value';
      const held = slots.isChosen(slot) ? slots.record(slot) : null;
      if (held !== null && !sameValue(held, record)) return 'accept contradicts a chosen value';
      slot++;
    }
    return null;
  }

  private acknowledge(slot: number): void {
    const newest = this.ranges[this.ranges.length - 1];
    if (newest !== undefined && newest.last + 1 === slot) newest.last = slot;
    else this.ranges.push({ first: slot, last: slot });
  }
}

function isAcceptAt(record: WalRecord, ballot: Ballot): boolean {
  return (
    record.kind === RecordKind.accept &&
    record.round === ballot.round &&
    record.node === ballot.node
  );
}
