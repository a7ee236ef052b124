import { assert, type Random } from '@quorate/foundation';
import { PAGE_BYTES, PageBytes } from './page-bytes.ts';
import { eachMask, SECTOR_BYTES, SECTORS_A_PAGE, SectorSet } from './sector-set.ts';

const WHOLE_PAGE = (1 << SECTORS_A_PAGE) - 1;

/** Sectors that a sync in flight has taken over. */
export type SyncTicket = SectorSet;

/**
 * The content of one simulated file, twice: as programs read it (written) and as it would come back
 * after a power cut (durable). A sector whose newest bytes are not durable is *dirty*; a sector
 * whose sync failed is *forgotten*: the system believes it clean, and only a new write helps it
 * (the behaviour of Linux, see "Can Applications Recover from fsync Failures?", ATC 2020).
 */
export class SectorContent {
  private written = new PageBytes(); // Zeros beyond its length, always.
  private durable = new PageBytes();
  private writtenLength = 0;
  private durableLength = 0;
  private dirty = new SectorSet();
  private readonly syncing: Set<SyncTicket> = new Set();
  private readonly forgotten = new SectorSet();

  /** The length that programs see. */
  get length(): number {
    return this.writtenLength;
  }

  /** A copy of what programs read at `offset`; shorter at the end of the file. */
  read(offset: number, length: number): Uint8Array {
    return this.written.read(offset, Math.min(offset + length, this.writtenLength));
  }

  /** A copy of what is durable now. */
  readDurable(): Uint8Array {
    return this.durable.read(0, this.durableLength);
  }

  /** Writes into the system's cache; nobody may change `bytes` afterwards. */
  write(offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const end = offset + bytes.length;
    this.written.write(offset, bytes);
    this.writtenLength = Math.max(this.writtenLength, end);
    this.touch(offset, end);
  }

  /** Changes the length; a longer file gains zeros. */
  truncate(length: number): void {
    const from = Math.min(length, this.writtenLength);
    const to = Math.max(length, this.writtenLength);
    this.written.clear(from, to);
    this.writtenLength = length;
    this.touch(from, to);
  }

  /**
   * Takes over the dirty sectors of this moment; end it by one of the next calls. A sync waits for
   * what an earlier one has under way too, also for one whose process was killed meanwhile.
   */
  beginSync(): SyncTicket {
    const ticket = this.dirty;
    for (const earlier of this.syncing) ticket.addAll(earlier);
    this.dirty = new SectorSet();
    this.syncing.add(ticket);
    return ticket;
  }

  /** The sync succeeded: its sectors are durable, save those written again meanwhile. */
  endSync(ticket: SyncTicket): void {
    this.syncing.delete(ticket);
    for (const [page, mask] of ticket) {
      this.settle(page, mask & ~this.dirty.maskOf(page));
      for (const other of this.syncing) other.removeMask(page, mask);
    }
    this.settleLength();
  }

  /** The sync failed: its sectors count as clean and are not. */
  failSync(ticket: SyncTicket): void {
    this.syncing.delete(ticket);
    for (const [page, mask] of ticket) {
      this.forgotten.addMask(page, mask & ~this.dirty.maskOf(page));
    }
  }

  /** The sync lied: it reports success and its sectors stay dirty. */
  ignoreSync(ticket: SyncTicket): void {
    this.syncing.delete(ticket);
    this.dirty.addAll(ticket);
  }

  /** Makes the sectors of one range durable, as a write-through write does. */
  settleRange(offset: number, length: number): void {
    eachMask(offset, offset + Math.max(length, 1), (page, mask) => {
      this.dirty.removeMask(page, mask);
      for (const ticket of this.syncing) ticket.removeMask(page, mask);
      this.settle(page, mask);
    });
    this.settleLength();
  }

