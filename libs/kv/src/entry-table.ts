import { assert } from '@quorate/foundation';

/** One key's current state. A change makes a new object, so a cut may keep the old one. */
export interface KvEntry {
  /** The key as latin1 text. */
  readonly key: string;
  readonly value: Uint8Array;
  /** The store's revision at the key's last change. */
  readonly revision: number;
  /** The number of the last cut that has given this entry out; 0 when none has. */
  cutNumber: number;
}

/** The keys and values, with at most one open {@link EntryCut}. */
export class EntryTable {
  private readonly entries = new Map<string, KvEntry>();
  private cut: EntryCut | null = null;
  private cuts = 0;

  get size(): number {
    return this.entries.size;
  }

  get(key: string): KvEntry | undefined {
    return this.entries.get(key);
  }

  /** Puts a key's new state in place of `before`, its current one. */
  set(key: string, value: Uint8Array, revision: number, before: KvEntry | undefined): void {
    if (before !== undefined && this.cut !== null) this.cut.keep(before);
    this.entries.set(key, { key, value, revision, cutNumber: 0 });
  }

  /** Removes a key whose current state is `before`. */
  delete(before: KvEntry): void {
    if (this.cut !== null) this.cut.keep(before);
    this.entries.delete(before.key);
  }

  values(): IterableIterator<KvEntry> {
    return this.entries.values();
  }

  /** Cuts the table at `revision`, its current one. */
  openCut(revision: number): EntryCut {
    assert(this.cut === null, 'one snapshot is read at a time');
    this.cuts++;
    const cut = new EntryCut(this.entries, revision, this.cuts, () => {
      this.cut = null;
    });
    this.cut = cut;
    return cut;
  }
}

/**
 * The entries as they were at a revision, given out one by one while the table changes. Entries are
 * immutable and carry their revision, so the walk over the live Map passes over what is newer, and
 * a changed entry that the walk has not reached yet is kept aside. The extra memory is at most the
 * entries of the cut that change while it is open; opening costs the same for any size.
 */
export class EntryCut {
  readonly count: number;
  private readonly walk: IterableIterator<KvEntry>;
  private readonly revision: number;
  private readonly number: number;
  private readonly closed: () => void;
  private kept: KvEntry[] = [];
  private walked = 0;
  private keptGiven = 0;
  private open = true;

  constructor(
    entries: ReadonlyMap<string, KvEntry>,
    revision: number,
    number: number,
    closed: () => void,
  ) {
    this.count = entries.size;
    this.walk = entries.values() as IterableIterator<KvEntry>;
    this.revision = revision;
    this.number = number;
    this.closed = closed;
  }

  /** Keeps `entry`, about to be replaced, if it belongs to the cut and was not given out. */
  keep(entry: KvEntry): void {
    if (entry.revision <= this.revision && entry.cutNumber !== this.number) this.kept.push(entry);
  }

  /** The next entry of the cut, each once, in no defined order; null at the end. */
  next(): KvEntry | null {
    // Every entry of the cut is either walked over or kept, so the count tells when to stop: the
    // walk alone could follow new keys for as long as they keep coming.
    while (this.walked + this.kept.length < this.count) {
      const step = this.walk.next();
      assert(step.done !== true, 'a cut finds all its entries');
      const entry = step.value;
      if (entry.revision > this.revision) continue;
      entry.cutNumber = this.number;
      this.walked++;
      return entry;
    }
    const kept = this.kept[this.keptGiven];
    if (kept === undefined) return null;
    this.keptGiven++;
    return kept;
  }

  /** Lets the table forget the cut; calling it again does nothing. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    this.kept = [];
    this.closed();
  }
}
