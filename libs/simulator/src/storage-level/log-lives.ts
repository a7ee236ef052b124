import {
  EntryType,
  logIndex,
  RecordKind,
  type Round,
  type WalRecord,
  walRecord,
} from '@quorate/consensus';
import { createRandom, type Random } from '@quorate/foundation';
import type { OpenedWal, Wal } from '@quorate/wal';
import { HARNESS_DIRECTORY, WalHarness } from '../disk/wal-harness.ts';
import { SimulationFailure } from '../failure.ts';
import { drawLogSwarm, type LogSwarm } from './log-swarm.ts';

const LIVES = 6;
/** A short life may end before it has written over what the one before it left. */
const BATCHES_A_LIFE = [2, 40, 40] as const;
/** Within so many effects of the disk a life ends. */
const EFFECTS_A_LIFE_MAX = 60;
/** Injected errors strike one of so many operations of their kind. */
const ERRORS_SKIP_MAX = 8;
const BIT_FLIP_ONE_IN = 6;
/** One life in so many ends in order. */
const CLOSE_ONE_IN = 4;
/** Operations that take much longer than others, in each life. */
const SLOW_OPERATIONS_MAX = 4;
const SLOW_OPERATION_MICROS_MAX = 5_000;

/**
 * One seed of the write-ahead log alone: several short lives on one simulated disk, each ended by a
 * power cut, a kill or a failed write, with bits that rot in between and, now and then, a disk that
 * lies. Each opening must bring back what was acknowledged (S1, S6), with its own bytes (S3), and
 * must refuse what is damaged rather than lose it (S2). Throws `SimulationFailure`.
 */
export function runLogLives(seed: number): void {
  new LogLives(seed).run();
}

class LogLives {
  private readonly seed: number;
  private readonly random: Random;
  private readonly swarm: LogSwarm;
  private readonly harness: WalHarness;
  private life = 0;
  /** Everything up to here was acknowledged and must come back. */
  private acked = 0;
  private appended = 0;
  private released = 0;
  /** As `acked`, but proven by a group behind it: damage of it must be noticed. */
  private provable = 0;
  /** The encoded bytes of what was appended last at each index. */
  private readonly written = new Map<number, Uint8Array>();
  /** The round promised last, and the highest whose promise was acknowledged. */
  private promised = 0;
  private promiseAcked = 0;
  private flipped = false;
  private lied = false;
  /** The life before ended in order. */
  private closed = false;

  constructor(seed: number) {
    this.seed = seed;
    this.random = createRandom(`storage ${seed}`);
    this.swarm = drawLogSwarm(this.random.split('swarm'));
    const { segmentBytes, writeThrough, sync, delays } = this.swarm;
    this.harness = new WalHarness(`storage ${seed}`, { segmentBytes, writeThrough, sync });
    Object.assign(this.harness.disk.delays, delays);
  }

  run(): void {
    for (; this.life < LIVES; this.life++) {
      const { error, opened } = this.harness.tryOpen({ create: this.life === 0 });
      // A refusal is right where the disk returned other bytes than it took.
      if (error !== null && (this.lied || (this.flipped && error.code === 'WAL_ERR_CORRUPT'))) {
        return;
      }
      if (opened === null) this.fail('S1', `life ${this.life}: ${error?.message}`);
      this.checkRecovered(opened);
      this.live(opened.wal);
      this.rot();
    }
  }

  private fail(invariant: string, message: string): never {
    throw new SimulationFailure({ invariant, seed: this.seed, message }, []);
  }

  private checkRecovered(opened: OpenedWal): void {
    const records = [...opened.records];
    const entries = records.filter(({ kind }) => kind === RecordKind.accept);
    const last = entries.at(-1)?.index ?? this.released;
    const kept = this.flipped || this.lied ? this.provable : this.acked;
    const { decision, summary } = opened.recovery;
    if (this.closed && !this.flipped && !this.lied && decision !== 'W6-clean') {
      this.fail('S1', `a log that was closed in order opens as ${decision}: ${summary}`);
    }
    if (last < kept) this.fail('S1', `${kept} entries were durable, ${last} came back`);
    if (last > this.appended) this.fail('S1', `entry ${last} came back and was never appended`);
    entries.forEach((record, i) => {
      const { index } = record;
      const before = entries[i - 1]?.index ?? Math.min(this.released, index - 1);
      if (index !== before + 1) this.fail('S6', `entry ${index} leaves a gap behind ${before}`);
      const wanted = this.written.get(index) ?? new Uint8Array(0);
      const same = Buffer.compare(this.harness.codec.encode(record), wanted) === 0;
      if (!same) this.fail('S3', `entry ${index} has other bytes than were written last`);
    });
    this.checkPromise(records);
    for (let index = last + 1; index <= this.appended; index++) this.written.delete(index);
    this.acked = last;
    this.appended = last;
    this.released = Math.min(this.released, last);
    this.provable = 0;
    this.flipped = false;
  }

  /** S6: what remains tells the state that segments told which are gone. */
  private checkPromise(records: readonly WalRecord[]): void {
    const rounds = records.filter(({ kind }) => kind === RecordKind.promise).map((r) => r.round);
    const promised = Math.max(0, ...rounds);
    if (!this.flipped && !this.lied && promised < this.promiseAcked) {
      this.fail('S6', `the promise of ${this.promiseAcked} is gone, ${promised} came back`);
    }
    this.promised = promised;
    this.promiseAcked = promised;
  }

