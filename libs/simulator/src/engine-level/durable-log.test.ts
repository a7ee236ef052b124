import {
  createRecordCodec,
  logIndex,
  type ReadyNumber,
  RecordKind,
  round,
  type WalRecord,
  walRecord,
} from '@quorate/consensus';
import { crc32Table } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { type Batch, DurableLog } from './durable-log.ts';

const codec = createRecordCodec(crc32Table);
const accept = (index: number): WalRecord =>
  walRecord({ kind: RecordKind.accept, entryType: 1, round: round(1), index: logIndex(index) });
const batch = (number: number, records: WalRecord[], startsSegment = false): Batch => ({
  number: number as ReadyNumber,
  records,
  urgent: true,
  startsSegment,
});

function indexes(log: DurableLog): number[] {
  return log.recover(codec).map((record) => record.index);
}

describe('DurableLog', () => {
  it('keeps what was synced and, at a power cut, whole batches from the front', () => {
    const log = new DurableLog(false);
    for (let i = 1; i <= 4; i++) log.append(batch(i, [accept(2 * i - 1), accept(2 * i)]));
    log.syncOne();
    expect(indexes(log)).toEqual([1, 2]);
    log.crash(1);
    expect(indexes(log)).toEqual([1, 2, 3, 4]);
    expect(log.pending).toEqual([]);
  });

  it('deletes a segment only behind a durable checkpoint and a snapshot that covers it', () => {
    const log = new DurableLog(true);
    const snapshot = walRecord({ kind: RecordKind.snapshot, index: logIndex(2) });
    const sync = (...one: Batch[]): void => {
      for (const each of one) log.append(each);
      while (log.pending.length > 0) log.syncOne();
    };
    sync(batch(1, [accept(1), accept(2)]), batch(0, [], true), batch(2, [accept(3)]));
    expect(indexes(log)).toEqual([1, 2, 3]);
    sync(batch(3, [snapshot]));
    expect(indexes(log)).toEqual([1, 2, 3, 2]);
    log.append(batch(0, [snapshot], true));
    expect(indexes(log)).toEqual([1, 2, 3, 2]);
    log.syncOne();
    expect(indexes(log)).toEqual([3, 2, 2]);
    expect(log.archive?.map((record) => record.index)).toEqual([1, 2, 3, 2]);
  });
});
