import type { Context } from './context.ts';

interface TakenReady {
  readonly number: number;
  readonly at: number;
  readonly chosenPrefix: number;
  readonly mustSync: boolean;
}

/** Follows which Readies are durable, and how long the oldest one that is not has waited. */
export class Durability {
  /** The chosen prefix stated by the newest durable Ready. */
  chosenPrefix: number;
  private readonly context: Context;
  private waiting: TakenReady[] = [];
  private head = 0;

  constructor(context: Context, chosenPrefix: number) {
    this.context = context;
    this.chosenPrefix = chosenPrefix;
  }

  /** Notes a Ready that the host took. One of hints alone, behind no other, waits for no disk. */
  taken(number: number, chosenPrefix: number, mustSync: boolean): void {
    if (!mustSync && this.head === this.waiting.length) {
      this.chosenPrefix = chosenPrefix;
      return;
    }
    this.waiting.push({ number, at: this.context.now, chosenPrefix, mustSync });
  }

  /** Every Ready up to `upTo` is durable. */
  persisted(upTo: number): void {
    let next = this.waiting[this.head];
    while (next !== undefined && next.number <= upTo) {
      this.chosenPrefix = next.chosenPrefix;
      this.head++;
      next = this.waiting[this.head];
    }
    if (this.head * 2 >= this.waiting.length) {
      this.waiting = this.waiting.slice(this.head);
      this.head = 0;
    }
  }

  /** True when a Ready with facts has waited for an election timeout: the disk is too slow. */
  get late(): boolean {
    const patience = this.context.config.electionTimeoutMaxMicros;
    for (let at = this.head; at < this.waiting.length; at++) {
      const ready = this.waiting[at];
      if (ready?.mustSync) return ready.at + patience <= this.context.now;
    }
    return false;
  }
}
