import type { Cancel, Clock, Instant } from '@quorate/consensus';
import { EventQueue } from '../event-queue.ts';

/** A clock on virtual time of its own, for tests of one disk without a cluster around it. */
export class DiskClock implements Clock {
  private readonly queue = new EventQueue();

  now(): Instant {
    return this.queue.now();
  }

  wallMicros(): number {
    return this.queue.now();
  }

  schedule(at: Instant, callback: () => void): Cancel {
    return this.queue.schedule(at, callback);
  }

  defer(callback: () => void): void {
    this.queue.schedule(this.queue.now(), callback);
  }

  /**
   * Runs events until none is due at or before `until` (default: until none is left) or `stop`
   * says so; returns how many ran.
   */
  run(until = Number.MAX_SAFE_INTEGER, stop: () => boolean = () => false): number {
    let count = 0;
    while (count < EVENTS_MAX && !stop() && this.queue.runNext(until)) count++;
    return count;
  }
}

/** A run of more events than this is a test that feeds itself. */
const EVENTS_MAX = 10_000_000;
