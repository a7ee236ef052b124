import {
  type Clock,
  type Disk,
  DiskError,
  type DiskFile,
  type Done,
  type Instant,
  type OpenOptions,
} from '@quorate/consensus';
import { assert, byteCount, type Random } from '@quorate/foundation';
import { locate, locateDirectory, SimulatedDirectory, type TreeEntry } from './directory-tree.ts';
import { type DiskFault, type DiskOperation, FaultPlan } from './disk-faults.ts';
import { isZero, sharedZeros } from './page-bytes.ts';
import { SectorContent } from './sector-content.ts';
import { SECTOR_BYTES } from './sector-set.ts';
import { MountedDisk, SimulatedFile } from './simulated-file.ts';

/** How long operations take, in microseconds; may be changed while the disk runs. */
export interface DiskDelays {
  readMicros: number;
  writeMicros: number;
  syncMicros: number;
}

/** How a simulated disk is made. */
export interface SimulatedDiskOptions {
  /** The scheduler: every completion is one of its events. */
  readonly clock: Clock;
  /** The disk's own stream: fates of sectors and names at a power cut. */
  readonly random: Random;
  /** Default: all 0, each operation still ends in a later event. */
  readonly delays?: Partial<DiskDelays>;
  /** Bytes that all files may hold together; default no limit. */
  readonly capacityBytes?: number;
}

/** A write that was handed over and has not ended. */
interface WriteInFlight {
  readonly content: SectorContent;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * A disk on virtual time that can lose, tear and misplace what a real one can. It is the fake on
 * which the log and the snapshot store are tested, and the disk of simulated replicas.
 *
 * `kill` and `powerCut` end the process that used it: no operation of the old incarnation ends any
 * more, and its open files are dead. Give each process its own `mount()`.
 */
export class SimulatedDisk implements Disk {
  /** May be changed at any time. */
  readonly delays: DiskDelays;
  /** May be changed at any time: full disks and freed space. */
  capacityBytes: number;
  /** Told before an effect (a change of state) takes place, with its number from 1 on. */
  onEffect: ((number: number, operation: DiskOperation, path: string) => void) | null = null;

  private readonly clock: Clock;
  private readonly random: Random;
  private root = new SimulatedDirectory();
  private readonly faults = new FaultPlan();
  private readonly counts: Map<DiskOperation, number> = new Map();
  private readonly writes: Set<WriteInFlight> = new Set();
  private writesThrough = 0;
  private incarnation = 1;
  private effects = 0;

  constructor(options: SimulatedDiskOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.delays = { readMicros: 0, writeMicros: 0, syncMicros: 0, ...options.delays };
    this.capacityBytes = options.capacityBytes ?? Number.MAX_SAFE_INTEGER;
  }

  /** A view for one process: it dies with the next `kill` or `powerCut`. */
  mount(): Disk {
    return new MountedDisk(this, this.incarnation);
  }

  /** Plans a fault; returns how to forget it. */
  inject(fault: DiskFault): () => void {
    return this.faults.add(fault);
  }

  /** Forgets all planned faults. */
  heal(): void {
    this.faults.clear();
  }

  /** How often an operation was asked for since the disk was made. */
  count(operation: DiskOperation): number {
    return this.counts.get(operation) ?? 0;
  }

  /** Syncs asked for since the disk was made; a write-through write is one. */
  get syncCount(): number {
    return this.count('sync') + this.writesThrough;
  }

  /** The number of effects so far: the crash points of a run. */
  get effectCount(): number {
    return this.effects;
  }

  /** The process dies: written bytes survive; each write in flight is done in part. */
  kill(): void {
    this.incarnation++;
    for (const write of this.writes) this.applyPart(write);
    this.writes.clear();
  }

  /** The machine loses power: what was not synced is lost, torn or garbled by seed. */
  powerCut(): void {
    this.kill();
    this.root.powerCut(this.random.split(`cut ${this.incarnation}`));
  }

  /**
   * The machine loses power in the middle of the writing: of each file and each directory the
   * first `count` parts that were not durable arrived, sectors by position and names by age, and no
   * other.
   */
  powerCutAfter(count: number): void {
    this.incarnation++;
    this.landWrites();
    this.root.powerCutAfter(count);
  }

  /** The counts of {@link powerCutAfter} that make a difference now are 0 to this. */
  get openParts(): number {
    const fork = this.fork(this.clock, this.random);
    fork.landWrites();
    return fork.root.openParts;
  }

