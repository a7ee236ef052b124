import type { Clock, Disk, DiskFile, RecordCodec } from '@quorate/consensus';
import type { LiveSegment } from './segment-release.ts';
import type { SyncPolicy, WalIdentity } from './types.ts';

/** The state in which `DiskWal` takes over: recovery or creation has ended. */
export interface DiskWalState {
  readonly disk: Disk;
  readonly directory: string;
  readonly identity: WalIdentity;
  readonly records: RecordCodec;
  readonly clock: Clock;
  readonly sync: SyncPolicy;
  readonly writeThrough: boolean;
  readonly segmentBytes: number;
  readonly groupDelayMicros: number;
  readonly groupBytesMax: number;
  readonly periodicMicros: number;
  readonly queuedBatchesMax: number;
  /** Oldest first; the last one is open for appending. */
  readonly segments: LiveSegment[];
  readonly file: DiskFile;
  /** Where the next group goes in the last segment. */
  readonly offset: number;
  readonly nextBatch: number;
  readonly previousCrc: number;
  /** True when the log ends with an end mark, so that closing needs no other. */
  readonly marked: boolean;
}

/** What a log counts of its own work, at the start. */
export function noCounts() {
  return {
    batches: 0,
    records: 0,
    groups: 0,
    syncs: 0,
    bytesWritten: 0,
    recordBytes: 0,
    rolls: 0,
    groupMicrosTotal: 0,
    groupMicrosMax: 0,
  };
}
