import type { WalRecord } from '@quorate/consensus';
import { assert } from '@quorate/foundation';

/** How far beyond the last slot held a new one may lie: bounds what one message can allocate. */
export const SLOT_GAP_MAX: number = 1 << 18;

const CHOSEN = 1 << 30;
const COMPACT_COUNT_MIN = 1024;

/**
 * The slots that a replica holds in memory: per slot the record with the highest accepted ballot
 * (or the chosen value), whether it is known to be chosen, and at a leader who accepted it at the
 * leader's ballot. Any slot may be filled first; a gap holds null. Columns instead of an object a
 * slot, with an offset instead of shifting, keep an entry at one allocation.
 */
export class SlotWindow {
  private records: (WalRecord | null)[] = [];
  private marks: number[] = [];
  private head = 0;
  private before: number;
  private bytes = 0;

  constructor(trimMark: number) {
    this.before = trimMark;
  }

  /** The highest slot that is no longer held; every slot up to it is chosen. */
  get trimMark(): number {
    return this.before;
  }

  /** The highest slot that holds a value, or the trim mark. */
  get last(): number {
    return this.before + this.records.length - this.head;
  }

  /** Payload bytes held. */
  get heldBytes(): number {
    return this.bytes;
  }

  /** What the slot holds; null for a gap and outside of the window. */
  record(slot: number): WalRecord | null {
    if (slot <= this.before) return null;
    return this.records[this.at(slot)] ?? null;
  }

  /** True when the slot is above the trim mark and near enough to be stored. */
  fits(slot: number): boolean {
    return slot > this.before && slot - this.last <= SLOT_GAP_MAX;
  }

  /** Stores a record at its slot; acknowledgements of an older record there are forgotten. */
  put(record: WalRecord): void {
    const slot: number = record.index;
    assert(this.fits(slot), 'a stored slot lies in the window');
    while (this.last < slot) {
      this.records.push(null);
      this.marks.push(0);
    }
    const at = this.at(slot);
    this.bytes += record.payload.length - (this.records[at]?.payload.length ?? 0);
    this.records[at] = record;
    this.marks[at] = (this.marks[at] ?? 0) & CHOSEN;
  }

  /** Notes that the acceptors in `bits` accepted the slot's record; returns all who have. */
  acknowledge(slot: number, bits: number): number {
    const at = this.at(slot);
    const mark = (this.marks[at] ?? 0) | bits;
    this.marks[at] = mark;
    return mark & ~CHOSEN;
  }

  /** Who accepted the slot's record. */
  acknowledged(slot: number): number {
    return slot <= this.before ? 0 : (this.marks[this.at(slot)] ?? 0) & ~CHOSEN;
  }

  /** Notes that the value held is the chosen one. */
  markChosen(slot: number): void {
    assert(this.record(slot) !== null, 'a chosen slot holds its value');
    const at = this.at(slot);
    this.marks[at] = (this.marks[at] ?? 0) | CHOSEN;
  }

  /** True when the slot is known to be chosen. */
  isChosen(slot: number): boolean {
    if (slot <= this.before) return true;
    return ((this.marks[this.at(slot)] ?? 0) & CHOSEN) !== 0;
  }

  /** Forgets every slot up to `slot`, also beyond the last one held. */
  trimThrough(slot: number): void {
    while (this.before < slot && this.head < this.records.length) {
      this.bytes -= this.records[this.head]?.payload.length ?? 0;
      this.records[this.head] = null;
      this.head++;
      this.before++;
    }
    if (this.before < slot) this.before = slot;
    if (this.head === this.records.length || this.head >= COMPACT_COUNT_MIN) this.compact();
  }

  private compact(): void {
    if (this.head * 2 < this.records.length) return;
    this.records = this.records.slice(this.head);
    this.marks = this.marks.slice(this.head);
    this.head = 0;
  }

  private at(slot: number): number {
    return slot - this.before - 1 + this.head;
  }
}
