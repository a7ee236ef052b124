import type { Cancel, Instant } from '@quorate/consensus';
import { assert } from '@quorate/foundation';

interface ScheduledEvent {
  readonly at: number;
  readonly sequence: number;
  callback: (() => void) | null;
}

/**
 * Virtual time: callbacks ordered by time, then by the order in which they were scheduled. Idle
 * time is skipped, so an hour of timeouts costs nothing. One queue drives one whole simulation.
 */
export class EventQueue {
  private readonly heap: ScheduledEvent[] = [];
  private sequence = 0;
  private time = 0;

  /** The virtual time in microseconds. */
  now(): Instant {
    return this.time as Instant;
  }

  /** Calls back once at `at`, or now when that has passed, but never inside this call. */
  schedule(at: number, callback: () => void): Cancel {
    assert(Number.isFinite(at), 'an event has a time');
    const event: ScheduledEvent = {
      at: Math.max(at, this.time),
      sequence: this.sequence++,
      callback,
    };
    this.push(event);
    return () => {
      event.callback = null; // The slot stays in the heap until its time comes.
    };
  }

  /** Calls back `delayMicros` from now. */
  after(delayMicros: number, callback: () => void): Cancel {
    return this.schedule(this.time + delayMicros, callback);
  }

  /** Runs the next event that is due at or before `until`; false when there is none. */
  runNext(until: number): boolean {
    for (;;) {
      const next = this.heap[0];
      if (next === undefined || next.at > until) return false;
      this.pop();
      if (next.callback === null) continue;
      assert(next.at >= this.time, 'time does not go back');
      this.time = next.at;
      next.callback();
      return true;
    }
  }

  /** Moves the time forward to `until`; every event before it must have run. */
  advanceTo(until: number): void {
    const next = this.heap[0];
    assert(next === undefined || next.at >= until, 'no event is skipped');
    this.time = Math.max(this.time, until);
  }

  private push(event: ScheduledEvent): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as ScheduledEvent;
      if (!before(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop() as ScheduledEvent;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      let child = left;
      if (right < heap.length) {
        child = before(heap[right] as ScheduledEvent, heap[left] as ScheduledEvent) ? right : left;
      }
      const below = heap[child] as ScheduledEvent;
      if (!before(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}
