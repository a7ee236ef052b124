import type { Random } from '@quorate/foundation';
import type { DiskFault } from '../disk/disk-faults.ts';
import type { DiskDelays } from '../disk/simulated-disk.ts';

/** The smallest segment that a log takes. */
const SEGMENT_BYTES_MIN = 16_384;

/** What one seed draws for the lives of one log. */
export interface LogSwarm {
  readonly segmentBytes: number;
  readonly writeThrough: boolean;
  readonly sync: 'each' | 'group';
  readonly delays: DiskDelays;
  readonly recordsPerBatchMax: number;
  /** The encoded size of each entry; 0 for sizes that vary. */
  readonly recordBytes: number;
  /**
   * True when a life writes other bytes at an index than the life before it, as a new leader does;
   * false when it repeats them, as a client's retry does.
   */
  readonly freshContent: boolean;
  /** The longest pause between two appends, in microseconds. */
  readonly pauseMaxMicros: number;
  /** The disk breaks its word once: what it loses is lost, what it returns must be right. */
  readonly lie: DiskFault['effect'] | null;
}

/** Draws sizes, timings and the disk's honesty. */
export function drawLogSwarm(random: Random): LogSwarm {
  const of = <T>(label: string, values: readonly T[]): T => {
    return values[random.split(label).below(values.length)] as T;
  };
  return {
    segmentBytes: SEGMENT_BYTES_MIN * of('segment', [1, 2]),
    writeThrough: of('writeThrough', [true, false]),
    sync: of('sync', ['group', 'group', 'group', 'each']),
    delays: drawDelays(random),
    recordsPerBatchMax: of('records', [1, 2, 4]),
    recordBytes: of('recordBytes', [0, 0, 256, 512]),
    freshContent: of('content', [true, false]),
    pauseMaxMicros: of('pause', [1, 50, 400]),
    lie: of('lie', [null, null, null, 'lost', 'misdirected', 'lie']),
  };
}

/** A disk whose operations end at once, or take their time each in its own measure. */
export function drawDelays(random: Random): DiskDelays {
  const of = (label: string): number => {
    return [0, 5, 50, 500][random.split(`delay ${label}`).below(4)] as number;
  };
  return { readMicros: of('read'), writeMicros: of('write'), syncMicros: of('sync') };
}
