import { EntryType, type LogIndex, logIndex } from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { History } from './history.ts';
import { encodeSnapshotZxid, transactionRecord } from './records.ts';
import { planSync } from './synchronization.ts';
import { compareZxid, formatZxid, succeeds, type Zxid } from './zxid.ts';

const z = (epoch: number, counter: number): Zxid => ({ epoch, counter });

function historyOf(zxids: readonly Zxid[], bytes = 10, base = 0, baseZxid = z(0, 0)): History {
  const history = new History();
  history.reset(base as LogIndex, baseZxid);
  zxids.forEach((zxid, at) => {
    const index = logIndex(base + at + 1);
    history.append(transactionRecord(zxid, index, EntryType.command, new Uint8Array(bytes)));
  });
  return history;
}

describe('zxid', () => {
  it.each([
    [z(1, 9), z(2, 1), -1],
    [z(2, 1), z(2, 2), -1],
    [z(2, 2), z(2, 2), 0],
    [z(3, 1), z(2, 0xffff_ffff), 1],
  ])('%o against %o is ordered by epoch, then counter', (a, b, sign) => {
    expect(Math.sign(compareZxid(a, b))).toBe(sign);
  });

  it.each([
    [z(1, 1), z(1, 2), true],
    [z(1, 1), z(1, 3), false],
    [z(1, 7), z(4, 1), true],
    [z(1, 7), z(4, 2), false],
    [z(4, 1), z(1, 2), false],
    [z(4, 1), z(4, 1), false],
  ])('%o then %o: %s', (last, next, expected) => {
    expect(succeeds(last, next)).toBe(expected);
  });
});

describe('history', () => {
  it('refuses a gap', () => {
    const history = historyOf([z(1, 1)]);
    const gap = transactionRecord(z(1, 3), logIndex(2), EntryType.command, new Uint8Array(1));
    expect(() => history.append(gap)).toThrow(/follows/);
  });

  it('keeps its bounds through truncation and trimming', () => {
    const history = historyOf([z(1, 1), z(1, 2), z(2, 1), z(2, 2)]);
    history.truncateAfter(logIndex(3));
    expect([history.lastIndex, formatZxid(history.lastZxid), history.bytes]).toEqual([
      3,
      '<2,1>',
      30,
    ]);
    history.trim(logIndex(2), logIndex(3), 0, 1000);
    expect([history.baseIndex, formatZxid(history.baseZxid), history.bytes]).toEqual([
      2,
      '<1,2>',
      10,
    ]);
    expect(() => history.truncateAfter(logIndex(1))).toThrow(/snapshot/);
  });

  it.each([
    ['keeps the minimum', 25, 1000, 9, 7],
    ['keeps what a peer needs', 0, 1000, 4, 4],
    ['drops even that beyond the maximum', 0, 45, 4, 6],
    ['never passes the snapshot', 0, 0, 9, 9],
  ])('trim %s', (_name, bytesMin, bytesMax, needed, base) => {
    const history = historyOf(Array.from({ length: 10 }, (_, i) => z(1, i + 1)));
    history.trim(logIndex(9), logIndex(needed), bytesMin, bytesMax);
    expect(history.baseIndex).toBe(base);
  });
});

describe('planSync', () => {
  const leader = historyOf([z(1, 1), z(1, 2), z(3, 1), z(3, 2)]);

  it.each([
    ['equal', z(3, 2), 'diff', 4],
    ['behind', z(1, 1), 'diff', 1],
    ['empty', z(0, 0), 'diff', 0],
    ['ZB-14: one stray transaction of an older epoch', z(1, 3), 'trunc', 2],
    ['a stray epoch in between', z(2, 5), 'trunc', 2],
    ['a stray tail of the same epoch', z(3, 9), 'trunc', 4],
    ['ahead of everything', z(7, 1), 'trunc', 4],
  ] as const)('%s', (_name, follower, kind, index) => {
    expect(planSync(leader, null, follower, 1000)).toMatchObject({ kind, index });
  });

  const engine = encodeSnapshotZxid(z(1, 2));
  const membership = { voters: [], learners: [], witnesses: [] };
  const snapshot = { index: logIndex(2), membership, engine, digest: '', bytes: 0 };

  it('ZB-10: a follower from before the oldest transaction in memory gets the snapshot', () => {
    const trimmed = historyOf([z(3, 1), z(3, 2)], 10, 2, z(1, 2));
    expect(planSync(trimmed, snapshot, z(1, 1), 1000)).toMatchObject({ kind: 'snap', index: 2 });
    expect(planSync(trimmed, snapshot, z(1, 2), 1000)).toMatchObject({ kind: 'diff', index: 2 });
  });

  it('a DIFF beyond the limit becomes a SNAP, when that helps', () => {
    expect(planSync(leader, snapshot, z(1, 1), 20)).toMatchObject({ kind: 'snap' });
    expect(planSync(leader, snapshot, z(1, 2), 5)).toMatchObject({ kind: 'diff' });
    expect(planSync(leader, null, z(0, 0), 5)).toMatchObject({ kind: 'diff' });
  });
});
