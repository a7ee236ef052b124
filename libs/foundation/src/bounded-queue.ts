import { assert } from './assert.ts';

/** A first-in, first-out queue with a limit; `push` refuses instead of growing without end. */
export class BoundedQueue<T> {
  readonly itemsMax: number;
  private items: (T | undefined)[] = [];
  private head = 0;

  constructor(itemsMax: number) {
    assert(Number.isInteger(itemsMax) && itemsMax > 0, 'a queue holds at least one item');
    this.itemsMax = itemsMax;
  }

  get length(): number {
    return this.items.length - this.head;
  }

  /** Adds `item` at the end; false when the queue is full and nothing was added. */
  push(item: T): boolean {
    if (this.length >= this.itemsMax) return false;
    this.items.push(item);
    return true;
  }

  /** The oldest item without removing it, or undefined when the queue is empty. */
  peek(): T | undefined {
    return this.items[this.head];
  }

  /** Removes and returns the oldest item, or undefined when the queue is empty. */
  shift(): T | undefined {
    if (this.head >= this.items.length) return undefined;
    const item = this.items[this.head];
    this.items[this.head] = undefined; // The queue keeps nothing alive that it gave away.
    this.head++;
    if (this.head >= 1024 && this.head * 2 >= this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return item;
  }

  /** Removes all items and returns them, oldest first. */
  drain(): T[] {
    const drained = this.items.slice(this.head) as T[];
    this.items = [];
    this.head = 0;
    return drained;
  }
}
