import type { LogIndex, WalRecord } from '@quorate/consensus';
import { assert, required } from '@quorate/foundation';
import { compareZxid, formatZxid, NO_ZXID, succeeds, type Zxid, zxidOf } from './zxid.ts';

/** Trimmed slots kept at the front of the array before it is copied: makes trimming O(1) each. */
const TRIMMED_SLOTS_MAX = 4096;

/**
 * A server's history as far as it is in memory: a contiguous run of transactions behind a base.
 * There is no gap by construction, so a DIFF taken from it has none (ZB-10). `index` is the ordinal
 * in the history; equal zxids stand at equal ordinals and have equal prefixes.
 */
export class History {
  private slots: (WalRecord | undefined)[] = [];
  private head = 0;
  private baseOrdinal = 0;
  private baseId: Zxid = NO_ZXID;
  private lastId: Zxid = NO_ZXID;
  private payloadBytes = 0;

  /** The index before the first transaction in memory. */
  get baseIndex(): LogIndex {
    return this.baseOrdinal as LogIndex;
  }

  get baseZxid(): Zxid {
    return this.baseId;
  }

  get lastIndex(): LogIndex {
    return (this.baseOrdinal + this.length) as LogIndex;
  }

  /** The zxid of the last transaction, or of the base when none is in memory. */
  get lastZxid(): Zxid {
    return this.lastId;
  }

  /** Payload bytes in memory. */
  get bytes(): number {
    return this.payloadBytes;
  }

  private get length(): number {
    return this.slots.length - this.head;
  }

  /** Forgets everything and starts behind a snapshot. */
  reset(index: LogIndex, zxid: Zxid): void {
    this.slots = [];
    this.head = 0;
    this.baseOrdinal = index;
    this.baseId = zxid;
    this.lastId = zxid;
    this.payloadBytes = 0;
  }

  /** Appends the transaction that follows the last one. */
  append(record: WalRecord): void {
    assert(record.index === this.lastIndex + 1, 'a history has no gap');
    const zxid = zxidOf(record);
    assert(succeeds(this.lastId, zxid), `${formatZxid(zxid)} follows ${formatZxid(this.lastId)}`);
    this.slots.push(record);
    this.lastId = zxid;
    this.payloadBytes += record.payload.length;
  }

  /** Removes every transaction above `index`, which is at or above the base. */
  truncateAfter(index: LogIndex): void {
    assert(index >= this.baseOrdinal, 'what a snapshot covers is never truncated');
    while (this.lastIndex > index) {
      this.payloadBytes -= required(this.slots.pop(), 'a slot holds a record').payload.length;
    }
    this.lastId = required(this.zxidAt(index), 'the new end is known');
  }

  /** The transaction at an index in memory. */
  at(index: LogIndex): WalRecord {
    const slot = this.slots[this.head + index - this.baseOrdinal - 1];
    return required(slot, 'the index is in memory');
  }

  /** The zxid at an index from the base to the end, or null elsewhere. */
  zxidAt(index: LogIndex): Zxid | null {
    if (index === this.baseOrdinal) return this.baseId;
    if (index < this.baseOrdinal || index > this.lastIndex) return null;
    return zxidOf(this.at(index));
  }

  /** The last index whose zxid is at most `zxid`, or null when it lies before the base. */
  lastAtMost(zxid: Zxid): LogIndex | null {
    if (compareZxid(zxid, this.baseId) < 0) return null;
    let low = this.baseOrdinal;
    let high: number = this.lastIndex;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (compareZxid(zxidOf(this.at(middle as LogIndex)), zxid) <= 0) low = middle;
      else high = middle - 1;
    }
    return low as LogIndex;
  }

  /** Transactions from `from` on, at most `countMax`, and `bytesMax` unless one alone has more. */
  slice(from: LogIndex, to: LogIndex, countMax: number, bytesMax: number): WalRecord[] {
    const taken: WalRecord[] = [];
    let bytes = 0;
    for (let index: number = from; index <= to && taken.length < countMax; index++) {
      const record = this.at(index as LogIndex);
      bytes += record.payload.length;
      if (taken.length > 0 && bytes > bytesMax) break;
      taken.push(record);
    }
    return taken;
  }

  /** True when the transactions above `index` hold more than `bytesMax` payload bytes. */
  exceedsBytes(index: LogIndex, bytesMax: number): boolean {
    let bytes = 0;
    for (let at: number = index + 1; at <= this.lastIndex; at++) {
      bytes += this.at(at as LogIndex).payload.length;
      if (bytes > bytesMax) return true;
    }
    return false;
  }

  /**
   * Moves the base forward, never beyond `coveredIndex` (what a snapshot covers): transactions that
   * no peer below `neededIndex` waits for go first, down to `bytesMin`; those that one waits for
   * go only beyond `bytesMax`.
   */
  trim(coveredIndex: LogIndex, neededIndex: LogIndex, bytesMin: number, bytesMax: number): void {
    while (this.baseOrdinal < coveredIndex && this.baseOrdinal < this.lastIndex) {
      const record = this.at((this.baseOrdinal + 1) as LogIndex);
      const left = this.payloadBytes - record.payload.length;
      const waitedFor = record.index > neededIndex;
      if (waitedFor ? this.payloadBytes <= bytesMax : left < bytesMin) break;
      this.slots[this.head] = undefined;
      this.head++;
      this.baseOrdinal++;
      this.baseId = zxidOf(record);
      this.payloadBytes = left;
    }
    if (this.head > TRIMMED_SLOTS_MAX && this.head * 2 > this.slots.length) {
      this.slots = this.slots.slice(this.head);
      this.head = 0;
    }
  }
}
