import {
  createRecordCodec,
  EntryType,
  type LogIndex,
  type NodeId,
  RecordKind,
  type Round,
  type WalRecord,
  walRecord,
} from '@quorate/consensus';
import { assert, crc32Table, createRandom } from '@quorate/foundation';
import { type OpenedWal, openWal, type Wal, type WalError, type WalOptions } from '@quorate/wal';
import { DiskClock } from './disk-clock.ts';
import { SimulatedDisk } from './simulated-disk.ts';

/** Whom the harness's logs belong to, unless a test says otherwise. */
export const HARNESS_IDENTITY = {
  clusterId: 'harness',
  nodeId: 1 as NodeId,
  diskId: 'disk-1',
  protocol: 'none',
};

/** The directory of the harness's logs. */
export const HARNESS_DIRECTORY = 'data/wal';

/** What {@link WalHarness.tryOpen} ended with: exactly one of the two is not null. */
export interface OpenOutcome {
  readonly error: WalError | null;
  readonly opened: OpenedWal | null;
}

/** An `accept` record with a payload of `bytes` bytes that names its index. */
export function acceptRecord(index: number, bytes = 8): WalRecord {
  const payload = new Uint8Array(bytes).fill(index % 251);
  return walRecord({
    kind: RecordKind.accept,
    entryType: EntryType.command,
    round: 1 as Round,
    index: index as LogIndex,
    payload,
  });
}

/** One log on one simulated disk, driven by hand: for tests of the log and of damaged files. */
export class WalHarness {
  readonly clock = new DiskClock();
  readonly disk: SimulatedDisk;
  readonly codec = createRecordCodec(crc32Table);
  private readonly options: Partial<WalOptions>;

  constructor(seed: string | number, options: Partial<WalOptions> = {}) {
    this.options = options;
    this.disk = new SimulatedDisk({ clock: this.clock, random: createRandom(seed) });
  }

  /** Opens the log as a new process would; null for both while the disk never answered. */
  tryOpen(overrides: Partial<WalOptions> = {}): OpenOutcome {
    let outcome: OpenOutcome = { error: null, opened: null };
    const options = {
      disk: this.disk.mount(),
      directory: HARNESS_DIRECTORY,
      identity: HARNESS_IDENTITY,
      records: this.codec,
      clock: this.clock,
      create: true,
      segmentBytes: 64 * 1024,
      ...this.options,
      ...overrides,
    };
    openWal(options, (error, opened) => {
      outcome = { error, opened };
    });
    this.clock.run(
      Number.MAX_SAFE_INTEGER,
      () => outcome.error !== null || outcome.opened !== null,
    );
    return outcome;
  }

  /** Opens the log and throws what refuses it. */
  open(overrides: Partial<WalOptions> = {}): OpenedWal {
    const { error, opened } = this.tryOpen(overrides);
    if (error !== null) throw error;
    assert(opened !== null, 'the disk answers');
    return opened;
  }

  /** Appends one batch and runs until it is done; false when it never was. */
  append(wal: Wal, records: readonly WalRecord[], mustSync = true): boolean {
    let isDone = false;
    wal.append(records, mustSync, () => {
      isDone = true;
    });
    this.settle();
    return isDone;
  }

  /** Closes the log and runs until that ended. */
  close(wal: Wal): WalError | null {
    let outcome: WalError | null | undefined;
    wal.close((error) => {
      outcome = error;
    });
    this.settle();
    assert(outcome !== undefined, 'closing ends');
    return outcome;
  }

  /** Runs all that is due within the next virtual half second. */
  settle(): void {
    this.clock.run(this.clock.now() + 500_000);
  }
}
