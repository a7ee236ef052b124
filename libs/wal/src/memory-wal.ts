import type { Clock, WalRecord } from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import type { Wal, WalStats } from './types.ts';

/** A log that keeps nothing: the policy `memory`, for comparisons without a disk. */
export function createMemoryWal(clock: Clock): Wal {
  let closed = false;
  let batches = 0;
  let records = 0;
  // Emptied at the end of each turn, so it holds no more than one turn's appends.
  let waiting: (() => void)[] = [];
  const runWaiting = (): void => {
    const ready = waiting;
    waiting = [];
    for (const done of ready) done();
  };
  const stats = (): WalStats => ({
    batches,
    records,
    groups: 0,
    syncs: 0,
    bytesWritten: 0,
    recordBytes: 0,
    rolls: 0,
    segmentsCreated: 0,
    segmentsRecycled: 0,
    segmentsReleased: 0,
    segments: 0,
    queuedBatches: waiting.length,
    groupMicrosTotal: 0,
    groupMicrosMax: 0,
  });
  return {
    append(batch: readonly WalRecord[], _mustSync, done) {
      assert(!closed, 'a closed log takes no batch');
      batches += batch.length > 0 ? 1 : 0;
      records += batch.length;
      if (waiting.push(done) === 1) clock.defer(runWaiting);
    },
    setCheckpointSource() {},
    release() {},
    onFatal() {},
    hasSpace: true,
    stats,
    close(done) {
      assert(!closed, 'a log is closed once');
      closed = true;
      clock.defer(() => done(null));
    },
  };
}
