import { EntryType, logIndex, round, type WalRecord } from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { RaftLog } from './log.ts';
import { entryRecord } from './records.ts';

const entry = (index: number, term: number, bytes = 1): WalRecord =>
  entryRecord({
    term: round(term),
    index: logIndex(index),
    type: EntryType.command,
    payload: new Uint8Array(bytes),
  });

/** A log with one entry for each term given, above a base. */
function logOf(terms: number[], base = { index: 0, term: 0 }): RaftLog {
  const entries = terms.map((term, i) => entry(base.index + i + 1, term));
  return new RaftLog(logIndex(base.index), round(base.term), entries);
}

describe('RaftLog', () => {
  it('knows terms in memory and at its base, and no others (RF-27, RF-28)', () => {
    const log = logOf([2, 2, 3], { index: 5, term: 1 });
    const terms = [4, 5, 6, 7, 8, 9].map((index) => log.termAt(logIndex(index)));
    expect(terms).toEqual([null, 1, 2, 2, 3, null]);
    expect([log.firstIndex, log.lastIndex, log.lastTerm]).toEqual([6, 8, 3]);
  });

  it('refuses gaps and falling terms', () => {
    expect(() => logOf([1]).append(entry(3, 1))).toThrow('gaps');
    expect(() => logOf([2]).append(entry(2, 1))).toThrow('terms never fall');
  });

  it('keeps count of bytes over truncation and trimming', () => {
    const log = logOf(Array.from({ length: 3000 }, () => 1));
    log.truncateFrom(logIndex(2501));
    for (let i = 0; i < 2000; i++) log.dropFirst();
    expect([log.firstIndex, log.lastIndex, log.bytes]).toEqual([2001, 2500, 500]);
    expect(log.at(logIndex(2001)).index).toBe(2001);
    log.append(entry(2501, 4));
    expect([log.lastIndex, log.termAt(logIndex(2501)), log.termAt(logIndex(2000))]).toEqual([
      2501, 4, 1,
    ]);
  });

  it('slices within entries and bytes, but gives at least one', () => {
    const log = new RaftLog(
      logIndex(0),
      round(0),
      [1, 2, 3, 4].map((i) => entry(i, 1, 10)),
    );
    const indexes = (entriesMax: number, bytesMax: number): number[] =>
      log.slice(logIndex(2), { entriesMax, bytesMax }).map(({ index }) => index);
    expect(indexes(9, 99)).toEqual([2, 3, 4]);
    expect(indexes(2, 99)).toEqual([2, 3]);
    expect(indexes(9, 20)).toEqual([2, 3]);
    expect(indexes(9, 1)).toEqual([2]);
  });

  const search: { terms: number[]; index: number; term: number; found: number }[] = [
    { terms: [1, 1, 2, 4, 4], index: 5, term: 4, found: 5 },
    { terms: [1, 1, 2, 4, 4], index: 5, term: 3, found: 3 },
    { terms: [1, 1, 2, 4, 4], index: 5, term: 1, found: 2 },
    { terms: [1, 1, 2, 4, 4], index: 1, term: 4, found: 1 },
    { terms: [1, 1, 2, 4, 4], index: 9, term: 9, found: 5 },
    { terms: [3, 3], index: 2, term: 2, found: 0 },
    { terms: [], index: 4, term: 2, found: 0 },
  ];
  it.each(search)('finds $found at most $index with term at most $term in $terms', (row) => {
    const found = logOf(row.terms).lastIndexWithTermAtMost(logIndex(row.index), round(row.term));
    expect(found).toBe(row.found);
  });

  it('points below memory when even the base is too new', () => {
    const log = logOf([5], { index: 7, term: 4 });
    expect(log.lastIndexWithTermAtMost(logIndex(8), round(3))).toBe(6);
    expect(log.termAt(logIndex(6))).toBeNull();
  });
});
