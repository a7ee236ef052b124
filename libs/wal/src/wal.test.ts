import type { LogIndex } from '@quorate/consensus';
import { acceptRecord, HARNESS_DIRECTORY, WalHarness } from '@quorate/simulator';
import { describe, expect, it } from 'vitest';
import type { OpenedWal, SyncPolicy, Wal } from './index.ts';

/** The indexes of the surviving records, in order. */
function indexes(opened: OpenedWal): number[] {
  return [...opened.records].map((record) => record.index);
}

/** Appends batches of one record each without waiting, and returns the order of completions. */
function appendMany(wal: Wal, from: number, to: number, completed: number[]): void {
  for (let index = from; index <= to; index++) {
    wal.append([acceptRecord(index)], true, () => completed.push(index));
  }
}

describe('a log', () => {
  it('gives back what was appended, over several processes', () => {
    const harness = new WalHarness('round trip');
    const first = harness.open();
    expect(first.recovery.decision).toBe('W1-created');
    expect(harness.append(first.wal, [acceptRecord(1), acceptRecord(2)])).toBe(true);
    expect(harness.close(first.wal)).toBeNull();
    const second = harness.open({ create: false });
    expect(second.recovery.decision).toBe('W6-clean');
    expect(indexes(second)).toEqual([1, 2]);
    expect(harness.append(second.wal, [acceptRecord(3, 9000)])).toBe(true);
    harness.close(second.wal);
    const third = harness.open({ create: false });
    expect(indexes(third)).toEqual([1, 2, 3]);
    expect([...third.records][2]?.payload).toEqual(acceptRecord(3, 9000).payload);
  });

  it('completes in order and never inside the call', () => {
    const harness = new WalHarness('order');
    const { wal } = harness.open();
    const completed: number[] = [];
    appendMany(wal, 1, 20, completed);
    wal.append([], true, () => completed.push(21));
    wal.append([acceptRecord(22)], false, () => completed.push(22));
    expect(completed).toEqual([]);
    harness.settle();
    expect(completed).toEqual(Array.from({ length: 22 }, (_, index) => index + 1));
  });

  it('completes hints and empty batches without a sync of their own', () => {
    const harness = new WalHarness('hints');
    const { wal } = harness.open();
    harness.append(wal, [acceptRecord(1)]);
    const { groups } = wal.stats();
    expect(harness.append(wal, [acceptRecord(2)], false)).toBe(true);
    expect(harness.append(wal, [], true)).toBe(true);
    expect(wal.stats().groups).toBe(groups);
    harness.append(wal, [acceptRecord(3)]);
    expect(wal.stats().groups).toBe(groups + 1);
    harness.close(wal);
    expect(indexes(harness.open())).toEqual([1, 2, 3]);
  });

  it('rolls into new segments that start with the checkpoint, and releases old ones', () => {
    const harness = new WalHarness('roll', { segmentBytes: 32 * 1024 });
    const { wal } = harness.open();
    const checkpoints: number[] = [];
    let taken = 0;
    wal.setCheckpointSource(() => {
      checkpoints.push(taken);
      return [acceptRecord(taken, 3)];
    });
    for (let index = 1; index <= 30; index++) {
      taken = index;
      expect(harness.append(wal, [acceptRecord(index, 3000)])).toBe(true);
    }
    expect(wal.stats().rolls).toBeGreaterThan(2);
    expect(checkpoints.length).toBe(wal.stats().rolls);
    const before = wal.stats().segments;
    wal.release(checkpoints[1] as LogIndex);
    harness.settle();
    expect(wal.stats().segmentsReleased).toBe(2);
    expect(wal.stats().segments).toBe(before - 2);
    harness.close(wal);
    const again = harness.open({ create: false });
    const survivors = indexes(again);
    // The first survivor is the checkpoint taken right behind the batch that filled the segment.
    expect(survivors[0]).toBe(checkpoints[1]);
    expect(survivors[1]).toBe((checkpoints[1] as number) + 1);
    expect(survivors.at(-1)).toBe(30);
  });

  it('reuses released segments', () => {
    const harness = new WalHarness('recycle', { segmentBytes: 32 * 1024 });
    const { wal } = harness.open();
    let taken = 0;
    wal.setCheckpointSource(() => [acceptRecord(taken, 3)]);
    for (let index = 1; index <= 60; index++) {
      taken = index;
      harness.append(wal, [acceptRecord(index, 3000)]);
      wal.release(index as LogIndex);
      harness.settle();
    }
    const { segmentsRecycled, segmentsCreated, rolls } = wal.stats();
    expect(segmentsRecycled).toBeGreaterThan(3);
    expect(segmentsCreated).toBeLessThan(4);
    expect(rolls).toBeGreaterThan(5);
    harness.close(wal);
    expect(indexes(harness.open()).at(-1)).toBe(60);
  });

  it('gives a batch that is larger than a segment room, atomically', () => {
    const harness = new WalHarness('large', { segmentBytes: 16 * 1024 });
    const { wal } = harness.open();
    harness.append(wal, [acceptRecord(1, 100_000), acceptRecord(2, 10)]);
    harness.append(wal, [acceptRecord(3)]);
    harness.append(wal, [acceptRecord(4)]);
    expect(wal.stats().rolls).toBe(1);
    harness.close(wal);
    expect(indexes(harness.open())).toEqual([1, 2, 3, 4]);
  });

  it('keeps nothing under `memory`', () => {
    const harness = new WalHarness('memory');
    const { wal, recovery } = harness.open({ sync: 'memory' });
    expect(recovery.decision).toBe('W9-memory');
    expect(harness.append(wal, [acceptRecord(1)])).toBe(true);
    expect(harness.close(wal)).toBeNull();
    expect(harness.disk.effectCount).toBe(0);
  });
});

