import {
  decodeSnapshotMeta,
  type EntryType,
  encodeSnapshotMeta,
  type LogIndex,
  type NodeId,
  RecordKind,
  type Round,
  type SnapshotMeta,
  type WalRecord,
  walRecord,
} from '@quorate/consensus';
import { assert, MalformedBytes, NO_BYTES, ProtoReader, ProtoWriter } from '@quorate/foundation';
import { History } from './history.ts';
import { COUNTER_MAX, compareZxid, formatZxid, NO_ZXID, type Zxid } from './zxid.ts';

/** The fact that acceptedEpoch is `epoch`, accepted from `leader`. */
export function acceptedEpochRecord(epoch: number, leader: NodeId | 0): WalRecord {
  return walRecord({ kind: RecordKind.promise, round: epoch as Round, node: leader });
}

/** The fact that currentEpoch is `epoch`: the history belongs to it. */
export function currentEpochRecord(epoch: number): WalRecord {
  return walRecord({ kind: RecordKind.establish, round: epoch as Round });
}

/** A logged transaction. */
export function transactionRecord(
  zxid: Zxid,
  index: LogIndex,
  entryType: EntryType,
  payload: Uint8Array,
): WalRecord {
  return walRecord({
    kind: RecordKind.accept,
    entryType,
    round: zxid.epoch as Round,
    index,
    counter: zxid.counter,
    payload,
  });
}

/** The fact that the transactions above `index` are gone. */
export function truncateRecord(index: LogIndex): WalRecord {
  return walRecord({ kind: RecordKind.truncate, index: (index + 1) as LogIndex });
}

/** The hint that everything up to `index` is committed. */
export function committedRecord(index: LogIndex): WalRecord {
  return walRecord({ kind: RecordKind.commit, index });
}

/** The fact that the durable snapshot `meta` covers the history up to its index. */
export function snapshotRecord(meta: SnapshotMeta): WalRecord {
  const zxid = snapshotZxid(meta);
  return walRecord({
    kind: RecordKind.snapshot,
    round: (zxid?.epoch ?? 0) as Round,
    index: meta.index,
    counter: zxid?.counter ?? 0,
    payload: encodeSnapshotMeta(meta),
  });
}

/** What a snapshot carries for the engine: the zxid of the last transaction it covers (ZB-11). */
export function encodeSnapshotZxid(zxid: Zxid): Uint8Array {
  return new ProtoWriter(16).uint(1, zxid.epoch).uint(2, zxid.counter).whole();
}

/** The zxid in a snapshot's meta, or null on bytes that {@link encodeSnapshotZxid} never makes. */
export function snapshotZxid(meta: SnapshotMeta): Zxid | null {
  let epoch = 0;
  let counter = 0;
  try {
    const reader = new ProtoReader(meta.engine);
    while (reader.next()) {
      if (reader.field === 1) epoch = reader.uint();
      else if (reader.field === 2) counter = reader.uint();
      else reader.skip();
    }
  } catch (error) {
    if (error instanceof MalformedBytes) return null;
    throw error;
  }
  return counter > COUNTER_MAX ? null : { epoch, counter };
}

/** What a server knows when it starts: the fold of its log over its snapshot. */
export interface Recovered {
  readonly acceptedEpoch: number;
  /** The leader that the epoch was accepted from; 0 when none was. */
  readonly acceptedFrom: NodeId | 0;
  readonly currentEpoch: number;
  readonly committed: LogIndex;
  readonly history: History;
}

/**
 * Folds the facts of the log, oldest first. Log segments in front may be gone, as far as the last
 * snapshot covers what they held, so transactions may start anywhere and the gap below them is
 * judged only at the end. Throws `InvariantViolation` when the facts contradict each other.
 */
export function recover(snapshot: SnapshotMeta | null, records: Iterable<WalRecord>): Recovered {
  const fold = new Fold();
  for (const record of records) fold.take(record);
  return fold.finish(snapshot);
}

class Fold {
  private acceptedEpoch = 0;
  private acceptedFrom: NodeId | 0 = 0;
  private currentEpoch = 0;
  private committed = 0;
  private snapshotIndex = 0;
  private snapshotId: Zxid = NO_ZXID;
  private first = 1;
  private accepted: WalRecord[] = [];

