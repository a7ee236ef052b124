/** The unit of sharing; the log writes whole blocks of this size. */
export const PAGE_BYTES = 4096;

const ZEROS = new Uint8Array(1024 * 1024);

/** A page as bytes, or null when it is all zeros. Nobody writes into a page once it is stored. */
export type Page = Uint8Array | null;

/**
 * `length` zero bytes, a view of one shared array: most of a disk is zeros that were written to
 * have the space, and those need no memory and no copy.
 */
export function sharedZeros(length: number): Uint8Array {
  return length <= ZEROS.length ? ZEROS.subarray(0, length) : new Uint8Array(length);
}

/** True when every byte is zero. */
export function isZero(bytes: Uint8Array): boolean {
  if (bytes.buffer === ZEROS.buffer) return true;
  let at = 0;
  if (bytes.byteOffset % 4 === 0 && bytes[0] === 0) {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    let word = 0;
    while (word < words.length && words[word] === 0) word++;
    at = word * 4;
  }
  while (at < bytes.length && bytes[at] === 0) at++;
  return at >= bytes.length;
}

/**
 * Bytes without an end, zeros where nothing was written, held as pages that never change: so what
 * a program sees and what a power cut leaves share all pages that are equal.
 */
export class PageBytes {
  private pages: Page[];

  constructor(pages: Page[] = []) {
    this.pages = pages;
  }

  /** The same bytes, sharing every page. */
  clone(): PageBytes {
    return new PageBytes(this.pages.slice());
  }

  page(number: number): Page {
    return this.pages[number] ?? null;
  }

  setPage(number: number, page: Page): void {
    while (this.pages.length < number) this.pages.push(null);
    this.pages[number] = page;
  }

  /** A copy of the bytes in [from, to). */
  read(from: number, to: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(to - from, 0));
    const last = Math.min(Math.ceil(to / PAGE_BYTES), this.pages.length);
    for (let number = Math.floor(from / PAGE_BYTES); number < last; number++) {
      const page = this.page(number);
      if (page === null) continue;
      const start = number * PAGE_BYTES;
      const begin = Math.max(from, start);
      const end = Math.min(to, start + PAGE_BYTES);
      bytes.set(page.subarray(begin - start, end - start), begin - from);
    }
    return bytes;
  }

  /** Writes `bytes` at `offset`; keeps views of them, so nobody may change them afterwards. */
  write(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length;
    for (let at = offset; at < end; ) {
      const number = Math.floor(at / PAGE_BYTES);
      const start = number * PAGE_BYTES;
      const next = Math.min(end, start + PAGE_BYTES);
      const piece = bytes.subarray(at - offset, next - offset);
      if (piece.length === PAGE_BYTES) this.setPage(number, isZero(piece) ? null : piece);
      else this.changed(number).set(piece, at - start);
      at = next;
    }
  }

  /** Fills [from, to) with zeros. */
  clear(from: number, to: number): void {
    const last = Math.min(Math.ceil(to / PAGE_BYTES), this.pages.length);
    for (let number = Math.floor(from / PAGE_BYTES); number < last; number++) {
      if (this.page(number) === null) continue;
      const start = number * PAGE_BYTES;
      const begin = Math.max(from - start, 0);
      const end = Math.min(to - start, PAGE_BYTES);
      if (begin === 0 && end === PAGE_BYTES) this.pages[number] = null;
      else this.changed(number).fill(0, begin, end);
    }
  }

  /** Fills everything from `from` on with zeros. */
  cut(from: number): void {
    this.clear(from, this.pages.length * PAGE_BYTES);
    this.pages.length = Math.min(this.pages.length, Math.ceil(from / PAGE_BYTES));
  }

  /** A fresh copy of a page in its place, for the caller to write into at once. */
  changed(number: number): Uint8Array {
    const page = new Uint8Array(PAGE_BYTES);
    const before = this.page(number);
    if (before !== null) page.set(before);
    this.setPage(number, page);
    return page;
  }
}
