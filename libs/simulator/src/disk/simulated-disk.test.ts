import type { Disk, DiskError, DiskFile, Done } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { DiskClock } from './disk-clock.ts';
import { SimulatedDisk } from './simulated-disk.ts';

class Bench {
  readonly clock = new DiskClock();
  readonly disk: SimulatedDisk;
  readonly view: Disk;

  constructor(seed: string | number, capacityBytes = Number.MAX_SAFE_INTEGER) {
    this.disk = new SimulatedDisk({
      clock: this.clock,
      random: createRandom(seed),
      capacityBytes,
    });
    this.view = this.disk.mount();
  }

  /** Runs one operation to its end; the error's code, or null. */
  code<T>(start: (done: Done<T>) => void): string | null | undefined {
    let outcome: DiskError | null | undefined;
    start((error) => {
      outcome = error;
    });
    expect(outcome).toBeUndefined(); // Never inside the call.
    this.clock.run();
    return outcome === undefined ? undefined : (outcome?.code ?? null);
  }

  create(path: string, writeThrough = false): DiskFile {
    let opened: DiskFile | undefined;
    this.disk.mount().open(path, { mode: 'create', writeThrough }, (error, file) => {
      expect(error).toBeNull();
      opened = file;
    });
    this.clock.run();
    if (opened === undefined) throw new Error('the disk did not answer');
    return opened;
  }
}

const ones = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(1);
const twos = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(2);

describe('a fork', () => {
  it('is struck at each torn prefix of a write in flight, and leaves its origin alone', () => {
    const bench = new Bench('fork');
    const file = bench.create('f', true);
    bench.code((done) => file.write(0, [ones(2048)], done));
    bench.code((done) => bench.view.syncDirectory('', done));
    bench.create('g'); // A name that no sync of the directory covers.
    file.write(512, [twos(2048)], () => {});
    expect(bench.disk.openParts).toBe(4);
    for (let count = 0; count <= 4; count++) {
      const fork = bench.disk.fork(new DiskClock(), createRandom(count));
      fork.powerCutAfter(count);
      const bytes = fork.contents('f');
      expect(bytes.length).toBe(count === 4 ? 2560 : 2048);
      const arrived = 512 * (1 + count);
      expect(bytes.subarray(512, arrived)).toEqual(twos(512 * count));
      expect(bytes.subarray(arrived)).toEqual(ones(Math.max(0, 2048 - arrived)));
      expect(fork.has('g')).toBe(count > 0);
    }
    bench.clock.run();
    expect(bench.disk.contents('f').subarray(512)).toEqual(twos(2048));
  });
});

describe('a power cut', () => {
  it('keeps synced sectors, and makes each other one old, new or garbled', () => {
    const fates = new Set<string>();
    for (let seed = 0; seed < 20; seed++) {
      const bench = new Bench(seed);
      const file = bench.create('f');
      bench.code((done) => file.write(0, [ones(4096)], done));
      bench.code((done) => file.sync(done));
      bench.code((done) => bench.view.syncDirectory('', done));
      bench.code((done) => file.write(1024, [twos(2048)], done));
      bench.disk.powerCut();
      const bytes = bench.disk.contents('f');
      expect(bytes.length).toBe(4096);
      expect(bytes.subarray(0, 1024)).toEqual(ones(1024));
      expect(bytes.subarray(3072)).toEqual(ones(1024));
      for (let at = 1024; at < 3072; at += 512) {
        const sector = bytes.subarray(at, at + 512);
        const same = sector.every((byte) => byte === sector[0]);
        fates.add(same && sector[0] === 1 ? 'old' : same ? 'new' : 'garbled');
      }
    }
    expect([...fates].sort()).toEqual(['garbled', 'new', 'old']);
  });

  it('keeps names only after their directory was synced, each change on its own', () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 30; seed++) {
      const bench = new Bench(seed);
      for (const name of ['a', 'b']) {
        const file = bench.create(name);
        bench.code((done) => file.sync(done));
      }
      bench.code((done) => bench.view.syncDirectory('', done));
      bench.code((done) => bench.view.rename('a', 'c', done));
      bench.code((done) => bench.view.remove('b', done));
      bench.disk.powerCut();
      seen.add(bench.disk.names('').join(' '));
    }
    expect([...seen].sort()).toEqual(['a', 'a b', 'b c', 'c']);
  });

  it('keeps what was written through', () => {
    const bench = new Bench('through');
    const file = bench.create('f', true);
    bench.code((done) => bench.view.syncDirectory('', done));
    bench.code((done) => file.write(0, [ones(1000)], done));
    bench.disk.powerCut();
    expect(bench.disk.contents('f')).toEqual(ones(1000));
  });

  it('ends the old process: nothing it asked for ever ends', () => {
    const bench = new Bench('dead');
    const file = bench.create('f');
    let ended = false;
    file.write(0, [ones(10)], () => {
      ended = true;
    });
    bench.disk.kill();
    bench.clock.run();
    expect(ended).toBe(false);
    expect(bench.code((done) => file.read(0, 10, done))).toBeUndefined();
    expect(bench.code((done) => bench.view.list('', done))).toBeUndefined();
    expect(bench.code((done) => bench.disk.mount().list('', done))).toBeNull();
  });

  it('is the same for the same seed', () => {
    const outcome = (): string => {
      const bench = new Bench('same');
      const file = bench.create('f');
      bench.code((done) => bench.view.syncDirectory('', done));
      bench.code((done) => file.write(0, [ones(8192)], done));
      bench.disk.powerCut();
      return bench.disk.contents('f').join();
    };
    expect(outcome()).toBe(outcome());
  });
});

