import {
  type Disk,
  type DiskFile,
  instant,
  type LogIndex,
  RecordKind,
  type Round,
  type WalRecord,
  walRecord,
} from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { acceptRecord, HARNESS_DIRECTORY, WalHarness } from '@quorate/simulator';
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES } from './format.ts';
import type { OpenedWal, Wal, WalError, WalOptions } from './index.ts';

function indexes(opened: OpenedWal): number[] {
  return [...opened.records].map((record) => record.index);
}

describe('a failing disk', () => {
  for (const [operation, writeThrough] of [
    ['sync', false],
    ['write', false],
    ['write', true],
  ] as const) {
    it(`ST-05 ${operation} EIO once${writeThrough ? ' (write-through)' : ''}: the end`, () => {
      const harness = new WalHarness('st-05', { writeThrough });
      const { wal } = harness.open();
      const errors: WalError[] = [];
      wal.onFatal((error) => errors.push(error));
      expect(harness.append(wal, [acceptRecord(1)])).toBe(true);
      harness.disk.inject({ operation, path: 'segment-00001', effect: 'error' });
      expect(harness.append(wal, [acceptRecord(2)])).toBe(false);
      // The disk works again; the log does not.
      expect(harness.append(wal, [acceptRecord(3)])).toBe(false);
      expect(errors).toMatchObject([{ code: 'WAL_ERR_IO', causeCode: 'EIO' }]);
      harness.disk.powerCut();
      const survivors = indexes(harness.open());
      expect(survivors[0]).toBe(1);
      expect(survivors).not.toContain(3);
    });
  }

  it('ST-05 what the next process reads from the cache is made durable before it counts', () => {
    const harness = new WalHarness('cache', { writeThrough: false });
    const { wal } = harness.open();
    harness.append(wal, [acceptRecord(1)]);
    harness.disk.inject({ operation: 'sync', path: 'segment-00001', effect: 'error' });
    harness.append(wal, [acceptRecord(2)]);
    harness.disk.kill(); // The cache survives, and its pages count as clean.
    const again = harness.open();
    expect(indexes(again)).toEqual([1, 2]);
    harness.disk.powerCut();
    expect(indexes(harness.open())).toEqual([1, 2]);
  });

  for (const writeThrough of [false, true]) {
    const how = writeThrough ? ' (write-through)' : '';
    it(`SIM-05 a failed log closes its file behind the write in flight${how}`, () => {
      const harness = new WalHarness('closing', { writeThrough });
      harness.disk.inject({ operation: 'open', path: 'segment-00002', effect: 'error' });
      const { wal } = harness.open();
      const order: string[] = [];
      harness.disk.onEffect = (_number, operation, path) => {
        if (path.includes('segment-00001')) order.push(operation);
      };
      harness.disk.inject({ operation: 'write', effect: 'delay', delayMicros: 5_000 });
      wal.onFatal(() => order.push('fatal'));
      wal.append([acceptRecord(1)], true, () => order.push('acknowledged'));
      expect(harness.close(wal)).toMatchObject({ code: 'WAL_ERR_IO' });
      expect(order).toEqual(['fatal', 'write', 'close']);
    });
  }

  it('SIM-09 a start that loses power while it cuts a torn tail keeps what was durable', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const harness = new WalHarness(`cut ${seed}`, { writeThrough: seed % 2 === 0 });
      const { wal } = harness.open();
      expect(harness.append(wal, [acceptRecord(1)])).toBe(true);
      wal.append([acceptRecord(2, 12_000)], true, () => {});
      harness.disk.kill(); // A part of the second group is in the file.
      harness.disk.onEffect = (_number, operation) => {
        if (operation === 'write') harness.disk.powerCut();
      };
      harness.tryOpen();
      harness.disk.onEffect = null;
      expect(indexes(harness.open())[0], `seed ${seed}`).toBe(1);
    }
  });

  it('SIM-11 nothing is acknowledged behind a failed sync of the next segment', () => {
    const harness = new WalHarness('made ready', { writeThrough: true });
    Object.assign(harness.disk.delays, { writeMicros: 50, syncMicros: 0 });
    let failed = false;
    harness.disk.onEffect = (_number, operation, path) => {
      if (operation === 'sync' && path.includes('segment-00002')) failed = true;
    };
    harness.disk.inject({ operation: 'sync', path: 'segment-00002', effect: 'error' });
    const { wal } = harness.open();
    const acknowledged: boolean[] = [];
    // The write ends after the sync has failed, and before the unfinished file is gone.
    harness.clock.schedule(instant(harness.clock.now() + 20), () => {
      wal.append([acceptRecord(1)], true, () => acknowledged.push(failed));
    });
    harness.settle();
    expect(failed).toBe(true);
    expect(acknowledged).not.toContain(true);
  });

  it('SIM-02 a process that ends as soon as it is told leaves its mark all the same', () => {
    const harness = new WalHarness('mark', { writeThrough: false });
    harness.disk.delays.readMicros = 200; // Creating the mark takes its time, too.
    const { wal } = harness.open();
    wal.onFatal(() => harness.disk.kill());
    harness.append(wal, [acceptRecord(1)]);
    harness.disk.inject({ operation: 'sync', path: 'segment-00001', effect: 'error' });
    harness.append(wal, [acceptRecord(2)]);
    expect(indexes(harness.open())).toEqual([1, 2]); // Told, and ended.
    harness.disk.powerCut();
    expect(indexes(harness.open())).toEqual([1, 2]);
  });

  it('a failed close and a full queue are told too', () => {
    const harness = new WalHarness('queue', { queuedBatchesMax: 3 });
    const { wal } = harness.open();
    const errors: WalError[] = [];
    wal.onFatal((error) => errors.push(error));
    for (let index = 1; index <= 5; index++) wal.append([acceptRecord(index)], true, () => {});
    harness.settle();
    expect(errors.map((error) => error.code)).toEqual(['WAL_ERR_QUEUE_FULL']);
    expect(harness.close(wal)).toMatchObject({ code: 'WAL_ERR_QUEUE_FULL' });
  });
});

