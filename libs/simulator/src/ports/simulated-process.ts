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

/** How far a process's clock is from the virtual time. */
export interface SimulatedClockOptions {
  /** Microseconds since the Unix epoch at virtual time 0. */
  readonly wallStartMicros: number;
  /** Timers fire up to so much late. */
  readonly lateMaxMicros: number;
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
    return this.queue.now();
  }

  wallMicros(): number {
    return this.options.wallStartMicros + this.queue.now();
  }

  schedule(at: Instant, callback: () => void): Cancel {
    const { lateMaxMicros } = this.options;
    const late = lateMaxMicros === 0 ? 0 : this.random.below(lateMaxMicros + 1);
    return this.enterAt(Math.max(at, this.queue.now()) + late, callback);
  }

  defer(callback: () => void): void {
    this.enterAt(this.queue.now(), callback);
  }

  private enterAt(at: number, callback: () => void): Cancel {
    let cancelled = false;
    const cancel = this.queue.schedule(at, () => {
      // A timer that waits behind a pause can still be cancelled by what runs before it.
      this.process.enter(() => {
        if (!cancelled) callback();
      });
    });
    return () => {
      cancelled = true;
      cancel();
    };
  }
}