describe('faults', () => {
  it('a kill keeps what was written', () => {
    const bench = new Bench('kill');
    const file = bench.create('f');
    bench.code((done) => file.write(0, [ones(100)], done));
    bench.disk.kill();
    expect(bench.disk.contents('f')).toEqual(ones(100));
  });

  it('a failed sync leaves pages clean in name only: the next sync succeeds, the data goes', () => {
    const bench = new Bench('eio');
    const file = bench.create('f');
    bench.code((done) => file.write(0, [new Uint8Array(512)], done));
    bench.code((done) => file.sync(done));
    bench.code((done) => bench.view.syncDirectory('', done));
    bench.code((done) => file.write(0, [ones(512)], done));
    bench.disk.inject({ operation: 'sync', effect: 'error' });
    expect(bench.code((done) => file.sync(done))).toBe('EIO');
    expect(bench.code((done) => file.sync(done))).toBeNull();
    expect(bench.disk.contents('f')).toEqual(ones(512));
    bench.disk.powerCut();
    expect(bench.disk.contents('f')).toEqual(new Uint8Array(512));
  });

  it('a lying sync makes nothing durable', () => {
    const bench = new Bench('lie');
    const file = bench.create('f');
    bench.code((done) => file.write(0, [ones(512)], done));
    bench.disk.inject({ operation: 'sync', effect: 'lie' });
    expect(bench.code((done) => file.sync(done))).toBeNull();
    expect(bench.disk.durableContents('f').length).toBe(0);
    expect(bench.code((done) => file.sync(done))).toBeNull();
    expect(bench.disk.durableContents('f')).toEqual(ones(512));
  });

  it('a lying write-through write reaches the cache only', () => {
    const bench = new Bench('lie through');
    const file = bench.create('f', true);
    let strikes = 0;
    const forget = bench.disk.inject({
      ...{ operation: 'write', effect: 'lie', times: 9 },
      onStrike: () => strikes++,
    });
    expect(bench.code((done) => file.write(0, [ones(512)], done))).toBeNull();
    expect(bench.disk.contents('f')).toEqual(ones(512));
    expect(bench.disk.durableContents('f').length).toBe(0);
    forget();
    expect(bench.code((done) => file.write(512, [twos(512)], done))).toBeNull();
    expect([...bench.disk.durableContents('f').subarray(512)]).toEqual([...twos(512)]);
    expect(strikes).toBe(1);
  });

  it('bytes at rest can be overwritten, in the cache and on the medium', () => {
    const bench = new Bench('rot');
    const file = bench.create('f');
    bench.code((done) => file.write(0, [ones(512)], done));
    bench.code((done) => file.sync(done));
    bench.code((done) => file.write(512, [ones(2)], done));
    bench.disk.overwrite('f', 510, twos(4));
    expect([...bench.disk.contents('f').subarray(509)]).toEqual([1, 2, 2, 2, 2]);
    expect([...bench.disk.durableContents('f').subarray(509)]).toEqual([1, 2, 2]);
  });

  it('a sync does not cover a write that had not ended', () => {
    const bench = new Bench('overlap');
    const file = bench.create('f');
    bench.disk.delays.syncMicros = 10;
    bench.disk.delays.writeMicros = 5;
    file.sync(() => {});
    file.write(0, [ones(512)], () => {});
    bench.clock.run();
    expect(bench.disk.durableContents('f').length).toBeLessThanOrEqual(512);
    expect(bench.disk.durableContents('f').every((byte) => byte === 0)).toBe(true);
  });

  it('lost and misdirected writes are acknowledged', () => {
    const bench = new Bench('stray');
    const file = bench.create('f');
    bench.disk.inject({ operation: 'write', effect: 'lost' });
    expect(bench.code((done) => file.write(0, [ones(10)], done))).toBeNull();
    expect(bench.disk.contents('f').length).toBe(0);
    bench.disk.inject({ operation: 'write', effect: 'misdirected', shiftBytes: 5 });
    expect(bench.code((done) => file.write(0, [ones(5)], done))).toBeNull();
    expect([...bench.disk.contents('f')]).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    bench.disk.inject({ operation: 'write', effect: 'misdirected', shiftBytes: -8 });
    expect(bench.code((done) => file.write(2, [twos(2)], done))).toBeNull();
    expect([...bench.disk.contents('f')]).toEqual([2, 2, 0, 0, 0, 1, 1, 1, 1, 1]);
  });

  it('a quota answers ENOSPC to growth and not to overwriting', () => {
    const bench = new Bench('quota', 1000);
    const file = bench.create('f');
    expect(bench.code((done) => file.write(0, [ones(1000)], done))).toBeNull();
    expect(bench.code((done) => file.write(0, [twos(1000)], done))).toBeNull();
    expect(bench.code((done) => file.write(1000, [ones(1)], done))).toBe('ENOSPC');
    bench.disk.capacityBytes = 1001;
    expect(bench.code((done) => file.write(1000, [ones(1)], done))).toBeNull();
  });

  it('missing files and directories answer ENOENT; skips and repetitions count', () => {
    const bench = new Bench('enoent');
    const read = { mode: 'read', writeThrough: false } as const;
    expect(bench.code((done) => bench.view.open('x', read, done))).toBe('ENOENT');
    expect(bench.code((done) => bench.view.list('x', done))).toBe('ENOENT');
    bench.disk.inject({ operation: 'list', effect: 'error', code: 'EIO', skip: 1, times: 2 });
    const codes = [1, 2, 3, 4].map(() => bench.code((done) => bench.view.list('', done)));
    expect(codes).toEqual([null, 'EIO', 'EIO', null]);
  });
});