describe('ST-07 a full disk', () => {
  it('is met ahead of the roll, told by hasSpace, and forgotten when space returns', () => {
    const harness = new WalHarness('st-07', { segmentBytes: 16 * 1024, spaceRetryMicros: 50_000 });
    harness.disk.capacityBytes = 20 * 1024;
    const { wal } = harness.open();
    expect(harness.append(wal, [acceptRecord(1, 1000)])).toBe(true);
    expect(wal.hasSpace).toBe(false);
    expect(harness.disk.names(HARNESS_DIRECTORY).length).toBe(1);
    harness.disk.capacityBytes = 200 * 1024;
    harness.settle();
    expect(wal.hasSpace).toBe(true);
    for (let index = 2; index <= 12; index++) {
      expect(harness.append(wal, [acceptRecord(index, 2000)])).toBe(true);
    }
    harness.close(wal);
    expect(indexes(harness.open()).at(-1)).toBe(12);
  });

  it('is fatal in a write all the same, and leaves no partial batch', () => {
    const harness = new WalHarness('full write', { segmentBytes: 16 * 1024 });
    harness.disk.capacityBytes = 17 * 1024;
    const { wal } = harness.open();
    const errors: WalError[] = [];
    wal.onFatal((error) => errors.push(error));
    expect(harness.append(wal, [acceptRecord(1, 3000)])).toBe(true);
    expect(harness.append(wal, [acceptRecord(2, 30_000)])).toBe(false);
    expect(errors).toMatchObject([{ code: 'WAL_ERR_IO', causeCode: 'ENOSPC' }]);
    harness.disk.capacityBytes = 200 * 1024;
    harness.disk.powerCut();
    expect(indexes(harness.open())).toEqual([1]);
  });
});

describe('ST-19 padding', () => {
  it('no group shares a block with another one', () => {
    const harness = new WalHarness('st-19');
    const written: { readonly offset: number; readonly bytes: number }[] = [];
    const disk = recording(harness.disk.mount(), (path, offset, parts) => {
      const bytes = parts.reduce((sum, part) => sum + part.length, 0);
      if (path.endsWith('segment-00001.log')) written.push({ offset, bytes });
    });
    const { wal } = harness.open({ disk });
    written.length = 0;
    for (let index = 1; index <= 9; index++) {
      wal.append([acceptRecord(index, index * 700)], true, () => {});
      if (index % 3 === 0) harness.settle();
    }
    expect(written.length).toBeGreaterThan(3);
    let next = BLOCK_BYTES;
    for (const { offset, bytes } of written) {
      expect(offset).toBe(next);
      expect(bytes % BLOCK_BYTES).toBe(0);
      next = offset + bytes;
    }
  });
});

/** A disk that tells of each write before it happens. */
function recording(
  disk: Disk,
  tell: (path: string, offset: number, parts: readonly Uint8Array[]) => void,
): Disk {
  const wrap = (path: string, file: DiskFile): DiskFile => ({
    size: (done) => file.size(done),
    read: (offset, length, done) => file.read(offset, length, done),
    write: (offset, parts, done) => {
      tell(path, offset, parts);
      file.write(offset, parts, done);
    },
    sync: (done) => file.sync(done),
    truncate: (length, done) => file.truncate(length, done),
    close: (done) => file.close(done),
  });
  return {
    open: (path, options, done) =>
      disk.open(path, options, (error, file) => done(error, error ? file : wrap(path, file))),
    list: (path, done) => disk.list(path, done),
    rename: (from, to, done) => disk.rename(from, to, done),
    remove: (path, done) => disk.remove(path, done),
    makeDirectory: (path, done) => disk.makeDirectory(path, done),
    syncDirectory: (path, done) => disk.syncDirectory(path, done),
  };
}