  /**
   * Another disk in the same state, writes in flight included, on a clock of its own. No operation
   * of a process on this one ever ends on that one: it is there to be struck and started from.
   */
  fork(clock: Clock, random: Random): SimulatedDisk {
    const { delays, capacityBytes } = this;
    const fork = new SimulatedDisk({ clock, random, delays, capacityBytes });
    const copies = new Map<TreeEntry, TreeEntry>();
    fork.root = this.root.copy(copies);
    for (const { content, offset, bytes } of this.writes) {
      const copy = copies.get(content) ?? content.copy();
      assert(copy instanceof SectorContent, 'what is written is a file');
      copies.set(content, copy);
      fork.writes.add({ content: copy, offset, bytes });
    }
    return fork;
  }

  private landWrites(): void {
    for (const { content, offset, bytes } of this.writes) content.write(offset, bytes);
    this.writes.clear();
  }

  /** The bytes that all files hold together. */
  usedBytes(): number {
    return this.root.usedBytes();
  }

  /** Flips one bit of a file at rest. */
  flipBit(path: string, byteOffset: number, bit = 0): void {
    this.content(path).flipBit(byteOffset, bit);
  }

  /** Overwrites a part of a file at rest, in the cache and on the medium. */
  overwrite(path: string, offset: number, bytes: Uint8Array): void {
    this.content(path).overwrite(offset, bytes);
  }

  /** What a program would read. */
  contents(path: string): Uint8Array {
    const content = this.content(path);
    return content.read(0, content.length);
  }

  /** What would come back after a power cut, bytes of the file only. */
  durableContents(path: string): Uint8Array {
    return this.content(path).readDurable();
  }

  /** Replaces a file at rest, durable at once: for tests that damage files. */
  replace(path: string, bytes: Uint8Array): void {
    const content = this.content(path);
    content.truncate(bytes.length);
    content.write(0, bytes.slice());
    content.endSync(content.beginSync());
  }

  /** True when there is such a file. */
  has(path: string): boolean {
    const found = locate(this.root, path);
    return found?.directory.get(found.name) instanceof SectorContent;
  }

  /** The names in a directory, sorted; empty when there is no such directory. */
  names(path: string): readonly string[] {
    return locateDirectory(this.root, path)?.names() ?? [];
  }

  open(path: string, options: OpenOptions, done: Done<DiskFile>): void {
    this.openIn(this.incarnation, path, options, done);
  }

  list(path: string, done: Done<readonly string[]>): void {
    this.run(this.incarnation, 'list', path, this.delays.readMicros, done, () => {
      const directory = locateDirectory(this.root, path);
      if (directory === null) throw new DiskError('ENOENT', `no directory ${path}`);
      return directory.names();
    });
  }

  rename(from: string, to: string, done: Done): void {
    this.run(this.incarnation, 'rename', from, this.delays.writeMicros, done, () => {
      const source = locate(this.root, from);
      const target = locate(this.root, to);
      const entry = source?.directory.get(source.name);
      if (source === null || target === null || entry === undefined) {
        throw new DiskError('ENOENT', `no file ${from}`);
      }
      assert(source.directory === target.directory, 'a rename stays in its directory');
      source.directory.rename(source.name, target.name, entry);
    });
  }

  remove(path: string, done: Done): void {
    this.run(this.incarnation, 'remove', path, this.delays.writeMicros, done, () => {
      const found = locate(this.root, path);
      if (found === null || !(found.directory.get(found.name) instanceof SectorContent)) {
        throw new DiskError('ENOENT', `no file ${path}`);
      }
      found.directory.remove(found.name);
    });
  }

  makeDirectory(path: string, done: Done): void {
    this.run(this.incarnation, 'makeDirectory', path, this.delays.writeMicros, done, () => {
      let directory = this.root;
      for (const step of path.split('/').filter((name) => name !== '' && name !== '.')) {
        let next = directory.get(step);
        if (next instanceof SectorContent) throw new DiskError('EEXIST', `${path} is a file`);
        if (next === undefined) {
          next = new SimulatedDirectory();
          directory.set(step, next);
        }
        directory = next;
      }
    });
  }

  syncDirectory(path: string, done: Done): void {
    const covered = locateDirectory(this.root, path)?.unsyncedChanges ?? 0;
    this.run(this.incarnation, 'syncDirectory', path, this.delays.syncMicros, done, (lies) => {
      const directory = locateDirectory(this.root, path);
      if (directory === null) throw new DiskError('ENOENT', `no directory ${path}`);
      if (!lies) directory.settle(covered);
    });
  }

  /** The incarnation of the process that may use the disk now. */
  get currentIncarnation(): number {
    return this.incarnation;
  }

