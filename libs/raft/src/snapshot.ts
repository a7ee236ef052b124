import type { LogIndex, NodeId, SnapshotDescription, SnapshotMeta } from '@quorate/consensus';
import { assert, required } from '@quorate/foundation';
import type { RaftCore } from './core.ts';
import type { InstallSnapshot } from './messages.ts';
import { encodeSnapshotEngine, lastTermOf, snapshotRecord, truncateRecord } from './records.ts';

/** What a snapshot cut at `index` must carry; see `ConsensusEngine.describeSnapshot`. */
export function describeSnapshot(core: RaftCore, index: LogIndex): SnapshotDescription {
  assert(index > core.snapshotIndex, 'a snapshot goes beyond the one before');
  assert(index <= core.deliveredIndex, 'a snapshot holds what was delivered');
  const term = required(core.log.termAt(index), 'entries above the snapshot are in memory');
  return { index, membership: core.membership, engine: encodeSnapshotEngine(term) };
}

/** Records an own snapshot whose file is durable; a snapshot older than the last one is dropped. */
export function snapshotTaken(core: RaftCore, meta: SnapshotMeta): void {
  if (meta.index <= core.snapshotIndex) return;
  assert(meta.index <= core.deliveredIndex, 'a snapshot holds what was delivered');
  assert(lastTermOf(meta) === core.log.termAt(meta.index), 'a snapshot ends with the log’s entry');
  core.snapshot = meta;
  core.output.records.push(snapshotRecord(meta));
}

/** True when the log holds the snapshot's last entry, and so all that the snapshot covers. */
export function matchesSnapshot(core: RaftCore, meta: SnapshotMeta): boolean {
  return core.log.termAt(meta.index) === lastTermOf(meta);
}

/**
 * Replaces the log by a leader's snapshot (Raft paper, section 7). Term and vote stay as they are,
 * however old the snapshot's last term is (RF-07). The truncation stands before the snapshot record
 * because what lies above the commit index, also above the snapshot, is gone with it.
 */
export function acceptSnapshot(core: RaftCore, from: NodeId, meta: SnapshotMeta): void {
  assert(meta.index > core.commitIndex, 'a snapshot is installed only when it brings news');
  const uncommitted = (core.commitIndex + 1) as LogIndex;
  if (core.log.lastIndex >= uncommitted) {
    core.ledger.truncatedFrom(uncommitted);
    core.output.records.push(truncateRecord(uncommitted));
  }
  core.output.records.push(snapshotRecord(meta));
  core.log.resetTo(meta.index, lastTermOf(meta));
  core.snapshot = meta;
  core.commitIndex = meta.index;
  core.deliveredIndex = meta.index;
  core.useMembership(meta.membership, meta.index);
  core.output.snapshotToInstall = meta;
  core.output.membership = { current: meta.membership, joint: null, index: meta.index };
  core.note('snapshotInstalled', from, `through ${meta.index}`);
}

/** The announcement that precedes the file. */
export function announcementOf(core: RaftCore, meta: SnapshotMeta): InstallSnapshot {
  return {
    kind: 'installSnapshot',
    term: core.term,
    leaderId: core.id,
    lastIncludedIndex: meta.index,
    lastIncludedTerm: lastTermOf(meta),
    meta,
  };
}

/**
 * Forgets entries that the durable snapshot covers, except a tail for slow followers: at least
 * `logTailBytesMin`, and from `neededFrom` on (the lowest active follower's next entry) at most
 * `logTailBytesMax`. O(1) an entry.
 */
export function trimLog(core: RaftCore, neededFrom: LogIndex): void {
  const { log, snapshotIndex } = core;
  const { logTailBytesMin, logTailBytesMax } = core.config.limits;
  while (log.firstIndex <= snapshotIndex) {
    const rest = log.bytes - log.firstEntryBytes;
    if (rest < logTailBytesMin) return;
    if (log.firstIndex >= neededFrom && log.bytes <= logTailBytesMax) return;
    log.dropFirst();
  }
}
