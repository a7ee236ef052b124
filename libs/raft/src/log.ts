import type { LogIndex, WalRecord } from '@quorate/consensus';
import { assert, NO_BYTES, required } from '@quorate/foundation';
import type { Term } from './messages.ts';

/** Dropped places at the front of the array before it is rebuilt: makes trimming O(1) an entry. */
const DROPPED_MIN = 1024;

/**
 * Raft's log: contiguous entries above a base, of which only the identity is known (Raft paper,
 * sections 5.3 and 7). Everything above the durable snapshot stays in memory; below it a tail may
 * stay for slow followers. Indexes and terms only; durability and commitment stand elsewhere.
 */
export class RaftLog {
  private entries: (WalRecord | undefined)[] = [];
  private dropped = 0;
  private first: number;
  private beforeFirstTerm: Term;
  /** Payload bytes of the entries in memory. */
  bytes = 0;

  /** Opens a log whose entry `baseIndex` of `baseTerm` is the last one not in memory. */
  constructor(baseIndex: LogIndex, baseTerm: Term, entries: readonly WalRecord[]) {
    this.first = baseIndex + 1;
    this.beforeFirstTerm = baseTerm;
    for (const entry of entries) this.append(entry);
  }

  /** The first index in memory; one above `lastIndex` when there is none. */
  get firstIndex(): LogIndex {
    return this.first as LogIndex;
  }

  get lastIndex(): LogIndex {
    return (this.first + this.entries.length - this.dropped - 1) as LogIndex;
  }

  get lastTerm(): Term {
    return required(this.termAt(this.lastIndex), 'the last entry has a term');
  }

  /**
   * The term at an index, or null when the index is beyond the end or compacted away. Null matches
   * nothing: a comparison with an unknown term must never succeed (RF-27, RF-28).
   */
  termAt(index: LogIndex): Term | null {
    if (index === this.first - 1) return this.beforeFirstTerm;
    if (index < this.first || index > this.lastIndex) return null;
    return this.at(index).round;
  }

  /** The entry at an index that is in memory. */
  at(index: LogIndex): WalRecord {
    const entry = this.entries[index - this.first + this.dropped];
    return required(entry, 'the entry is in memory');
  }

  append(entry: WalRecord): void {
    assert(entry.index === this.lastIndex + 1, 'a log has no gaps');
    assert(entry.round >= this.lastTerm, 'terms never fall along a log');
    this.entries.push(entry);
    this.bytes += entry.payload.length;
  }

  /** Removes the entry at `index` and all after it. */
  truncateFrom(index: LogIndex): void {
    assert(index >= this.first && index <= this.lastIndex, 'what is removed is in memory');
    for (let i = index; i <= this.lastIndex; i = (i + 1) as LogIndex) {
      this.bytes -= this.at(i).payload.length;
    }
    this.entries.length = index - this.first + this.dropped;
  }

  /** Forgets everything; the log now starts behind a snapshot's last entry. */
  resetTo(index: LogIndex, term: Term): void {
    this.entries = [];
    this.dropped = 0;
    this.first = index + 1;
    this.beforeFirstTerm = term;
    this.bytes = 0;
  }

  /** Forgets the first entry in memory; its term stays known. */
  dropFirst(): void {
    const entry = this.at(this.firstIndex);
    this.entries[this.dropped] = undefined; // Kept alive no longer than needed.
    this.dropped++;
    this.first++;
    this.beforeFirstTerm = entry.round;
    this.bytes -= entry.payload.length;
    if (this.dropped >= DROPPED_MIN && this.dropped * 2 >= this.entries.length) {
      this.entries = this.entries.slice(this.dropped);
      this.dropped = 0;
    }
  }

  /** Payload bytes of the first entry in memory; 0 when there is none. */
  get firstEntryBytes(): number {
    return (this.entries[this.dropped]?.payload ?? NO_BYTES).length;
  }

  /** Entries from `from` on, within both limits, but at least one when there is one. */
  slice(from: LogIndex, limits: { entriesMax: number; bytesMax: number }): WalRecord[] {
    assert(from >= this.first, 'what is read is in memory');
    const start = from - this.first + this.dropped;
    const limit = Math.min(this.entries.length, start + limits.entriesMax);
    let end = start;
    let bytes = 0;
    while (end < limit) {
      bytes += (this.entries[end] as WalRecord).payload.length;
      if (bytes > limits.bytesMax && end > start) break;
      end++;
    }
    return this.entries.slice(start, end) as WalRecord[];
  }

  /**
   * The highest index at or below `index` whose term is at most `term`; terms never fall along a
   * log, so no entry above it can equal an entry of `term` or older. Below memory it gives an index
   * whose term is unknown, which sends a snapshot.
   *
   * Both sides of a conflict use it, so healing takes a round trip per diverging term, not per
   * entry (Raft paper, end of section 5.3).
   */
  lastIndexWithTermAtMost(index: LogIndex, term: Term): LogIndex {
    let low = this.first - 1; // Below the answer or the answer, once its own term is checked.
    let high = Math.min(index, this.lastIndex);
    if (high < low) return high as LogIndex;
    if (this.beforeFirstTerm > term) return Math.max(0, low - 1) as LogIndex;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.at(middle as LogIndex).round <= term) low = middle;
      else high = middle - 1;
    }
    return low as LogIndex;
  }
}
