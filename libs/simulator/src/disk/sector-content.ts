import { assert, type Random } from '@quorate/foundation';

/** The unit that a disk writes whole or not at all; what is bigger can be torn. */
export const SECTOR_BYTES = 512;

/** Sectors that a sync in flight has taken over. */
export type SyncTicket = Set<number>;

/**
 * The content of one simulated file, twice: as programs read it (written) and as it would come back
 * after a power cut (durable). A sector whose newest bytes are not durable is *dirty*; a sector
 * whose sync failed is *forgotten*: the system believes it clean, and only a new write helps it
 * (the behaviour of Linux, see "Can Applications Recover from fsync Failures?", ATC 2020).
 */
export class SectorContent {
  private written: Uint8Array = new Uint8Array(0);
  private durable: Uint8Array = new Uint8Array(0);
  private writtenLength = 0;
  private durableLength = 0;
  private dirty: Set<number> = new Set();
  private readonly syncing: Set<SyncTicket> = new Set();
  private readonly forgotten: Set<number> = new Set();

  /** The length that programs see. */
  get length(): number {
    return this.writtenLength;
  }

  /** A copy of what programs read at `offset`; shorter at the end of the file. */
  read(offset: number, length: number): Uint8Array {
    return this.written.slice(offset, Math.min(offset + length, this.writtenLength));
  }

  /** A copy of what is durable now. */
  readDurable(): Uint8Array {
    return this.durable.slice(0, this.durableLength);
  }

  /** Writes into the system's cache. */
  write(offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const end = offset + bytes.length;
    this.written = grown(this.written, end);
    this.written.set(bytes, offset);
    this.writtenLength = Math.max(this.writtenLength, end);
    this.touch(offset, end);
  }

  /** Changes the length; a longer file gains zeros. */
  truncate(length: number): void {
    const from = Math.min(length, this.writtenLength);
    const to = Math.max(length, this.writtenLength);
    this.written = grown(this.written, length);
    this.written.fill(0, from, to);
    this.writtenLength = length;
    this.touch(from, to);
  }

  /**
   * Takes over the dirty sectors of this moment; end it by one of the next calls. A sync waits for
   * what an earlier one has under way too, also for one whose process was killed meanwhile.
   */
  beginSync(): SyncTicket {
    const ticket = this.dirty;
    for (const earlier of this.syncing) for (const sector of earlier) ticket.add(sector);
    this.dirty = new Set();
    this.syncing.add(ticket);
    return ticket;
  }

  /** The sync succeeded: its sectors are durable, save those written again meanwhile. */
  endSync(ticket: SyncTicket): void {
    this.syncing.delete(ticket);
    for (const sector of ticket) if (!this.dirty.has(sector)) this.settle(sector);
    for (const other of this.syncing) for (const sector of ticket) other.delete(sector);
    this.settleLength();
  }

  /** The sync failed: its sectors count as clean and are not. */
  failSync(ticket: SyncTicket): void {
    this.syncing.delete(ticket);
    for (const sector of ticket) if (!this.dirty.has(sector)) this.forgotten.add(sector);
  }

  /** The sync lied: it reports success and its sectors stay dirty. */
  ignoreSync(ticket: SyncTicket): void {
    this.syncing.delete(ticket);
    for (const sector of ticket) this.dirty.add(sector);
  }

  /** Makes the sectors of one range durable, as a write-through write does. */
  settleRange(offset: number, length: number): void {
    const last = Math.floor((offset + Math.max(length, 1) - 1) / SECTOR_BYTES);
    for (let sector = Math.floor(offset / SECTOR_BYTES); sector <= last; sector++) {
      this.dirty.delete(sector);
      for (const ticket of this.syncing) ticket.delete(sector);
      this.settle(sector);
    }
    this.settleLength();
  }

  /** A power cut: each sector that is not durable comes back old, new or garbled, by `random`. */
  powerCut(random: Random): void {
    const open = this.sectorsAtRisk();
    const keepsNewLength = random.below(2) === 0;
    if (keepsNewLength) this.settleLength();
    for (const sector of open) {
      const fate = random.below(this.forgotten.has(sector) ? 1 : 3);
      if (fate === 1) this.settle(sector);
      if (fate === 2) this.garble(sector, random);
    }
    this.restart();
  }