  take(record: WalRecord): void {
    if (record.kind === RecordKind.accept) this.accept(record);
    else if (record.kind === RecordKind.promise) this.promise(record);
    else if (record.kind === RecordKind.establish) this.establish(record);
    else if (record.kind === RecordKind.truncate) this.truncate(record.index);
    else if (record.kind === RecordKind.commit)
      this.committed = Math.max(this.committed, record.index);
    else if (record.kind === RecordKind.snapshot) this.cover(record);
    else assert(false, `a ZAB log holds no record of kind ${record.kind}`);
  }

  finish(snapshot: SnapshotMeta | null): Recovered {
    this.adoptSnapshot(snapshot);
    assert(this.currentEpoch <= this.acceptedEpoch, 'currentEpoch is at most acceptedEpoch');
    const history = new History();
    history.reset(this.snapshotIndex as LogIndex, this.snapshotId);
    if (this.accepted.length > 0) {
      assert(this.first === this.snapshotIndex + 1, 'the log joins the snapshot without a gap');
      for (const record of this.accepted) history.append(record);
    }
    return {
      acceptedEpoch: this.acceptedEpoch,
      acceptedFrom: this.acceptedFrom,
      currentEpoch: this.currentEpoch,
      // The hint may name transactions that a later checkpoint's segment no longer restates.
      committed: Math.max(
        this.snapshotIndex,
        Math.min(this.committed, history.lastIndex),
      ) as LogIndex,
      history,
    };
  }

  /** The host's snapshot is the one of the last snapshot record, by the contract of `open`. */
  private adoptSnapshot(snapshot: SnapshotMeta | null): void {
    const index = snapshot?.index ?? 0;
    assert(index === this.snapshotIndex, 'the snapshot is the one that the log names last');
    if (snapshot === null) return;
    const zxid = snapshotZxid(snapshot);
    assert(zxid !== null, 'a snapshot carries its zxid');
    assert(
      compareZxid(zxid, this.snapshotId) === 0,
      'the snapshot has the zxid that the log names',
    );
  }

  private promise(record: WalRecord): void {
    assert(record.round >= this.acceptedEpoch, 'acceptedEpoch never decreases');
    this.acceptedEpoch = record.round;
    this.acceptedFrom = record.node;
  }

  private establish(record: WalRecord): void {
    assert(record.round >= this.currentEpoch, 'currentEpoch never decreases');
    assert(record.round <= this.acceptedEpoch, 'an epoch is accepted before it is current');
    this.currentEpoch = record.round;
  }

  private accept(record: WalRecord): void {
    if (this.accepted.length === 0) this.first = record.index;
    const zxid = formatZxid({ epoch: record.round, counter: record.counter });
    assert(record.index === this.first + this.accepted.length, `transaction ${zxid} leaves a gap`);
    assert(record.index > this.snapshotIndex, `transaction ${zxid} lies below the snapshot`);
    this.accepted.push(record);
  }

  private truncate(from: LogIndex): void {
    this.accepted.length = Math.max(0, Math.min(this.accepted.length, from - this.first));
  }

  private cover(record: WalRecord): void {
    assert(record.index >= this.snapshotIndex, 'a later snapshot covers more');
    this.snapshotIndex = record.index;
    this.snapshotId = { epoch: record.round, counter: record.counter };
    const covered = Math.max(0, record.index - this.first + 1);
    this.accepted = this.accepted.slice(Math.min(covered, this.accepted.length));
    if (covered > 0) this.first = record.index + 1;
  }
}

/** A meta without content, for fields that the wire left out. */
export const NO_SNAPSHOT: SnapshotMeta = {
  index: 0 as LogIndex,
  membership: { voters: [], learners: [], witnesses: [] },
  digest: '',
  bytes: 0,
  engine: NO_BYTES,
};

/** Reads a snapshot's meta from a peer; null on malformed bytes. */
export function parseSnapshotMeta(bytes: Uint8Array): SnapshotMeta | null {
  try {
    return decodeSnapshotMeta(bytes);
  } catch (error) {
    if (error instanceof MalformedBytes) return null;
    throw error;
  }
}

/** True for a record that a history may hold: peers can send any record at all. */
export function isTransaction(record: WalRecord): boolean {
  return record.kind === RecordKind.accept && record.entryType !== 0 && record.node === 0;
}
