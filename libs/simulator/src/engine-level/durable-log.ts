import { type ReadyNumber, type RecordCodec, RecordKind, type WalRecord } from '@quorate/consensus';
import { required } from '@quorate/foundation';

/** An atomic batch that was handed to the disk and is not yet durable. */
export interface Batch {
  /** The Ready that it came from; 0 for a checkpoint, which belongs to none. */
  readonly number: ReadyNumber | 0;
  readonly records: readonly WalRecord[];
  /** True when somebody waits for it: facts, or messages that may leave only after it. */
  readonly urgent: boolean;
  /** True when a new segment starts with it. */
  readonly startsSegment: boolean;
}

interface Segment {
  readonly records: WalRecord[];
  batches: number;
  highestIndex: number;
}

/**
 * The write-ahead log of one simulated replica: atomic batches that become durable in order, in
 * segments that start with a checkpoint. What is durable survives `crash`, nothing else does.
 */
export class DurableLog {
  /** Batches that became durable since the start. */
  batchesDurable = 0;
  /** Every durable record since the start without the checkpoints, when asked for. */
  readonly archive: WalRecord[] | null;
  private segments: Segment[] = [{ records: [], batches: 0, highestIndex: 0 }];
  private readonly waiting: Batch[] = [];
  private snapshotIndex = 0;
  private batchesSinceRoll = 0;

  constructor(keepArchive: boolean) {
    this.archive = keepArchive ? [] : null;
  }

  /** Batches handed over and not yet durable, oldest first. */
  get pending(): readonly Batch[] {
    return this.waiting;
  }

  /** Batches appended since the last segment started. */
  get batchesInSegment(): number {
    return this.batchesSinceRoll;
  }

  /** Hands a batch to the disk. */
  append(batch: Batch): void {
    this.waiting.push(batch);
    this.batchesSinceRoll = batch.startsSegment ? 0 : this.batchesSinceRoll + 1;
  }

  /** Makes the oldest pending batch durable and returns it. */
  syncOne(): Batch {
    const batch = required(this.waiting.shift(), 'a batch waits for the disk');
    if (batch.startsSegment) this.segments.push({ records: [], batches: 0, highestIndex: 0 });
    const segment = required(this.segments.at(-1), 'a log has a segment');
    segment.batches++;
    this.batchesDurable++;
    if (!batch.startsSegment) this.archive?.push(...batch.records);
    for (const record of batch.records) {
      segment.records.push(record);
      segment.highestIndex = Math.max(segment.highestIndex, record.index);
      if (record.kind === RecordKind.snapshot) this.snapshotIndex = record.index;
    }
    if (batch.startsSegment) this.deleteCovered();
    return batch;
  }

  /** A power cut: the first `keep` pending batches reached the disk, the others are gone. */
  crash(keep: number): Batch[] {
    const kept: Batch[] = [];
    while (kept.length < keep && this.waiting.length > 0) kept.push(this.syncOne());
    this.waiting.length = 0;
    return kept;
  }

  /** What a restart reads, each record decoded anew from its bytes. */
  recover(codec: RecordCodec): WalRecord[] {
    const recovered: WalRecord[] = [];
    for (const segment of this.segments) {
      for (const record of segment.records) {
        const bytes = codec.encode(record);
        recovered.push(required(codec.decode(bytes, 0, bytes.length), 'a record decodes'));
      }
    }
    return recovered;
  }

  /** Segments go from the oldest on, as far as the durable snapshot covers all their records. */
  private deleteCovered(): void {
    let covered = 0;
    while (covered < this.segments.length - 1) {
      const segment = required(this.segments[covered], 'the index is in bounds');
      if (segment.highestIndex > this.snapshotIndex) break;
      covered++;
    }
    this.segments = this.segments.slice(covered);
  }
}