  /** A power cut: each sector that is not durable comes back old, new or garbled, by `random`. */
  powerCut(random: Random): void {
    const open = this.sectorsAtRisk();
    const keepsNewLength = random.below(2) === 0;
    if (keepsNewLength) this.settleLength();
    for (const sector of open) {
      const fate = random.below(this.forgotten.has(sector) ? 1 : 3);
      if (fate === 1) this.settleSector(sector);
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
    for (const sector of arrived) this.settleSector(sector);
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
    copy.written = this.written.clone();
    copy.durable = this.durable.clone();
    copy.writtenLength = this.writtenLength;
    copy.durableLength = this.durableLength;
    copy.dirty = this.dirty.copy();
    for (const ticket of this.syncing) copy.syncing.add(ticket.copy());
    copy.forgotten.addAll(this.forgotten);
    return copy;
  }

  /** Flips one bit at rest, in the cache and on the medium. */
  flipBit(byteOffset: number, bit: number): void {
    assert(byteOffset < this.writtenLength, 'a bit is flipped inside the file');
    const page = Math.floor(byteOffset / PAGE_BYTES);
    const at = byteOffset % PAGE_BYTES;
    const copies = byteOffset < this.durableLength ? [this.written, this.durable] : [this.written];
    for (const copy of copies) {
      const bytes = copy.changed(page);
      bytes[at] = (bytes[at] as number) ^ (1 << bit);
    }
  }

  /** Replaces bytes at rest, in the cache and on the medium. */
  overwrite(offset: number, bytes: Uint8Array): void {
    assert(offset + bytes.length <= this.writtenLength, 'bytes are replaced inside the file');
    const own = bytes.slice();
    this.written.write(offset, own);
    const durable = Math.min(own.length, this.durableLength - offset);
    if (durable > 0) this.durable.write(offset, own.subarray(0, durable));
  }

  /** In ascending order. */
  private sectorsAtRisk(): number[] {
    const open = this.dirty.copy();
    open.addAll(this.forgotten);
    for (const ticket of this.syncing) open.addAll(ticket);
    return open.sorted();
  }

  /** What is durable is what programs read from now on. */
  private restart(): void {
    this.durable.cut(this.durableLength);
    this.written = this.durable.clone();
    this.writtenLength = this.durableLength;
    this.dirty.clear();
    this.syncing.clear();
    this.forgotten.clear();
  }

  private touch(from: number, to: number): void {
    if (to <= from) return;
    eachMask(from, to, (page, mask) => {
      this.dirty.addMask(page, mask);
      this.forgotten.removeMask(page, mask);
    });
  }

  private settleSector(sector: number): void {
    this.settle(Math.floor(sector / SECTORS_A_PAGE), 1 << (sector % SECTORS_A_PAGE));
  }

  /** Makes sectors of one page durable, as far as the file reaches. */
  private settle(page: number, mask: number): void {
    const source = this.written.page(page);
    if (mask === 0 || source === this.durable.page(page)) return;
    const start = page * PAGE_BYTES;
    if (mask === WHOLE_PAGE && start + PAGE_BYTES <= this.writtenLength) {
      this.durable.setPage(page, source);
      return;
    }
    const reach = Math.min(this.writtenLength - start, PAGE_BYTES);
    if (reach <= 0) return;
    const target = this.durable.changed(page);
    for (let sector = 0; sector < SECTORS_A_PAGE; sector++) {
      const from = sector * SECTOR_BYTES;
      const to = Math.min(from + SECTOR_BYTES, reach);
      if ((mask & (1 << sector)) === 0 || to <= from) continue;
      if (source === null) target.fill(0, from, to);
      else target.set(source.subarray(from, to), from);
    }
  }

  private settleLength(): void {
    if (this.writtenLength < this.durableLength) {
      this.durable.clear(this.writtenLength, this.durableLength);
    }
    this.durableLength = this.writtenLength;
  }

  private garble(sector: number, random: Random): void {
    const from = sector * SECTOR_BYTES;
    const to = Math.min(from + SECTOR_BYTES, this.durableLength);
    if (to <= from) return;
    const page = Math.floor(from / PAGE_BYTES);
    const bytes = this.durable.changed(page);
    for (let at = from; at < to; at++) bytes[at % PAGE_BYTES] = random.below(256);
  }
}