/** What any engine could fold from its records: promises, values by index, a snapshot. */
interface Facts {
  promise: number;
  snapshot: number;
  readonly values: Map<number, number>;
}

function fold(records: Iterable<WalRecord>): string {
  // Round 1 is where each engine here starts, so a checkpoint may say so.
  const facts: Facts = { promise: 1, snapshot: 0, values: new Map() };
  for (const record of records) {
    if (record.kind === RecordKind.promise) facts.promise = Math.max(facts.promise, record.round);
    if (record.kind === RecordKind.accept) facts.values.set(record.index, record.round);
    if (record.kind === RecordKind.snapshot) {
      facts.snapshot = Math.max(facts.snapshot, record.index);
    }
    if (record.kind === RecordKind.truncate) {
      for (const index of facts.values.keys()) {
        if (index >= record.index) facts.values.delete(index);
      }
    }
  }
  for (const index of facts.values.keys()) {
    if (index <= facts.snapshot) facts.values.delete(index);
  }
  return JSON.stringify([facts.promise, facts.snapshot, [...facts.values].sort()]);
}

/** A generic engine: makes random batches, restates its facts, takes snapshots. */
class GenericEngine {
  readonly batches: WalRecord[][] = [];
  private readonly random;
  private lastIndex = 0;
  private round = 1;
  private snapshot = 0;

  constructor(seed: string) {
    this.random = createRandom(seed);
  }

  nextBatch(): WalRecord[] {
    const batch: WalRecord[] = [];
    const turn = this.random.below(12);
    if (turn === 0 && this.lastIndex > this.snapshot + 1) {
      this.round++;
      this.lastIndex = this.random.between(this.snapshot + 1, this.lastIndex - 1);
      const round = this.round as Round;
      batch.push(walRecord({ kind: RecordKind.promise, round }));
      batch.push(
        walRecord({ kind: RecordKind.truncate, round, index: (this.lastIndex + 1) as LogIndex }),
      );
    } else if (turn === 1 && this.lastIndex > this.snapshot + 4) {
      this.snapshot = this.lastIndex - 3;
      batch.push(this.snapshotRecord());
    }
    for (let count = this.random.below(4); count >= 0; count--) {
      const index = ++this.lastIndex as LogIndex;
      const payload = new Uint8Array(this.random.below(900));
      const round = this.round as Round;
      batch.push(walRecord({ kind: RecordKind.accept, round, index, payload }));
    }
    this.batches.push(batch);
    return batch;
  }

  checkpoint(): WalRecord[] {
    const promise = walRecord({ kind: RecordKind.promise, round: this.round as Round });
    return this.snapshot === 0 ? [promise] : [promise, this.snapshotRecord()];
  }

  get snapshotIndex(): LogIndex {
    return this.snapshot as LogIndex;
  }

  private snapshotRecord(): WalRecord {
    return walRecord({ kind: RecordKind.snapshot, index: this.snapshot as LogIndex });
  }
}

interface Workload {
  readonly harness: WalHarness;
  readonly engine: GenericEngine;
  readonly durable: number;
  readonly effects: number;
  readonly wal: Wal;
}

const SMALL: Partial<WalOptions> = { segmentBytes: 16 * 1024 };

/** Runs `batches` random batches, one to three at once; calls `strike` at effect `cutAt`. */
function runWorkload(
  seed: string,
  batches: number,
  cutAt: number,
  strike: (harness: WalHarness) => void,
  options: Partial<WalOptions> = SMALL,
): Workload {
  const harness = new WalHarness(seed, options);
  const engine = new GenericEngine('the same workload each time');
  const random = createRandom('the same pace each time');
  const { wal } = harness.open();
  wal.setCheckpointSource(() => engine.checkpoint());
  const base = harness.disk.effectCount;
  let struck = false;
  harness.disk.onEffect = (number) => {
    if (number - base !== cutAt) return;
    struck = true;
    strike(harness);
  };
  let durable = 0;
  while (engine.batches.length < batches && !struck) {
    for (let count = random.below(3); count >= 0; count--) {
      const number = engine.batches.length + 1;
      wal.append(engine.nextBatch(), true, () => {
        durable = number;
        wal.release(engine.snapshotIndex);
      });
    }
    harness.clock.run(harness.clock.now() + 10);
  }
  if (!struck) harness.settle();
  harness.disk.onEffect = null;
  return { harness, engine, durable, effects: harness.disk.effectCount - base, wal };
}

