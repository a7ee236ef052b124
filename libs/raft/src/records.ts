import {
  decodeSnapshotMeta,
  type EntryType,
  encodeSnapshotMeta,
  type LogIndex,
  logIndex,
  type NodeId,
  RecordKind,
  round,
  type SnapshotMeta,
  type WalRecord,
  walRecord,
} from '@quorate/consensus';
import { assert, MalformedBytes, ProtoReader, ProtoWriter, unreachable } from '@quorate/foundation';
import type { Term } from './messages.ts';

/** Term and vote as one fact, so that no crash can separate them. */
export function promiseRecord(term: Term, votedFor: NodeId | 0): WalRecord {
  return walRecord({ kind: RecordKind.promise, round: term, node: votedFor });
}

/** An entry of the log: the bytes that the leader logs, sends and the followers log. */
export function entryRecord(fields: {
  readonly term: Term;
  readonly index: LogIndex;
  readonly type: EntryType;
  readonly payload: Uint8Array;
}): WalRecord {
  return walRecord({
    kind: RecordKind.accept,
    entryType: fields.type,
    round: fields.term,
    index: fields.index,
    payload: fields.payload,
  });
}

/** The entries from `index` on are gone: another leader's follow. */
export function truncateRecord(index: LogIndex): WalRecord {
  return walRecord({ kind: RecordKind.truncate, index });
}

/** The commit index, a hint that spares work after a restart. */
export function commitRecord(index: LogIndex): WalRecord {
  return walRecord({ kind: RecordKind.commit, index });
}

/** A durable snapshot covers the log up to `meta.index`. */
export function snapshotRecord(meta: SnapshotMeta): WalRecord {
  return walRecord({
    kind: RecordKind.snapshot,
    round: lastTermOf(meta),
    index: meta.index,
    payload: encodeSnapshotMeta(meta),
  });
}

/** Raft's own part of a snapshot's meta: the term of the last entry that it covers. */
export function encodeSnapshotEngine(lastIncludedTerm: Term): Uint8Array {
  return new ProtoWriter(16).uint(1, lastIncludedTerm).whole();
}

/** The term of the last entry that a snapshot covers; throws `MalformedBytes` on other bytes. */
export function lastTermOf(meta: SnapshotMeta): Term {
  let term = 0;
  const reader = new ProtoReader(meta.engine);
  while (reader.next()) {
    if (reader.field === 1) term = reader.uint();
    else reader.skip();
  }
  return round(term);
}

/** What a replica knows after reading its log from the disk. */
export interface Recovered {
  readonly term: Term;
  readonly votedFor: NodeId | 0;
  /** The entries above the snapshot, without a gap. */
  readonly entries: readonly WalRecord[];
  readonly snapshotIndex: LogIndex;
  readonly snapshotTerm: Term;
  readonly commitIndex: LogIndex;
}

/**
 * Folds records, oldest first, into what a replica knows (the recovery fold). Old segments may be
 * gone, so entries may start above a gap that a snapshot recorded later covers: the fold of a
 * checkpoint and what remains equals the fold of everything. `snapshot` is the one that the last
 * snapshot record names. Throws `InvariantViolation` when records contradict each other.
 */
export function recover(records: Iterable<WalRecord>, snapshot: SnapshotMeta | null): Recovered {
  const fold = new RecoveryFold();
  for (const record of records) fold.take(record);
  return fold.finish(snapshot);
}

class RecoveryFold {
  private term = round(0);
  private votedFor: NodeId | 0 = 0;
  private entries: WalRecord[] = [];
  private snapshotIndex = logIndex(0);
  private snapshotTerm = round(0);
  private snapshotDigest: string | null = null;
  private commitIndex = logIndex(0);

  take(record: WalRecord): void {
    switch (record.kind) {
      case RecordKind.promise:
        this.promise(record);
        return;
      case RecordKind.accept:
        this.accept(record);
        return;
      case RecordKind.truncate:
        this.truncate(record.index);
        return;
      case RecordKind.commit:
        if (record.index > this.commitIndex) this.commitIndex = record.index;
        return;
      case RecordKind.snapshot:
        this.snapshot(metaOf(record));
        return;
      case RecordKind.establish:
      case RecordKind.chosen:
        assert(false, `Raft never writes a record of kind ${record.kind}`);
        return;
      default:
        unreachable(record.kind, 'a record of no kind');
    }
  }

  finish(snapshot: SnapshotMeta | null): Recovered {
    if (this.snapshotDigest !== null) {
      assert(
        snapshot !== null && snapshot.index === this.snapshotIndex,
        'the snapshot that the log names is at hand',
      );
      assert(snapshot.digest === this.snapshotDigest, 'the snapshot is the one the log names');
    } else if (snapshot !== null) this.snapshot(snapshot);
    const first = this.entries[0];
    assert(
      first === undefined || first.index === this.snapshotIndex + 1,
      'the entries continue the snapshot',
    );
    const last = this.entries[this.entries.length - 1];
    const lastIndex = last?.index ?? this.snapshotIndex;
    const lastTerm = last?.round ?? this.snapshotTerm;
    const held = Math.min(this.commitIndex, lastIndex);
    return {
      // A promise stands in the same or an earlier batch than any entry of its term; a snapshot
      // handed in from elsewhere (a restored backup) may come without one.
      term: round(Math.max(this.term, lastTerm)),
      votedFor: this.term >= lastTerm ? this.votedFor : 0,
      entries: this.entries,
      snapshotIndex: this.snapshotIndex,
      snapshotTerm: this.snapshotTerm,
      commitIndex: logIndex(Math.max(held, this.snapshotIndex)),
    };
  }

  private promise(record: WalRecord): void {
    assert(record.round >= this.term, 'a term never falls');
    const changesVote = this.votedFor !== 0 && record.node !== this.votedFor;
    assert(record.round > this.term || !changesVote, 'a vote is given once a term');
    this.term = record.round;
    this.votedFor = record.node;
  }

  private accept(record: WalRecord): void {
    if (record.index <= this.snapshotIndex) return;
    const last = this.entries[this.entries.length - 1];
    assert(last === undefined || record.index === last.index + 1, 'a log has no gaps');
    assert(last === undefined || record.round >= last.round, 'terms never fall along a log');
    this.entries.push(record);
  }

  private truncate(index: LogIndex): void {
    const first = this.entries[0];
    if (first === undefined) return;
    const kept = Math.max(0, index - first.index);
    if (kept < this.entries.length) this.entries.length = kept;
  }

  private snapshot(meta: SnapshotMeta): void {
    assert(meta.index >= this.snapshotIndex, 'a snapshot index never falls');
    const first = this.entries[0];
    if (first !== undefined && meta.index >= first.index) {
      this.entries = this.entries.slice(meta.index - first.index + 1);
    }
    this.snapshotIndex = meta.index;
    this.snapshotTerm = lastTermOf(meta);
    this.snapshotDigest = meta.digest;
  }
}

/** The record has passed its CRC, so malformed bytes here are a defect, not bad input. */
function metaOf(record: WalRecord): SnapshotMeta {
  try {
    return decodeSnapshotMeta(record.payload);
  } catch (error) {
    assert(!(error instanceof MalformedBytes), 'a snapshot record holds a snapshot’s meta');
    throw error;
  }
}
