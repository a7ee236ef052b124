import {
  type CommittedEntry,
  logIndex,
  NO_TICKET,
  RecordKind,
  type Ticket,
  type WalRecord,
} from '@quorate/consensus';
import { assert, required } from '@quorate/foundation';
import { type Ballot, compareBallots, NO_BALLOT } from './ballot.ts';
import type { Context } from './context.ts';
import { commitRecord, sameValue } from './records.ts';

/**
 * Knows which slots are chosen and hands them over in order, without holes (P10). A slot counts as
 * chosen here in three ways only (P8): its leader counted a quorum at one ballot, a replica that
 * knows it told its value, or a notice said so under the very ballot of the local accept. A notice
 * by slot number alone would make a replica execute a value that lost (MP-06).
 */
export class Learner {
  private readonly context: Context;
  private prefix: number;
  private deliveredThrough: number;
  private recordedThrough: number;
  private notedBallot: Ballot = NO_BALLOT;
  private notedPrefix = 0;

  constructor(context: Context, snapshotIndex: number, chosenPrefix: number) {
    this.context = context;
    this.prefix = chosenPrefix;
    this.recordedThrough = chosenPrefix;
    this.deliveredThrough = snapshotIndex;
    this.advance();
  }

  /** Every slot up to this one is chosen and known, or covered by a snapshot. */
  get chosenPrefix(): number {
    return this.prefix;
  }

  /** True when chosen entries wait to be handed over. */
  get undelivered(): boolean {
    return this.deliveredThrough < this.prefix;
  }

  /** Takes a notice: the leader of `ballot` knows each slot up to `chosenPrefix` to be chosen. */
  notice(ballot: Ballot, chosenPrefix: number): void {
    const order = compareBallots(ballot, this.notedBallot);
    if (order < 0 || (order === 0 && chosenPrefix <= this.notedPrefix)) return;
    this.notedBallot = ballot;
    this.notedPrefix = chosenPrefix;
    this.advance();
  }

  /**
   * Takes a chosen value from a replica that knows it. False when another value is already known
   * to be chosen there, which only a broken peer can say.
   */
  learn(record: WalRecord): boolean {
    const { slots, outbox } = this.context;
    const slot: number = record.index;
    if (slot <= this.prefix) return true;
    assert(record.kind === RecordKind.chosen, 'a value is learned as a chosen record');
    const held = slots.record(slot);
    if (slots.isChosen(slot)) return held !== null && sameValue(held, record);
    // An accept of the same value stays: a leader still sends it, and its ballot remains reported.
    if (held === null || !sameValue(held, record)) slots.put(record);
    slots.markChosen(slot);
    outbox.fact(record);
    return true;
  }

  /** Moves the prefix over every slot that is known to be chosen. */
  advance(): void {
    const { slots } = this.context;
    for (let slot = this.prefix + 1; slot <= slots.last; slot++) {
      if (!slots.isChosen(slot)) {
        const held = slots.record(slot);
        if (held === null || !this.coveredByNotice(slot, held)) return;
        slots.markChosen(slot);
      }
      this.prefix = slot;
    }
  }

  /** A snapshot covers everything up to `index`; nothing of it is handed over any more. */
  install(index: number): void {
    this.prefix = Math.max(this.prefix, index);
    this.deliveredThrough = Math.max(this.deliveredThrough, index);
    this.recordedThrough = Math.max(this.recordedThrough, index);
    this.advance();
  }

  /**
   * Logs the commit hint for what was learned since the last one. Each slot up to it stands with
   * its value in an earlier batch or, since this comes last in a turn, in the same one.
   */
  record(): void {
    if (this.prefix <= this.recordedThrough) return;
    this.recordedThrough = this.prefix;
    this.context.outbox.hint(commitRecord(this.prefix));
  }

  /** Hands over the chosen entries since the last call, each with the ticket it was asked under. */
  deliver(takeTicket: (slot: number) => Ticket): CommittedEntry[] {
    const committed: CommittedEntry[] = [];
    for (let slot = this.deliveredThrough + 1; slot <= this.prefix; slot++) {
      const record = required(this.context.slots.record(slot), 'a chosen slot is held');
      committed.push({
        index: logIndex(slot),
        type: record.entryType,
        payload: record.payload,
        ticket: takeTicket(slot),
      });
    }
    this.deliveredThrough = this.prefix;
    return committed;
  }

  private coveredByNotice(slot: number, held: WalRecord): boolean {
    return (
      slot <= this.notedPrefix &&
      held.kind === RecordKind.accept &&
      held.round === this.notedBallot.round &&
      held.node === this.notedBallot.node
    );
  }
}

/** The ticket of slots that nobody asked for here. */
export const noTicket = (): Ticket => NO_TICKET;
