import {
  EntryType,
  encodeSnapshotMeta,
  logIndex,
  RecordKind,
  type SnapshotMeta,
  type WalRecord,
  walRecord,
} from '@quorate/consensus';
import { assert, equalBytes, NO_BYTES } from '@quorate/foundation';
import { type Ballot, compareBallots, higherBallot, NO_BALLOT } from './ballot.ts';

/** The ballot that an accept or promise record carries. */
export function ballotOf(record: WalRecord): Ballot {
  return { round: record.round, node: record.node };
}

/** The fact "supports nothing below `ballot`". */
export function promiseRecord(ballot: Ballot): WalRecord {
  return walRecord({ kind: RecordKind.promise, round: ballot.round, node: ballot.node });
}

/** The fact "accepted this value in this slot under this ballot", also what a proposer sends. */
export function acceptRecord(
  ballot: Ballot,
  slot: number,
  entryType: EntryType,
  payload: Uint8Array,
): WalRecord {
  return walRecord({
    kind: RecordKind.accept,
    entryType,
    round: ballot.round,
    index: logIndex(slot),
    node: ballot.node,
    payload,
  });
}

/** The fact "this value is chosen in this slot": no ballot any more, it holds under every one. */
export function chosenRecord(record: WalRecord): WalRecord {
  if (record.kind === RecordKind.chosen) return record;
  const { entryType, index, payload } = record;
  return walRecord({ kind: RecordKind.chosen, entryType, index, payload });
}

/** The hint "each slot up to this one holds its chosen value". */
export function commitRecord(slot: number): WalRecord {
  return walRecord({ kind: RecordKind.commit, index: logIndex(slot) });
}

/** The commit point of a durable snapshot. */
export function snapshotRecord(meta: SnapshotMeta): WalRecord {
  return walRecord({
    kind: RecordKind.snapshot,
    index: meta.index,
    payload: encodeSnapshotMeta(meta),
  });
}

/** The value that fills a slot in which nothing can have been chosen (MP-05). */
export const NOOP: { readonly entryType: EntryType; readonly payload: Uint8Array } = {
  entryType: EntryType.noop,
  payload: NO_BYTES,
};

/** True when a record carries a value that this engine proposes: a command batch or a no-op. */
export function holdsValue(record: WalRecord): boolean {
  return record.entryType === EntryType.command || record.entryType === EntryType.noop;
}

/** True when both records hold the same value, under whatever ballots. */
export function sameValue(a: WalRecord, b: WalRecord): boolean {
  return a.entryType === b.entryType && equalBytes(a.payload, b.payload);
}

/** What the log says about a replica. */
export interface Recovered {
  readonly promised: Ballot;
  /** The highest slot of a commit hint or a snapshot. */
  readonly chosenPrefix: number;
  readonly snapshotIndex: number;
  /** Per slot above the snapshot its chosen record or the accept with the highest ballot. */
  readonly slots: ReadonlyMap<number, WalRecord>;
}

/**
 * Folds the log into an acceptor's and a learner's state. The order of the records within a slot
 * does not matter: `chosen` beats any accept, the highest ballot beats the others, and what a
 * snapshot covers is dropped whether it stands before or behind the snapshot record. An accept is
 * a promise too, since an acceptor never accepts below its promise. Throws `InvariantViolation` on
 * records that no Multi-Paxos replica writes or that contradict each other.
 */
export function foldRecords(records: Iterable<WalRecord>): Recovered {
  let promised = NO_BALLOT;
  let chosenPrefix = 0;
  let snapshotIndex = 0;
  const slots = new Map<number, WalRecord>();
  for (const record of records) {
    if (record.kind === RecordKind.promise || record.kind === RecordKind.accept) {
      promised = higherBallot(promised, ballotOf(record));
    }
    if (record.kind === RecordKind.accept || record.kind === RecordKind.chosen) {
      if (record.index > snapshotIndex) foldSlot(slots, record);
    } else if (record.kind === RecordKind.commit) {
      chosenPrefix = Math.max(chosenPrefix, record.index);
    } else if (record.kind === RecordKind.snapshot) {
      snapshotIndex = Math.max(snapshotIndex, record.index);
      for (const slot of [...slots.keys()]) if (slot <= snapshotIndex) slots.delete(slot);
    } else {
      assert(record.kind === RecordKind.promise, 'the log holds only kinds that Paxos writes');
    }
  }
  chosenPrefix = Math.max(chosenPrefix, snapshotIndex);
  for (let slot = snapshotIndex + 1; slot <= chosenPrefix; slot++) {
    assert(slots.has(slot), 'each slot up to a commit hint holds its value');
  }
  return { promised, chosenPrefix, snapshotIndex, slots };
}

function foldSlot(slots: Map<number, WalRecord>, record: WalRecord): void {
  const held = slots.get(record.index);
  if (held === undefined) {
    slots.set(record.index, record);
    return;
  }
  if (held.kind === RecordKind.chosen && record.kind === RecordKind.chosen) {
    assert(sameValue(held, record), 'one value is chosen in a slot');
  } else if (record.kind === RecordKind.chosen) {
    slots.set(record.index, record);
  } else if (held.kind === RecordKind.accept) {
    const order = compareBallots(ballotOf(record), ballotOf(held));
    assert(order !== 0 || sameValue(held, record), 'a ballot has one value a slot');
    if (order > 0) slots.set(record.index, record);
  }
}