describe('sync policies', () => {
  const counted = (sync: SyncPolicy, writeThrough: boolean) => {
    const harness = new WalHarness(`count ${sync}`, { sync, writeThrough });
    const { wal } = harness.open();
    harness.settle();
    const before = harness.disk.count('sync');
    const completed: number[] = [];
    appendMany(wal, 1, 10, completed);
    harness.settle();
    expect(completed.length).toBe(10);
    return { ...wal.stats(), fsyncs: harness.disk.count('sync') - before };
  };

  it('each: one sync a batch', () => {
    expect(counted('each', false)).toMatchObject({ groups: 10, syncs: 10, fsyncs: 10 });
  });

  it('group: the first batch alone, all that queued meanwhile together', () => {
    expect(counted('group', false)).toMatchObject({ groups: 2, syncs: 2, fsyncs: 2 });
  });

  it('group with write-through: no fsync at all', () => {
    expect(counted('group', true)).toMatchObject({ groups: 2, syncs: 2, fsyncs: 0 });
  });

  it('periodic: one sync a period', () => {
    expect(counted('periodic', false)).toMatchObject({ groups: 2, syncs: 1, fsyncs: 1 });
  });

  it('none: no sync', () => {
    expect(counted('none', false)).toMatchObject({ groups: 2, syncs: 0, fsyncs: 0 });
  });

  it('groupDelayMicros: an idle log waits for company', () => {
    const harness = new WalHarness('delay', { groupDelayMicros: 200 });
    const { wal } = harness.open();
    const completed: number[] = [];
    appendMany(wal, 1, 10, completed);
    harness.settle();
    expect(completed.length).toBe(10);
    expect(wal.stats().groups).toBe(1);
  });

  it('each policy keeps all batches over a kill', () => {
    for (const sync of ['each', 'group', 'periodic', 'none'] as const) {
      const harness = new WalHarness(`kill ${sync}`, { sync });
      const { wal } = harness.open();
      harness.append(wal, [acceptRecord(1)]);
      harness.append(wal, [acceptRecord(2)]);
      harness.disk.kill();
      expect(indexes(harness.open()), sync).toEqual([1, 2]);
    }
  });
});

describe('the directory', () => {
  it('ST-15 is refused when it cannot be made or written', () => {
    const harness = new WalHarness('read only');
    harness.disk.inject({ operation: 'makeDirectory', effect: 'error', code: 'EROFS' });
    expect(harness.tryOpen().error).toMatchObject({ code: 'WAL_ERR_IO', causeCode: 'EROFS' });
    harness.disk.inject({ operation: 'open', effect: 'error', code: 'EACCES' });
    expect(harness.tryOpen().error).toMatchObject({ code: 'WAL_ERR_IO', causeCode: 'EACCES' });
    expect(harness.tryOpen().opened?.recovery.decision).toBe('W1-created');
  });

  it('ST-14 an empty one is refused when an existing log is expected', () => {
    const harness = new WalHarness('empty');
    expect(harness.tryOpen({ create: false }).error).toMatchObject({ code: 'WAL_ERR_EMPTY' });
    expect(harness.disk.names(HARNESS_DIRECTORY)).toEqual([]);
  });
});