  /** Opens for a process of the given incarnation; see {@link mount}. */
  openIn(incarnation: number, path: string, options: OpenOptions, done: Done<DiskFile>): void {
    this.run(incarnation, 'open', path, this.delays.readMicros, done, () => {
      const found = locate(this.root, path);
      if (found === null) throw new DiskError('ENOENT', `no directory for ${path}`);
      let entry = found.directory.get(found.name);
      if (entry === undefined && options.mode === 'create') {
        entry = new SectorContent();
        found.directory.set(found.name, entry);
      }
      if (!(entry instanceof SectorContent)) throw new DiskError('ENOENT', `no file ${path}`);
      return new SimulatedFile(this, incarnation, path, entry, options);
    });
  }

  /**
   * Runs one operation: it ends after its delay, in an event of its own, unless its process died
   * meanwhile. `effect` throws a DiskError to fail it; its argument says that a sync must lie.
   */
  run<T>(
    incarnation: number,
    operation: DiskOperation,
    path: string,
    delayMicros: number,
    done: Done<T>,
    effect: (lies: boolean, fault: DiskFault | null) => T,
  ): void {
    if (incarnation !== this.incarnation) return;
    this.counts.set(operation, this.count(operation) + 1);
    const fault = this.faults.strike(operation, path);
    const slower = fault?.effect === 'delay' ? (fault.delayMicros ?? 0) : 0;
    this.clock.schedule((this.clock.now() + delayMicros + slower) as Instant, () => {
      if (incarnation !== this.incarnation) return;
      if (operation !== 'read' && operation !== 'size' && operation !== 'list') {
        this.effects++;
        this.onEffect?.(this.effects, operation, path);
        if (incarnation !== this.incarnation) return;
      }
      let result: T;
      try {
        if (fault?.effect === 'error' && operation !== 'write' && operation !== 'sync') {
          throw new DiskError(fault.code ?? 'EIO', `${operation} ${path}: injected`);
        }
        result = effect(fault?.effect === 'lie', fault);
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        done(error, undefined as T);
        return;
      }
      done(null, result);
    });
  }

  /** Starts a write: it counts as in flight until it ends. */
  writeIn(
    incarnation: number,
    path: string,
    target: { readonly content: SectorContent; readonly offset: number },
    parts: readonly Uint8Array[],
    writeThrough: boolean,
    done: Done,
  ): void {
    if (incarnation !== this.incarnation) return;
    const { content, offset } = target;
    const bytes = ownCopy(parts);
    const write: WriteInFlight = { content, offset, bytes };
    this.writes.add(write);
    if (writeThrough) this.writesThrough++;
    const delay = this.delays.writeMicros + (writeThrough ? this.delays.syncMicros : 0);
    this.run(incarnation, 'write', path, delay, done, (lies, fault) => {
      this.writes.delete(write);
      if (fault?.effect === 'error') {
        this.applyPart(write);
        throw new DiskError(fault.code ?? 'EIO', `write ${path}: injected`);
      }
      if (fault?.effect === 'lost') return;
      const asked = fault?.effect === 'misdirected' ? (fault.shiftBytes ?? 4096) : 0;
      const shift = Math.max(-offset, asked);
      this.requireSpace(content, offset + shift + bytes.length, path);
      content.write(offset + shift, bytes);
      if (writeThrough && !lies) content.settleRange(offset + shift, bytes.length);
    });
  }

  /** Fails with ENOSPC when `content` may not grow to `length`. */
  requireSpace(content: SectorContent, length: number, path: string): void {
    const growth = length - content.length;
    if (growth > 0 && this.root.usedBytes() + growth > this.capacityBytes) {
      throw new DiskError('ENOSPC', `no space left for ${path}`);
    }
  }

  /** A write that was interrupted: each of its sectors arrived or not, by seed. */
  private applyPart(write: WriteInFlight): void {
    const end = write.offset + write.bytes.length;
    let at = write.offset;
    while (at < end) {
      const next = Math.min(end, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES);
      const arrived = this.random.below(2) === 0;
      if (arrived && next <= write.content.length) {
        write.content.write(at, write.bytes.subarray(at - write.offset, next - write.offset));
      }
      at = next;
    }
  }

  private content(path: string): SectorContent {
    const found = locate(this.root, path);
    const entry = found?.directory.get(found.name);
    assert(entry instanceof SectorContent, `there is no simulated file ${path}`);
    return entry;
  }
}

/** The parts as one array of our own: the caller may reuse its buffers later. */
function ownCopy(parts: readonly Uint8Array[]): Uint8Array {
  const length = byteCount(parts);
  if (parts.every(isZero)) return sharedZeros(length);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
