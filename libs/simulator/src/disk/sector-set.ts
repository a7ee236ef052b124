import { PAGE_BYTES } from './page-bytes.ts';

/** The unit that a disk writes whole or not at all; what is bigger can be torn. */
export const SECTOR_BYTES = 512;
/** Sectors of one page: the bits of a mask. */
export const SECTORS_A_PAGE = PAGE_BYTES / SECTOR_BYTES;

/** A set of sectors of one file, held as a mask of bits for each page. */
export class SectorSet {
  private readonly masks = new Map<number, number>();

  has(sector: number): boolean {
    const mask = this.maskOf(Math.floor(sector / SECTORS_A_PAGE));
    return (mask & (1 << (sector % SECTORS_A_PAGE))) !== 0;
  }

  maskOf(page: number): number {
    return this.masks.get(page) ?? 0;
  }

  /** Adds the sectors of one page. */
  addMask(page: number, mask: number): void {
    this.masks.set(page, this.maskOf(page) | mask);
  }

  /** Removes sectors of one page. */
  removeMask(page: number, mask: number): void {
    const before = this.masks.get(page);
    if (before === undefined) return;
    const left = before & ~mask;
    if (left === 0) this.masks.delete(page);
    else this.masks.set(page, left);
  }

  addAll(other: SectorSet): void {
    for (const [page, mask] of other.masks) this.addMask(page, mask);
  }

  copy(): SectorSet {
    const copy = new SectorSet();
    copy.addAll(this);
    return copy;
  }

  clear(): void {
    this.masks.clear();
  }

  /** The pages with their masks, in no particular order. */
  [Symbol.iterator](): IterableIterator<[number, number]> {
    return this.masks[Symbol.iterator]();
  }

  /** The sectors in ascending order. */
  sorted(): number[] {
    const sectors: number[] = [];
    for (const page of [...this.masks.keys()].sort((a, b) => a - b)) {
      const mask = this.maskOf(page);
      for (let bit = 0; bit < SECTORS_A_PAGE; bit++) {
        if ((mask & (1 << bit)) !== 0) sectors.push(page * SECTORS_A_PAGE + bit);
      }
    }
    return sectors;
  }
}

/** Calls back with each page that [from, to) touches and the mask of its sectors in there. */
export function eachMask(
  from: number,
  to: number,
  take: (page: number, mask: number) => void,
): void {
  const end = Math.floor((to - 1) / SECTOR_BYTES) + 1;
  for (let sector = Math.floor(from / SECTOR_BYTES); sector < end; ) {
    const page = Math.floor(sector / SECTORS_A_PAGE);
    const first = page * SECTORS_A_PAGE;
    const next = Math.min(end, first + SECTORS_A_PAGE);
    take(page, (1 << (next - first)) - (1 << (sector - first)));
    sector = next;
  }
}