  /** The number of sectors that a power cut now could still lose. */
  get openSectors(): number {
    return this.sectorsAtRisk().length;
  }

  /**
   * A power cut in the middle of the writing: of the sectors that are not durable the first `count`
   * arrived, by position, and nothing behind them. The file ends behind the last that arrived.
   */
  powerCutAfter(count: number): void {
    const arrived = this.sectorsAtRisk().slice(0, count);
    for (const sector of arrived) this.settle(sector);
    const last = arrived.at(-1);
    if (last !== undefined) {
      const end = Math.min((last + 1) * SECTOR_BYTES, this.writtenLength);
      this.durableLength = Math.max(this.durableLength, end);
    }
    this.restart();
  }

  /** A file of its own that holds the same, with the same sectors at risk. */
  copy(): SectorContent {
    const copy = new SectorContent();
    copy.written = this.written.slice();
    copy.durable = this.durable.slice();
    copy.writtenLength = this.writtenLength;
    copy.durableLength = this.durableLength;
    copy.dirty = new Set(this.dirty);
    for (const ticket of this.syncing) copy.syncing.add(new Set(ticket));
    for (const sector of this.forgotten) copy.forgotten.add(sector);
    return copy;
  }

  /** Flips one bit at rest, in the cache and on the medium. */
  flipBit(byteOffset: number, bit: number): void {
    assert(byteOffset < this.writtenLength, 'a bit is flipped inside the file');
    this.written[byteOffset] = (this.written[byteOffset] as number) ^ (1 << bit);
    if (byteOffset >= this.durableLength) return;
    this.durable[byteOffset] = (this.durable[byteOffset] as number) ^ (1 << bit);
  }

  /** In ascending order. */
  private sectorsAtRisk(): number[] {
    const open = new Set([...this.dirty, ...this.forgotten]);
    for (const ticket of this.syncing) for (const sector of ticket) open.add(sector);
    return [...open].sort((a, b) => a - b);
  }

  /** What is durable is what programs read from now on. */
  private restart(): void {
    this.durable.fill(0, this.durableLength);
    this.written = this.durable.slice();
    this.writtenLength = this.durableLength;
    this.dirty.clear();
    this.syncing.clear();
    this.forgotten.clear();
  }

  /** Replaces bytes at rest, in the cache and on the medium. */
  overwrite(offset: number, bytes: Uint8Array): void {
    assert(offset + bytes.length <= this.writtenLength, 'bytes are replaced inside the file');
    this.written.set(bytes, offset);
    const durable = Math.min(bytes.length, this.durableLength - offset);
    if (durable > 0) this.durable.set(bytes.subarray(0, durable), offset);
  }

  private touch(from: number, to: number): void {
    if (to <= from) return;
    const last = Math.floor((to - 1) / SECTOR_BYTES);
    for (let sector = Math.floor(from / SECTOR_BYTES); sector <= last; sector++) {
      this.dirty.add(sector);
      this.forgotten.delete(sector);
    }
  }

  private settle(sector: number): void {
    const from = sector * SECTOR_BYTES;
    const to = Math.min(from + SECTOR_BYTES, this.writtenLength);
    if (to <= from) return;
    this.durable = grown(this.durable, to);
    this.durable.set(this.written.subarray(from, to), from);
  }

  private settleLength(): void {
    this.durable = grown(this.durable, this.writtenLength);
    if (this.writtenLength < this.durableLength) {
      this.durable.fill(0, this.writtenLength, this.durableLength);
    }
    this.durableLength = this.writtenLength;
  }

  private garble(sector: number, random: Random): void {
    const from = sector * SECTOR_BYTES;
    const to = Math.min(from + SECTOR_BYTES, this.durableLength);
    for (let at = from; at < to; at++) this.durable[at] = random.below(256);
  }
}

/** `bytes` itself when it is long enough, else a longer copy with room to grow. */
function grown(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length >= length) return bytes;
  const longer = new Uint8Array(Math.max(length, 2 * bytes.length, SECTOR_BYTES));
  longer.set(bytes);
  return longer;
}
