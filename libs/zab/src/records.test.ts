import { EntryType, logIndex, nodeId, type SnapshotMeta, type WalRecord } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import {
  acceptedEpochRecord,
  committedRecord,
  currentEpochRecord,
  encodeSnapshotZxid,
  recover,
  snapshotRecord,
  transactionRecord,
  truncateRecord,
} from './records.ts';
import type { Zxid } from './zxid.ts';

const z = (epoch: number, counter: number): Zxid => ({ epoch, counter });

function transaction(zxid: Zxid, index: number): WalRecord {
  return transactionRecord(zxid, logIndex(index), EntryType.command, new Uint8Array(1));
}

function snapshotAt(index: number, zxid: Zxid): SnapshotMeta {
  const membership = { voters: [], learners: [], witnesses: [] };
  const engine = encodeSnapshotZxid(zxid);
  return { index: logIndex(index), membership, digest: 'd', bytes: 0, engine };
}

function picture(snapshot: SnapshotMeta | null, records: readonly WalRecord[]) {
  const { history, ...facts } = recover(snapshot, records);
  const { baseIndex, lastIndex, lastZxid } = history;
  return { ...facts, baseIndex, lastIndex, lastZxid };
}

const three = [transaction(z(1, 1), 1), transaction(z(1, 2), 2), transaction(z(1, 3), 3)];

describe('recovery', () => {
  it('folds epochs, transactions, truncation and the commit hint', () => {
    const records = [
      acceptedEpochRecord(1, nodeId(2)),
      currentEpochRecord(1),
      ...three,
      committedRecord(logIndex(2)),
      acceptedEpochRecord(4, nodeId(3)),
      truncateRecord(logIndex(2)),
      transaction(z(3, 1), 3),
      currentEpochRecord(4),
    ];
    expect(picture(null, records)).toEqual({
      acceptedEpoch: 4,
      acceptedFrom: 3,
      currentEpoch: 4,
      committed: 2,
      baseIndex: 0,
      lastIndex: 3,
      lastZxid: z(3, 1),
    });
  });

  it('accepts transactions above a snapshot that is recorded later, below a gap', () => {
    const meta = snapshotAt(2, z(1, 2));
    const records = [three[1], three[2], snapshotRecord(meta)] as WalRecord[];
    expect(picture(meta, records)).toMatchObject({ baseIndex: 2, lastIndex: 3, committed: 2 });
    expect(picture(meta, records.slice(1))).toMatchObject({ baseIndex: 2, lastIndex: 3 });
  });

  it('a snapshot of a peer replaces the history, conflicting tail and all', () => {
    const meta = snapshotAt(9, z(5, 5));
    const records = [...three, truncateRecord(logIndex(0)), snapshotRecord(meta)];
    const after = [...records, transaction(z(5, 6), 10)];
    expect(picture(meta, after)).toMatchObject({ baseIndex: 9, lastIndex: 10, committed: 9 });
  });

  it.each<[string, SnapshotMeta | null, WalRecord[]]>([
    ['a gap', null, [three[0], three[2]] as WalRecord[]],
    ['a log that starts too late', null, three.slice(1)],
    ['a snapshot that is not there', null, [snapshotRecord(snapshotAt(2, z(1, 2)))]],
    ['another snapshot', snapshotAt(3, z(1, 3)), [snapshotRecord(snapshotAt(2, z(1, 2)))]],
    ['currentEpoch above acceptedEpoch (C6)', null, [currentEpochRecord(2)]],
    ['acceptedEpoch that falls', null, [acceptedEpochRecord(3, 0), acceptedEpochRecord(2, 0)]],
    ['zxids that fall', null, [three[0], transaction(z(0, 1), 2)] as WalRecord[]],
  ])('refuses %s', (_name, snapshot, records) => {
    expect(() => recover(snapshot, records)).toThrow();
  });

  it('fold(all) = fold(checkpoint + what remains), at every cut that a snapshot allows', () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = createRandom(`fold ${seed}`);
      const all: WalRecord[] = [acceptedEpochRecord(1, nodeId(1)), currentEpochRecord(1)];
      let checkpoint: WalRecord[] = [];
      let cut = 0;
      let last = 0;
      let covered: SnapshotMeta | null = null;
      for (let step = 0; step < 30; step++) {
        const what = random.below(10);
        if (what < 6) {
          last++;
          all.push(transaction(z(1, last), last));
        } else if (what < 7 && last > (covered?.index ?? 0)) {
          last--;
          all.push(truncateRecord(logIndex(last)));
        } else if (what < 9 && last > (covered?.index ?? 0)) {
          covered = snapshotAt(last, z(1, last));
          all.push(snapshotRecord(covered));
        } else if (cut === 0) {
          cut = all.length;
          checkpoint = [acceptedEpochRecord(1, nodeId(1)), currentEpochRecord(1)];
          if (covered !== null) checkpoint.push(snapshotRecord(covered));
        }
      }
      const highest = Math.max(0, ...all.slice(0, cut).map((record) => record.index));
      if (cut === 0 || (covered?.index ?? 0) < highest) continue;
      expect(picture(covered, [...checkpoint, ...all.slice(cut)])).toEqual(picture(covered, all));
    }
  });
});
