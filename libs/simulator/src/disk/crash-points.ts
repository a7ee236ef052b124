import { assert, createRandom } from '@quorate/foundation';
import { DiskClock } from './disk-clock.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { type StorageReplica, startReplica } from './storage-replica.ts';

/** Which crash points of a workload are visited, and how. */
export interface CrashPointOptions {
  /** Operations of the workload. */
  readonly operations: number;
  /** False: write and fdatasync, two effects, instead of one write-through. */
  readonly writeThrough: boolean;
  /** 1 visits every effect; n every n-th one. */
  readonly every: number;
  /** Called before the workload: for faults of the disk. */
  readonly prepare?: (disk: SimulatedDisk) => void;
  /** Told now and then how many points were visited. */
  readonly progress?: (points: number) => void;
}

/** What an enumeration saw. */
export interface CrashPointResult {
  /** Effects of the whole workload on the disk. */
  readonly effects: number;
  /** Crashes visited: kills, power cuts by chance, and one for each torn prefix. */
  readonly points: number;
  readonly tornPrefixes: number;
  /** The first crashes after which a start went wrong, in words; at most ten. */
  readonly failures: readonly string[];
}

const FAILURES_MAX = 10;
const PROGRESS_POINTS = 1000;
/** How often further operations are given, in microseconds; several may be under way at once. */
const PACE_MICROS = 3;
const SNAPSHOT_FILES_MAX = 2;

/**
 * Runs a workload on log and snapshot store once and, before each effect on the disk, crashes a
 * copy of the disk in every way: the process is killed; the power fails and each sector and name at
 * risk fares by chance; the power fails when the first 0, 1, 2, … of the parts at risk had arrived,
 * up to all of them. After each crash a process starts from what is left. It must find whole
 * batches, all that was acknowledged and nothing that was never given (S1, S4, S6), and what it
 * found must be there again after one more power cut.
 */
export function enumerateCrashPoints(options: CrashPointOptions): CrashPointResult {
  const clock = new DiskClock();
  const disk = new SimulatedDisk({ clock, random: createRandom('crash points') });
  const replica = startReplica(disk.mount(), clock, { writeThrough: options.writeThrough });
  assert(replica !== null, 'a new disk answers');
  const visit = new CrashVisits(disk, replica, options);
  options.prepare?.(disk);
  const base = disk.effectCount;
  disk.onEffect = (number, operation, path) => {
    if ((number - base) % options.every === 0) visit.all(`${number - base}: ${operation} ${path}`);
  };
  while (replica.appended < options.operations) {
    replica.append();
    clock.run(clock.now() + PACE_MICROS);
  }
  clock.run(clock.now() + 1_000_000);
  assert(replica.durable === options.operations, 'the workload ends');
  disk.onEffect = null;
  const { points, tornPrefixes, failures } = visit;
  return { effects: disk.effectCount - base, points, tornPrefixes, failures };
}

class CrashVisits {
  points = 0;
  tornPrefixes = 0;
  readonly failures: string[] = [];
  private readonly disk: SimulatedDisk;
  private readonly replica: StorageReplica;
  private readonly options: CrashPointOptions;

  constructor(disk: SimulatedDisk, replica: StorageReplica, options: CrashPointOptions) {
    this.disk = disk;
    this.replica = replica;
    this.options = options;
  }

  all(effect: string): void {
    this.crash(`kill before effect ${effect}`, (disk) => disk.kill());
    this.crash(`power cut before effect ${effect}`, (disk) => disk.powerCut());
    const { openParts } = this.disk;
    for (let count = 0; count <= openParts; count++) {
      this.tornPrefixes++;
      const label = `power cut before effect ${effect}, ${count} of ${openParts} parts arrived`;
      this.crash(label, (disk) => disk.powerCutAfter(count));
    }
  }

  private crash(label: string, strike: (disk: SimulatedDisk) => void): void {
    this.points++;
    if (this.points % PROGRESS_POINTS === 0) this.options.progress?.(this.points);
    try {
      this.startAfter(label, strike);
    } catch (error) {
      if (this.failures.length >= FAILURES_MAX) return;
      this.failures.push(`${label}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private startAfter(label: string, strike: (disk: SimulatedDisk) => void): void {
    const { durable, appended } = this.replica;
    const clock = new DiskClock();
    const disk = this.disk.fork(clock, createRandom(label));
    strike(disk);
    const found = this.started(disk, clock);
    assert(found >= durable, `${durable} operations were acknowledged, ${found} are left`);
    assert(found <= appended, `${appended} operations were given, ${found} are found`);
    const files = disk.names('data/snapshots').length;
    assert(files <= SNAPSHOT_FILES_MAX, `${files} snapshot files are kept`);
    disk.powerCutAfter(0);
    const again = this.started(disk, clock);
    assert(again === found, `${found} operations were found, ${again} after one more power cut`);
  }

  private started(disk: SimulatedDisk, clock: DiskClock): number {
    const { writeThrough } = this.options;
    const replica = startReplica(disk.mount(), clock, { writeThrough });
    assert(replica !== null, 'the disk answers');
    return replica.appended;
  }
}
