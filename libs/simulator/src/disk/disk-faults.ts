/** What a program can ask of a disk. `write-through` writes count as `write`. */
export type DiskOperation =
  | 'open'
  | 'list'
  | 'rename'
  | 'remove'
  | 'makeDirectory'
  | 'syncDirectory'
  | 'size'
  | 'read'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'close';

/**
 * One planned misbehaviour of a disk.
 *
 * - `error`: the operation fails with `code`. A failed write may have written any of its sectors; a
 *   failed sync leaves its sectors clean in name only.
 * - `lost`: a write is acknowledged and reaches nothing.
 * - `misdirected`: a write is acknowledged and lands `shiftBytes` further on.
 * - `lie`: a sync, or a write-through write, is acknowledged and makes nothing durable.
 * - `delay`: the operation takes `delayMicros` longer.
 */
export interface DiskFault {
  readonly operation: DiskOperation;
  readonly effect: 'error' | 'lost' | 'misdirected' | 'lie' | 'delay';
  /** Only for paths that contain this text. Default: all. */
  readonly path?: string;
  /** Lets this many matching operations pass first. Default 0. */
  readonly skip?: number;
  /** Strikes this often; default 1. */
  readonly times?: number;
  /** Default EIO. */
  readonly code?: string;
  /** Default 4096; below 0 it lands further in front, at the start of the file at most. */
  readonly shiftBytes?: number;
  /** Default 0. */
  readonly delayMicros?: number;
  /** Told each time that it strikes. */
  readonly onStrike?: () => void;
}

interface PlannedFault {
  readonly fault: DiskFault;
  skip: number;
  times: number;
}

/** The planned faults of one disk, each with the count of its strikes still to come. */
export class FaultPlan {
  private planned: PlannedFault[] = [];

  /** Plans a fault; returns how to forget it. */
  add(fault: DiskFault): () => void {
    const item = { fault, skip: fault.skip ?? 0, times: fault.times ?? 1 };
    this.planned.push(item);
    return () => {
      this.planned = this.planned.filter((other) => other !== item);
    };
  }

  clear(): void {
    this.planned = [];
  }

  /** The fault that strikes this operation, or null; the first planned one wins. */
  strike(operation: DiskOperation, path: string): DiskFault | null {
    for (const item of this.planned) {
      if (item.fault.operation !== operation) continue;
      if (item.fault.path !== undefined && !path.includes(item.fault.path)) continue;
      if (item.skip > 0) {
        item.skip--;
        continue;
      }
      item.times--;
      if (item.times <= 0) this.planned = this.planned.filter((other) => other !== item);
      item.fault.onStrike?.();
      return item.fault;
    }
    return null;
  }
}