/** S1: what survives is what a prefix of the batches folds to, with everything done in it. */
function expectPrefix(workload: Workload, label: string): OpenedWal {
  const { harness, engine, durable } = workload;
  const opened = harness.open({ create: false });
  const survivors = fold(opened.records);
  const prefixes: string[] = [];
  for (let count = durable; count <= engine.batches.length; count++) {
    prefixes.push(fold(engine.batches.slice(0, count).flat()));
  }
  expect(prefixes, label).toContain(survivors);
  return opened;
}

describe('compaction', () => {
  it('property: the fold of what remains is the fold of all', () => {
    for (let seed = 1; seed <= 6; seed++) {
      const harness = new WalHarness(seed, SMALL);
      const engine = new GenericEngine(`compaction ${seed}`);
      const { wal } = harness.open();
      wal.setCheckpointSource(() => engine.checkpoint());
      for (let count = 0; count < 120; count++) {
        expect(harness.append(wal, engine.nextBatch())).toBe(true);
        wal.release(engine.snapshotIndex);
        harness.settle();
      }
      expect(wal.stats().segmentsReleased).toBeGreaterThan(2);
      harness.close(wal);
      const opened = harness.open({ create: false });
      expect([...opened.records].length).toBeLessThan(engine.batches.flat().length);
      expect(fold(opened.records)).toBe(fold(engine.batches.flat()));
    }
  });

  it('RF-64 a checkpoint stands behind batches in flight, and none of them is lost', () => {
    const harness = new WalHarness('rf-64', SMALL);
    const engine = new GenericEngine('rf-64');
    const { wal } = harness.open();
    const taken: number[] = [];
    wal.setCheckpointSource(() => {
      taken.push(engine.batches.length);
      return engine.checkpoint();
    });
    harness.disk.delays.writeMicros = 100_000; // Everything below is queued behind one write.
    for (let count = 1; count <= 20; count++) {
      wal.append(engine.nextBatch(), true, () => {});
    }
    harness.disk.powerCut();
    harness.disk.delays.writeMicros = 0;
    expectPrefix({ harness, engine, durable: 0, effects: 0, wal }, 'in flight');
    const later = runWorkload('rf-64 later', 60, 0, () => {});
    expect(later.wal.stats().rolls).toBeGreaterThan(1);
    later.harness.disk.powerCut();
    expectPrefix(later, 'later');
  });
});

describe('crash points, each of them', () => {
  const BATCHES = 60;
  const { effects, wal: dry } = runWorkload('dry', BATCHES, 0, () => {});

  it('the workload rolls, releases and reuses segments', () => {
    const { rolls, segmentsReleased, segmentsRecycled } = dry.stats();
    expect(rolls).toBeGreaterThan(2);
    expect(segmentsReleased).toBeGreaterThan(1);
    expect(segmentsRecycled).toBeGreaterThan(0);
  });

  it('ST-06 ST-08 power cut: all that was done survives, the rest is a prefix', () => {
    for (let cutAt = 1; cutAt <= effects; cutAt++) {
      const label = `power cut at effect ${cutAt}`;
      const workload = runWorkload(label, BATCHES, cutAt, ({ disk }) => disk.powerCut());
      const opened = expectPrefix(workload, label);
      // The log goes on, and a second cut right after opening takes nothing back.
      const before = fold(opened.records);
      workload.harness.disk.powerCut();
      expect(fold(workload.harness.open({ create: false }).records), label).toBe(before);
    }
  });

  it('kill: all that was done survives, and stays over a later power cut', () => {
    for (let cutAt = 1; cutAt <= effects; cutAt += 3) {
      const label = `kill at effect ${cutAt}`;
      const workload = runWorkload(label, BATCHES, cutAt, ({ disk }) => disk.kill());
      const before = fold(expectPrefix(workload, label).records);
      workload.harness.disk.powerCut();
      expect(fold(workload.harness.open({ create: false }).records), label).toBe(before);
    }
  });

  it('write and fdatasync instead of write-through: the same', () => {
    const options = { ...SMALL, writeThrough: false };
    for (let cutAt = 1; cutAt <= effects; cutAt += 4) {
      const label = `fdatasync, power cut at effect ${cutAt}`;
      const strike = ({ disk }: WalHarness): void => disk.powerCut();
      expectPrefix(runWorkload(label, BATCHES, cutAt, strike, options), label);
    }
  });

  it('a second crash inside recovery: the same', () => {
    for (let cutAt = 5; cutAt <= effects; cutAt += 29) {
      for (let again = 1; again <= 8; again++) {
        const label = `cut at ${cutAt}, recovery cut at ${again}`;
        const workload = runWorkload(label, BATCHES, cutAt, ({ disk }) => disk.powerCut());
        const { disk } = workload.harness;
        const base = disk.effectCount;
        disk.onEffect = (number) => {
          if (number - base === again) disk.powerCut();
        };
        workload.harness.tryOpen({ create: false });
        disk.onEffect = null;
        expectPrefix(workload, label);
      }
    }
  });
});
