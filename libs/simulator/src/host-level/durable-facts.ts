import { type EntryType, RecordKind, type WalRecord } from '@quorate/consensus';
import type { Crc32 } from '@quorate/foundation';

/** Room below this factor for CRC and type; the payload's length stands above it. */
const LENGTH_FACTOR = 2 ** 34;
const LENGTH_MODULUS = 2 ** 18;
/** Ids of nodes lie below it. */
const NODES_MAX = 1024;

/** A number that is equal for equal entries and, all but surely, different for different ones. */
export function entryMark(crc32: Crc32, type: EntryType, payload: Uint8Array): number {
  return crc32(payload) * 4 + type + (payload.length % LENGTH_MODULUS) * LENGTH_FACTOR;
}

/**
 * What a log says when it is read from its start: the entries above the snapshot by their marks,
 * the highest promise, the snapshot. The ghost keeps one of what is durable on each node.
 */
export class DurableFacts {
  readonly entries = new Map<number, number>();
  lastIndex = 0;
  snapshotIndex = 0;
  promisedRound = 0;
  /** Whom the last promise of that round names: a vote, a ballot's owner, an epoch's leader. */
  promisedNode = 0;
  establishedRound = 0;
  /** Under which round and node each entry was stored last. */
  readonly storedUnder = new Map<number, number>();
  /** The highest index that a record calls committed, as far as it was held then. */
  commitHint = 0;
  private readonly crc32: Crc32;

  constructor(crc32: Crc32) {
    this.crc32 = crc32;
  }

  /** Folds a batch; returns how many entries it removed. */
  fold(records: Iterable<WalRecord>): number {
    let removed = 0;
    for (const record of records) {
      const { kind, index, round } = record;
      if (kind === RecordKind.accept || kind === RecordKind.chosen) {
        this.entries.set(index, entryMark(this.crc32, record.entryType, record.payload));
        this.storedUnder.set(index, round * NODES_MAX + record.node);
        this.lastIndex = Math.max(this.lastIndex, index);
      } else if (kind === RecordKind.truncate) {
        removed += this.truncate(index);
      } else if (kind === RecordKind.commit) {
        this.commitHint = Math.max(this.commitHint, Math.min(index, this.lastIndex));
      } else if (kind === RecordKind.promise) {
        if (round >= this.promisedRound) this.promisedNode = record.node;
        this.promisedRound = Math.max(this.promisedRound, round);
      } else if (kind === RecordKind.establish) {
        this.establishedRound = Math.max(this.establishedRound, round);
      } else if (kind === RecordKind.snapshot && index > this.snapshotIndex) {
        for (let i = this.snapshotIndex; i <= index; i++) this.forget(i);
        this.snapshotIndex = index;
        this.lastIndex = Math.max(this.lastIndex, index);
      }
    }
    return removed;
  }

  /** True when the log or its snapshot holds the entry. */
  holds(index: number, mark: number): boolean {
    return this.snapshotIndex >= index || this.entries.get(index) === mark;
  }

  private forget(index: number): boolean {
    this.storedUnder.delete(index);
    return this.entries.delete(index);
  }

  private truncate(from: number): number {
    let removed = 0;
    for (let i = from; i <= this.lastIndex; i++) if (this.forget(i)) removed++;
    this.lastIndex = Math.min(this.lastIndex, Math.max(from - 1, this.snapshotIndex));
    return removed;
  }
}
