import type { Operation } from './operation.ts';

const COMPACTED_MIN = 1024;

/**
 * Operations that wait to be sent, oldest first. An operation that ended while it waited stays as a
 * shell until it comes to the front; `trim` drops the shells there. The client's limit of pending
 * operations and its deadlines bound the length.
 */
export class OperationQueue {
  private items: (Operation | null)[] = [];
  private head = 0;

  /** The oldest operation that still waits, or null. */
  peek(): Operation | null {
    this.trim();
    return this.items[this.head] ?? null;
  }

  push(operation: Operation): void {
    this.items.push(operation);
  }

  /** Removes what `peek` returned. */
  shift(): void {
    this.items[this.head] = null;
    this.head++;
    if (this.head < COMPACTED_MIN || this.head * 2 < this.items.length) return;
    this.items = this.items.slice(this.head);
    this.head = 0;
  }

  /** Forgets ended operations at the front. */
  trim(): void {
    for (;;) {
      const front = this.items[this.head];
      if (front === undefined || front === null || front.state === 'waiting') return;
      this.shift();
    }
  }

  /** Removes everything and returns what still waits, oldest first. */
  drain(): Operation[] {
    const waiting: Operation[] = [];
    for (let i = this.head; i < this.items.length; i++) {
      const operation = this.items[i];
      if (operation !== null && operation?.state === 'waiting') waiting.push(operation);
    }
    this.items = [];
    this.head = 0;
    return waiting;
  }
}
