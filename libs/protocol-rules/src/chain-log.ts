import { RecordKind, type WalRecord } from '@quorate/consensus';

/**
 * One entry of the history that a run creates: a round and counter name it, and with it everything
 * before it. Equal entries of different replicas are one object, so two logs agree up to an index
 * when they hold the same object there.
 */
export interface ChainEntry {
  readonly index: number;
  readonly round: number;
  readonly counter: number;
  readonly mark: number;
  readonly previous: ChainEntry | null;
}

/** Stands before the first entry of every log. */
export const ROOT: ChainEntry = { index: 0, round: 0, counter: 0, mark: 0, previous: null };

/** Room for indexes and counters below a round in one number. */
const PLACE_FACTOR = 2 ** 26;

/** All entries that were ever created in a run. `placeOf` says what names one within its round. */
export class ChainBook {
  private readonly entries = new Map<number, ChainEntry>();
  private readonly placeOf: (record: WalRecord) => number;
  private readonly markOf: (record: WalRecord) => number;

  constructor(placeOf: (record: WalRecord) => number, markOf: (record: WalRecord) => number) {
    this.placeOf = placeOf;
    this.markOf = markOf;
  }

  find(record: WalRecord): ChainEntry | undefined {
    return this.entries.get(this.keyOf(record));
  }

  create(record: WalRecord, previous: ChainEntry | null): ChainEntry {
    const { index, round, counter } = record;
    const entry = { index, round, counter, mark: this.markOf(record), previous };
    this.entries.set(this.keyOf(record), entry);
    return entry;
  }

  /** Why the record is not this entry behind `previous` (undefined: unknown), or null. */
  difference(
    entry: ChainEntry,
    record: WalRecord,
    previous: ChainEntry | undefined,
  ): string | null {
    if (entry.index !== record.index) return `stands at ${entry.index} and ${record.index}`;
    if (entry.mark !== this.markOf(record)) return 'has two contents';
    return previous === undefined || entry.previous === previous ? null : 'has two predecessors';
  }

  private keyOf(record: WalRecord): number {
    return record.round * PLACE_FACTOR + (this.placeOf(record) % PLACE_FACTOR);
  }
}

/** One replica's log, in memory or on its disk, as the records that it handed out say. */
export class ChainLog {
  /** The highest index held, by an entry or by the snapshot. */
  last = 0;
  snapshotIndex = 0;
  private readonly entries: (ChainEntry | undefined)[] = [ROOT];

  /** The entry at an index; undefined above the end and where only a snapshot covers it. */
  at(index: number): ChainEntry | undefined {
    return index > this.last ? undefined : this.entries[index];
  }

  /** The last entry, if it is known. */
  get end(): ChainEntry | undefined {
    return this.entries[this.last];
  }

  /** True when the log or the snapshot under it holds the entry. */
  holds(entry: ChainEntry): boolean {
    return entry.index <= this.snapshotIndex || this.at(entry.index) === entry;
  }

  append(entry: ChainEntry): void {
    this.entries[entry.index] = entry;
    if (entry.index > this.last) this.last = entry.index;
  }

  truncate(from: number): void {
    for (let index = from; index <= this.last; index++) this.entries[index] = undefined;
    this.last = Math.min(this.last, Math.max(from - 1, this.snapshotIndex));
  }

  /** A snapshot covers the log up to `index`, which holds `entry`. */
  cover(index: number, entry: ChainEntry | undefined): void {
    if (index <= this.snapshotIndex) return;
    this.snapshotIndex = index;
    if (this.last < index) this.last = index;
    this.entries[index] ??= entry;
  }
}

/** What was committed, by index from 1, and the round in which its first announcer stood. */
export class CommittedChain {
  private readonly entries: ChainEntry[] = [ROOT];
  private readonly rounds: number[] = [0];

  get last(): number {
    return this.entries.length - 1;
  }

  at(index: number): ChainEntry | undefined {
    return this.entries[index];
  }

  push(entry: ChainEntry, round: number): void {
    this.entries.push(entry);
    this.rounds.push(round);
  }

  /** The highest index that was first announced in a round below this one. */
  lastBefore(round: number): number {
    let index = this.last;
    while (index > 0 && (this.rounds[index] as number) >= round) index--;
    return index;
  }
}

/** Folds what is durable into a log; entries are known since they were handed out. */
export function foldDurable(
  log: ChainLog,
  records: Iterable<WalRecord>,
  known: (record: WalRecord, previous: ChainEntry | undefined) => ChainEntry,
  committed: CommittedChain,
): void {
  for (const record of records) {
    const { kind, index } = record;
    if (kind === RecordKind.accept) log.append(known(record, log.at(index - 1)));
    else if (kind === RecordKind.truncate) log.truncate(index);
    else if (kind === RecordKind.snapshot) log.cover(index, committed.at(index));
  }
}
