import type { Cancel, Clock, Instant, NodeId } from '@quorate/consensus';
import type { Random } from '@quorate/foundation';
import type { EventQueue } from '../event-queue.ts';

/** Callbacks that may wait for a paused process; more is a defect of the simulation. */
const WAITING_MAX = 1_000_000;

/**
 * A process of the simulation: what calls into it goes through `enter`, so that a paused process
 * gets everything late and in order, and a killed one gets nothing any more. A restarted node is a
 * new process.
 */
export class SimulatedProcess {
  readonly node: NodeId;
  private state: 'running' | 'paused' | 'dead' = 'running';
  private waiting: (() => void)[] = [];
  private readonly onKill: ((silently: boolean) => void)[] = [];

  constructor(node: NodeId) {
    this.node = node;
  }

  get alive(): boolean {
    return this.state !== 'dead';
  }

  /** Calls into the process: now, after its pause, or never. */
  enter(callback: () => void): void {
    if (this.state === 'running') callback();
    else if (this.state === 'paused' && this.waiting.length < WAITING_MAX) {
      this.waiting.push(callback);
    }
  }

  /** Stops it as SIGSTOP does. */
  pause(): void {
    if (this.state === 'running') this.state = 'paused';
  }

  /** Lets it go on; what waited comes first, in order. */
  resume(): void {
    if (this.state !== 'paused') return;
    this.state = 'running';
    const waiting = this.waiting;
    this.waiting = [];
    for (const callback of waiting) this.enter(callback);
  }

  /**
   * Ends it: nothing is called any more. As after SIGKILL the system closes its connections; when
   * its machine loses power (`silently`) nobody does, and the other ends do not know.
   */
  kill(silently = false): void {
    this.state = 'dead';
    this.waiting = [];
    for (const callback of this.onKill.splice(0)) callback(silently);
  }

  /** Calls back when the process is killed. */
  whenKilled(callback: (silently: boolean) => void): void {
    this.onKill.push(callback);
  }
}

/**
 * A machine's own measure of time, which may run faster or slower than the virtual time; it never
 * goes back (only the wall clock may).
 */
export class LocalTime {
  /** How far the machine's wall clock is off. */
  wallOffsetMicros = 0;
  private rate = 1;
  private virtualBase = 0;
  private localBase = 0;

  /** The machine's monotonic time at a virtual one. */
  at(virtual: number): Instant {
    if (this.localBase === this.virtualBase && this.rate === 1) return virtual as Instant;
    return Math.floor(this.localBase + (virtual - this.virtualBase) * this.rate) as Instant;
  }

  /** The first virtual time at which the machine's clock shows `local`. */
  virtualAt(local: number): number {
    return Math.ceil(this.virtualBase + (local - this.localBase) / this.rate);
  }

  /** From now on it advances by `rate` microseconds in each virtual one. */
  setRate(rate: number, virtualNow: number): void {
    this.localBase = this.at(virtualNow);
    this.virtualBase = virtualNow;
    this.rate = rate;
  }
}

/** How far a process's clock is from the virtual time. */
export interface SimulatedClockOptions {
  /** Microseconds since the Unix epoch at virtual time 0. */
  readonly wallStartMicros: number;
  /** Timers fire up to so much late. */
  readonly lateMaxMicros: number;
  /** The clock of the machine; default the virtual time itself. */
  readonly time?: LocalTime;
}

/** The `Clock` port of one process on virtual time. Nothing fires after the process was killed. */
export class SimulatedClock implements Clock {
  private readonly queue: EventQueue;
  private readonly process: SimulatedProcess;
  private readonly random: Random;
  private readonly options: SimulatedClockOptions;

  constructor(
    queue: EventQueue,
    process: SimulatedProcess,
    random: Random,
    options: SimulatedClockOptions = { wallStartMicros: 0, lateMaxMicros: 0 },
  ) {
    this.queue = queue;
    this.process = process;
    this.random = random;
    this.options = options;
  }

  now(): Instant {
    const { time } = this.options;
    return time === undefined ? this.queue.now() : time.at(this.queue.now());
  }

  wallMicros(): number {
    const { wallStartMicros, time } = this.options;
    return wallStartMicros + this.now() + (time?.wallOffsetMicros ?? 0);
  }

  schedule(at: Instant, callback: () => void): Cancel {
    const { lateMaxMicros } = this.options;
    const late = lateMaxMicros === 0 ? 0 : this.random.below(lateMaxMicros + 1);
    const { time } = this.options;
    const due = time === undefined ? at : time.virtualAt(at);
    return this.enterAt(Math.max(due, this.queue.now()) + late, callback, at);
  }

  defer(callback: () => void): void {
    this.enterAt(this.queue.now(), callback);
  }

  private enterAt(at: number, callback: () => void, local = 0): Cancel {
    let cancelled = false;
    const { time } = this.options;
    const fire = (): void => {
      if (cancelled) return;
      if (time === undefined || time.at(this.queue.now()) >= local) callback();
      else cancel = this.queue.schedule(time.virtualAt(local), enter); // The clock became slower.
    };
    // A timer that waits behind a pause can still be cancelled by what runs before it.
    const enter = (): void => this.process.enter(fire);
    let cancel = this.queue.schedule(at, enter);
    return () => {
      cancelled = true;
      cancel();
    };
  }
}
