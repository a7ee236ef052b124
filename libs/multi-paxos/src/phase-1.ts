import { type NodeId, RecordKind, type WalRecord } from '@quorate/consensus';
import { type Ballot, compareBallots, sameBallot } from './ballot.ts';
import type { Context } from './context.ts';
import type { PromiseChunk } from './messages.ts';
import { acceptRecord, ballotOf, chosenRecord, holdsValue, NOOP } from './records.ts';
import { SLOT_GAP_MAX } from './slots.ts';

/**
 * Phase 1 of one ballot over the whole undecided range (the scout of Paxos Made Moderately Complex,
 * section 2.3). It learns, per slot, the value accepted at the highest ballot. Promises come in
 * chunks that the proposer pulls one at a time, so that their size is bounded; an acceptor counts
 * only when its last chunk for this ballot has come. Chunks of the others may be used: adding the
 * reports of more acceptors to those of a quorum leaves a quorum.
 */
export class Phase1 {
  readonly ballot: Ballot;
  readonly fromSlot: number;
  /** The Ready that logs the own promise, which counts once it is durable. */
  readonly ownPromiseIn: number;
  private readonly context: Context;
  private readonly best = new Map<number, WalRecord>();
  private readonly nextFrom = new Map<NodeId, number>();
  private promisedMask = 0;
  private highest: number;
  private trimmed: number;
  private source: NodeId;

  constructor(context: Context, ballot: Ballot, chosenPrefix: number) {
    this.context = context;
    this.ballot = ballot;
    this.fromSlot = chosenPrefix + 1;
    this.ownPromiseIn = context.outbox.number;
    this.highest = chosenPrefix;
    this.trimmed = chosenPrefix;
    this.source = context.id;
    for (const peer of context.voters.peers) this.nextFrom.set(peer, this.fromSlot);
    for (let slot = this.fromSlot; slot <= context.slots.last; slot++) {
      const record = context.slots.record(slot);
      if (record !== null) this.merge(record, context.slots.isChosen(slot));
    }
  }

  /** The highest slot in which something may be chosen already. */
  get highestReported(): number {
    return this.highest;
  }

  /** Slots up to this one are chosen but trimmed somewhere: they must be learned, not proposed. */
  get trimMark(): number {
    return this.trimmed;
  }

  /** The replica that reported the highest trim mark. */
  get trimSource(): NodeId {
    return this.source;
  }

  /** True when a quorum has promised. */
  get won(): boolean {
    const own = this.context.persisted >= this.ownPromiseIn ? this.context.voters.ownBit : 0;
    return this.context.voters.isQuorum(this.promisedMask | own);
  }

  /** From which slot on the peer must be asked next; null when its promise is complete. */
  asks(peer: NodeId): number | null {
    return this.nextFrom.get(peer) ?? null;
  }

  /** Takes one chunk; why it was ignored, or null. Only the chunk asked for counts. */
  take(from: NodeId, chunk: PromiseChunk): string | null {
    if (this.nextFrom.get(from) !== chunk.fromSlot) return 'promise chunk not asked for';
    const refusal = this.refusal(chunk);
    if (refusal !== null) return refusal;
    for (const record of chunk.accepted) this.merge(record, record.index <= chunk.chosenPrefix);
    this.highest = Math.max(this.highest, chunk.trimMark);
    if (chunk.trimMark > this.trimmed) {
      this.trimmed = chunk.trimMark;
      this.source = from;
    }
    if (chunk.last) {
      this.nextFrom.delete(from);
      this.promisedMask |= this.context.voters.bitOf(from);
    } else this.nextFrom.set(from, chunk.throughSlot + 1);
    return null;
  }

  /**
   * What must be proposed in a slot under this ballot: the value accepted at the highest ballot, or
   * a no-op where nobody of a quorum accepted anything (Paxos Made Simple, section 2.2, rule P2c).
   */
  proposal(slot: number): WalRecord {
    const found = this.best.get(slot);
    const value = found ?? NOOP;
    return acceptRecord(this.ballot, slot, value.entryType, value.payload);
  }

  private refusal(chunk: PromiseChunk): string | null {
    if (!chunk.last && chunk.throughSlot < chunk.fromSlot) return 'promise chunk without progress';
    let previous = Math.max(chunk.fromSlot - 1, chunk.trimMark);
    for (const record of chunk.accepted) {
      const known = record.kind === RecordKind.chosen || record.kind === RecordKind.accept;
      const inOrder = record.index > previous && record.index <= chunk.throughSlot;
      if (!known || !inOrder || !holdsValue(record)) return 'promise chunk holds a foreign record';
      // No acceptor stores a slot that far ahead; filling such a gap with no-ops would never end.
      if (record.index - previous > SLOT_GAP_MAX) return 'promise chunk jumps too far ahead';
      if (compareBallots(ballotOf(record), chunk.ballot) >= 0) {
        return 'promise reports an accept at or above its ballot';
      }
      previous = record.index;
    }
    return null;
  }

  private merge(record: WalRecord, chosen: boolean): void {
    const slot: number = record.index;
    if (slot < this.fromSlot) return;
    this.highest = Math.max(this.highest, slot);
    const held = this.best.get(slot);
    if (held?.kind === RecordKind.chosen) return;
    if (chosen || record.kind === RecordKind.chosen) this.best.set(slot, chosenRecord(record));
    else if (held === undefined || compareBallots(ballotOf(record), ballotOf(held)) > 0) {
      this.best.set(slot, record);
    }
  }
}

/** True when a promise answers this very phase 1. */
export function answers(phase: Phase1 | null, ballot: Ballot): phase is Phase1 {
  return phase !== null && sameBallot(phase.ballot, ballot);
}
