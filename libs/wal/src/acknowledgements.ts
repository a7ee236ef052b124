import type { Clock } from '@quorate/consensus';
import { BoundedQueue } from '@quorate/foundation';

interface Acknowledgement {
  /** The batch that must be through first. */
  readonly needs: number;
  readonly done: () => void;
}

/** The completions that a log owes, in the order of the appends. */
export class Acknowledgements {
  private readonly queue: BoundedQueue<Acknowledgement>;
  private readonly clock: Clock;
  private through: number;
  private deferred = false;

  /** `through` is the last batch that counts as done already. */
  constructor(itemsMax: number, clock: Clock, through: number) {
    this.queue = new BoundedQueue(itemsMax);
    this.clock = clock;
    this.through = through;
  }

  get length(): number {
    return this.queue.length;
  }

  /** Owes `done` until batch `needs` is through; false when too many are owed. */
  add(needs: number, done: () => void): boolean {
    if (!this.queue.push({ needs, done })) return false;
    // Hints and empty batches behind finished ones wait only for the end of this turn.
    if (needs <= this.through && !this.deferred) {
      this.deferred = true;
      this.clock.defer(() => {
        this.deferred = false;
        this.complete(this.through);
      });
    }
    return true;
  }

  /** All batches up to `through` are done: completes what waits for nothing later. */
  complete(through: number): void {
    this.through = through;
    for (;;) {
      const next = this.queue.peek();
      if (next === undefined || next.needs > this.through) return;
      this.queue.shift();
      next.done();
    }
  }

  /** Nothing is completed any more. */
  clear(): void {
    this.queue.drain();
  }
}