  private live(wal: Wal): void {
    const { harness, random, swarm } = this;
    const { clock } = harness;
    wal.setCheckpointSource(() => (this.promised > 0 ? [promiseRecord(this.promised)] : []));
    const over = this.planEnd();
    const groups: { readonly at: number; through: number }[] = [];
    const batches = BATCHES_A_LIFE[random.below(BATCHES_A_LIFE.length)] ?? 1;
    for (let batch = 0; batch < batches && !over(); batch++) {
      const records = this.nextBatch();
      const through = this.appended;
      const { promised } = this;
      wal.append(records, true, () => {
        this.acked = Math.max(this.acked, through);
        this.promiseAcked = Math.max(this.promiseAcked, promised);
        const newest = groups.at(-1);
        if (newest?.at === clock.now()) newest.through = this.acked;
        else groups.push({ at: clock.now(), through: this.acked });
      });
      if (random.below(4) === 0 && this.acked > 0) {
        this.released = Math.max(this.released, this.acked - random.below(2) * random.below(6));
        wal.release(logIndex(this.released));
      }
      clock.run(clock.now() + random.below(swarm.pauseMaxMicros + 1), over);
    }
    this.end(wal, over());
    // A later group proves that this one was durable; what was told last may have no such proof.
    this.provable = groups.at(-2)?.through ?? 0;
  }

  private end(wal: Wal, struck: boolean): void {
    const { disk } = this.harness;
    disk.onEffect = null;
    disk.heal();
    this.closed = !struck && this.random.below(CLOSE_ONE_IN) === 0;
    if (!this.closed) {
      if (!struck) disk.powerCut();
      return;
    }
    this.closed = this.harness.close(wal) === null;
    // What the closed process left to the system is lost with the power, or found by the next one.
    if (this.random.below(2) === 0) disk.powerCut();
    else disk.kill();
  }

  /** Plans how this life ends; returns whether it has. */
  private planEnd(): () => boolean {
    const { disk } = this.harness;
    const { random, swarm } = this;
    let struck = false;
    const strikeAt = disk.effectCount + 1 + random.below(EFFECTS_A_LIFE_MAX);
    // A failed sync and a kill before its mark is on disk are two faults at once: the next process
    // cannot know that the cache lies, and what it writes behind it may be refused later.
    const fails = random.below(4) === 0;
    disk.onEffect = (number) => {
      if (number < strikeAt || struck) return;
      struck = true;
      if (!fails && random.below(3) === 0) disk.kill();
      else disk.powerCut();
    };
    if (fails) {
      const operation = random.below(2) === 0 ? 'sync' : 'write';
      disk.inject({ operation, effect: 'error', skip: random.below(ERRORS_SKIP_MAX) });
    }
    for (let slow = random.below(SLOW_OPERATIONS_MAX); slow > 0; slow--) {
      const operation = (['write', 'sync', 'rename', 'syncDirectory'] as const)[random.below(4)];
      const delayMicros = 1 + random.below(SLOW_OPERATION_MICROS_MAX);
      const skip = random.below(ERRORS_SKIP_MAX);
      disk.inject({ operation: operation ?? 'sync', effect: 'delay', delayMicros, skip });
    }
    if (swarm.lie !== null && !this.lied && random.below(LIVES) === 0) {
      this.lied = true;
      const operation = swarm.lie === 'lie' ? 'sync' : 'write';
      disk.inject({ operation, effect: swarm.lie, skip: random.below(ERRORS_SKIP_MAX) });
    }
    return () => struck;
  }

  private nextBatch(): WalRecord[] {
    const { random, swarm } = this;
    const records: WalRecord[] = [];
    if (random.below(8) === 0) records.push(promiseRecord(++this.promised));
    for (let count = random.below(swarm.recordsPerBatchMax); count >= 0; count--) {
      const record = this.entry(++this.appended);
      this.written.set(record.index, this.harness.codec.encode(record).slice());
      records.push(record);
    }
    return records;
  }

  private entry(index: number): WalRecord {
    const { recordBytes, freshContent } = this.swarm;
    const text = freshContent ? index + 100 * this.life : index;
    const sized = (bytes: number): WalRecord => {
      return walRecord({
        kind: RecordKind.accept,
        entryType: EntryType.command,
        round: 1 as Round,
        index: logIndex(index),
        payload: new Uint8Array(bytes).fill(text % 251),
      });
    };
    if (recordBytes === 0) return sized(10 + ((index * 7919) % 1800));
    // Half of the wanted size needs as many bytes for its length as the whole.
    const half = recordBytes / 2 + 32;
    return sized(half + recordBytes - this.harness.codec.encode(sized(half)).length);
  }

  /** Flips one bit in what is durable, now and then: refused, or it lies in the last group. */
  private rot(): void {
    const { disk } = this.harness;
    const { random } = this;
    if (random.below(BIT_FLIP_ONE_IN) !== 0) return;
    const segments = disk.names(HARNESS_DIRECTORY).filter((name) => name.startsWith('wal-segment'));
    const path = `${HARNESS_DIRECTORY}/${segments[random.below(segments.length)]}`;
    const bytes = disk.contents(path);
    // Most of a segment is zeros, in which no bit matters.
    const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
    if (end === 0) return;
    disk.flipBit(path, random.below(end), random.below(8));
    this.flipped = true;
  }
}

function promiseRecord(round: number): WalRecord {
  return walRecord({ kind: RecordKind.promise, round: round as Round });
}
