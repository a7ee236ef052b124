import {
  type LogIndex,
  NO_INDEX,
  RecordKind,
  type Round,
  type SnapshotMeta,
  type WalRecord,
} from '@quorate/consensus';
import { assert } from '@quorate/foundation';

/** What the log of an unreplicated node says after a restart. */
export interface RecoveredLog {
  /** The highest incarnation promised; the new one takes the next. */
  readonly round: Round;
  /** The accepts above the snapshot, by index, without gaps. */
  readonly accepts: readonly WalRecord[];
  readonly lastIndex: LogIndex;
}

/**
 * Folds the records, oldest first. The last accept of an index wins. Accepts may stand before the
 * snapshot record that covers them and above a snapshot that is recorded later, so they are sorted
 * out only at the end. Throws `InvariantViolation` when an entry is missing.
 */
export function foldRecords(
  snapshot: SnapshotMeta | null,
  records: Iterable<WalRecord>,
): RecoveredLog {
  let round = 0 as Round;
  const byIndex = new Map<LogIndex, WalRecord>();
  for (const record of records) {
    if (record.round > round) round = record.round;
    if (record.kind === RecordKind.accept) byIndex.set(record.index, record);
  }
  const base = snapshot?.index ?? NO_INDEX;
  const accepts = [...byIndex.values()]
    .filter((record) => record.index > base)
    .sort((a, b) => a.index - b.index);
  accepts.forEach((record, i) => {
    assert(record.index === base + 1 + i, 'the log has no gap above its snapshot');
  });
  return { round, accepts, lastIndex: (base + accepts.length) as LogIndex };
}
