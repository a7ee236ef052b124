import type { Cancel } from '@quorate/consensus';
import type { Random } from '@quorate/foundation';
import type { EventQueue } from '../event-queue.ts';
import type { DiskOptions } from '../options.ts';
import type { EngineHost } from './engine-host.ts';

/** The most that a turn comes later than its cause: other work of the process. */
const TURN_DELAY_MAX_MICROS = 50;
/** The most that a timer fires late. */
const TIMER_LATE_MAX_MICROS = 1_000;

/** What the owner of a node hears of its turns. */
export interface TurnListener<M> {
  /** Runs the turn; anything it throws ends the simulation with a report. */
  guarded(host: EngineHost<M>, body: () => void): void;
  afterTurn(host: EngineHost<M>, ticked: boolean): void;
}

/**
 * Moves one host along virtual time: turns soon after their causes, timers a little late, syncs one
 * after another with all that queued meanwhile, `persisted` now and then late, merged or repeated.
 */
export class DrivenNode<M> {
  readonly host: EngineHost<M>;
  paused = false;
  /** While true no write ends: a disk that hangs. */
  diskStalled = false;
  private readonly queue: EventQueue;
  private readonly random: Random;
  private readonly disk: DiskOptions;
  private readonly listener: TurnListener<M>;
  private turnWaits = false;
  private syncing = false;
  private applying = false;
  private skipTick = false;
  private wake: Cancel = () => {};

  constructor(
    host: EngineHost<M>,
    world: { queue: EventQueue; random: Random; disk: DiskOptions },
    listener: TurnListener<M>,
  ) {
    this.host = host;
    this.queue = world.queue;
    this.random = world.random;
    this.disk = world.disk;
    this.listener = listener;
  }

  /** Opens the engine and lets it run. */
  start(): void {
    this.paused = false;
    this.host.open();
    this.poke();
  }

  /** A power cut at a batch boundary: of the pending batches the first `keepBatches` survive. */
  crash(keepBatches: number): void {
    this.host.crash(keepBatches);
    this.wake();
    this.turnWaits = false;
    this.syncing = false;
    this.applying = false;
  }

  /** Stops the process, not its disk: what arrives waits. */
  pause(): void {
    this.paused = true;
  }

  /** Lets it run on; sockets are drained one turn before timers fire. */
  resume(): void {
    this.paused = false;
    this.skipTick = true;
    this.poke();
  }

  /** Something happened: a turn follows soon. */
  poke(): void {
    if (this.turnWaits || this.paused || !this.host.running) return;
    this.turnWaits = true;
    this.later(this.random.below(TURN_DELAY_MAX_MICROS + 1), () => {
      this.turnWaits = false;
      if (!this.paused) this.turn();
    });
  }

  /** The disk hangs, or works again. */
  stallDisk(stalled: boolean): void {
    this.diskStalled = stalled;
    if (!stalled && this.host.running) this.startSync();
  }

  private turn(): void {
    const ticks = !this.skipTick;
    this.skipTick = false;
    this.host.turn(ticks);
    this.listener.afterTurn(this.host, ticks);
    this.startSync();
    this.startApply();
    if (this.host.hasWork || !ticks) this.poke();
    this.wake();
    const deadline = this.host.engine.nextDeadline();
    if (deadline === null) return;
    const late = this.random.below(TIMER_LATE_MAX_MICROS + 1);
    const at = Math.max(deadline, this.queue.now() + 1) + late;
    this.wake = this.later(at - this.queue.now(), () => this.poke());
  }

  private startSync(): void {
    if (this.syncing || this.diskStalled || !this.host.needsSync) return;
    this.syncing = true;
    const batches = this.host.log.pending.length;
    this.later(this.random.between(this.disk.syncMinMicros, this.disk.syncMaxMicros), () => {
      this.syncing = false;
      for (let i = 0; i < batches; i++) this.host.syncOne();
      this.startSync();
      this.sayPersisted();
    });
  }

  private sayPersisted(): void {
    if (this.random.fraction() < this.disk.persistedRepeated) {
      this.later(this.random.below(20_000), () => this.say());
    }
    if (this.random.fraction() < this.disk.persistedLate) {
      this.later(this.random.below(10_000), () => this.say());
      return;
    }
    this.say();
  }

  private say(): void {
    this.host.sayPersisted();
    this.poke();
  }

  private startApply(): void {
    if (this.applying || !this.host.hasEntriesToApply) return;
    this.applying = true;
    this.later(this.random.between(this.disk.applyMinMicros, this.disk.applyMaxMicros), () => {
      this.applying = false;
      this.host.applyAll();
      this.poke();
    });
  }

  /** Runs later, unless the node has crashed in the meantime. */
  private later(delayMicros: number, callback: () => void): Cancel {
    const { incarnation } = this.host;
    return this.queue.after(delayMicros, () => {
      if (!this.host.running || this.host.incarnation !== incarnation) return;
      this.listener.guarded(this.host, callback);
    });
  }
}
