import type { Disk, DiskError } from '@quorate/consensus';
import { segmentName } from './format.ts';
import { nameForReuse, type SegmentSupply } from './segment-supply.ts';

/** What the log remembers of one of its segments. */
export interface LiveSegment {
  readonly number: number;
  readonly firstBatch: number;
  /** True when it starts with a checkpoint. */
  readonly checkpoint: boolean;
  fileBytes: number;
  highestIndex: number;
}

/** What a {@link SegmentRelease} works with. */
export interface SegmentReleaseOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly segmentBytes: number;
  /** The log's own list, oldest first; the release removes from its front. */
  readonly segments: LiveSegment[];
  readonly supply: SegmentSupply;
  readonly failed: (error: DiskError) => void;
}

/**
 * Compaction without knowledge of any protocol: the oldest segment may go when a snapshot covers
 * its highest index and the checkpoint behind it is durable. Segments go one at a time, the oldest
 * first, and each change of a name is durable before the next, so no crash leaves a gap.
 */
export class SegmentRelease {
  private readonly options: SegmentReleaseOptions;
  private snapshotIndex = 0;
  /** The batch that must be durable first: it, or one before it, names the snapshot. */
  private barrier = 0;
  private busy = false;
  private count = 0;

  constructor(options: SegmentReleaseOptions) {
    this.options = options;
  }

  /** How many segments went. */
  get released(): number {
    return this.count;
  }

  /** True while the disk is at work. */
  get working(): boolean {
    return this.busy;
  }

  /** Remembers that segments up to `snapshotIndex` may go once batch `barrier` is durable. */
  allow(snapshotIndex: number, barrier: number): void {
    if (snapshotIndex <= this.snapshotIndex) return;
    this.snapshotIndex = snapshotIndex;
    this.barrier = barrier;
  }

  /** The batch whose durability lets the oldest segment go; null when nothing can go. */
  get awaits(): number | null {
    const [oldest, newer] = this.options.segments;
    if (oldest === undefined || newer === undefined || !newer.checkpoint) return null;
    if (this.snapshotIndex === 0 || oldest.highestIndex > this.snapshotIndex) return null;
    return Math.max(newer.firstBatch, this.barrier);
  }

  /** Lets the oldest segment go, and calls `next` when that is durable. */
  releaseOldest(next: () => void): void {
    const { disk, directory, segments, segmentBytes, supply, failed } = this.options;
    const [oldest] = segments;
    if (oldest === undefined || this.busy) return;
    this.busy = true;
    const path = `${directory}/${segmentName(oldest.number)}`;
    const reuse = nameForReuse(oldest.number);
    const recycles = supply.wantsRecycled && oldest.fileBytes === segmentBytes;
    const gone = (error: DiskError | null): void => {
      if (error !== null) {
        failed(error);
        return;
      }
      disk.syncDirectory(directory, (syncError) => {
        if (syncError !== null) return failed(syncError);
        this.busy = false;
        segments.shift();
        this.count++;
        if (recycles) supply.addRecycled(reuse);
        next();
      });
    };
    if (recycles) disk.rename(path, `${directory}/${reuse}`, gone);
    else disk.remove(path, gone);
  }
}
