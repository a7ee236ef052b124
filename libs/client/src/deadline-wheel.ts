import { type Cancel, type Clock, instant } from '@quorate/consensus';
import type { Operation } from './operation.ts';

/** The width of a slot: an operation ends at most this much after its deadline. */
export const DEADLINE_SLOT_MICROS = 5000;

interface Slot {
  first: Operation | null;
}

/**
 * The deadlines of all pending operations behind one timer: a hashed wheel of slots, each a list
 * through the operations themselves, so that adding and removing costs no object and no search
 * (Varghese and Lauck, SOSP 1987, scheme 5). Slots exist only while they are filled.
 */
export class DeadlineWheel {
  private readonly clock: Clock;
  private readonly expire: (operation: Operation) => void;
  private readonly slots = new Map<number, Slot>();
  private armedSlot = Number.POSITIVE_INFINITY;
  private cancel: Cancel | null = null;

  constructor(clock: Clock, expire: (operation: Operation) => void) {
    this.clock = clock;
    this.expire = expire;
  }

  add(operation: Operation): void {
    const number = Math.ceil(operation.deadline / DEADLINE_SLOT_MICROS);
    let slot = this.slots.get(number);
    if (slot === undefined) {
      slot = { first: null };
      this.slots.set(number, slot);
    }
    operation.slot = number;
    operation.next = slot.first;
    if (slot.first !== null) slot.first.previous = operation;
    slot.first = operation;
    if (number < this.armedSlot) this.arm(number);
  }

  /** Forgets an operation; does nothing when it is not on the wheel. */
  remove(operation: Operation): void {
    if (operation.slot < 0) return;
    const { previous, next } = operation;
    if (next !== null) next.previous = previous;
    if (previous !== null) {
      previous.next = next;
    } else {
      const slot = this.slots.get(operation.slot);
      if (slot !== undefined) slot.first = next;
    }
    operation.slot = -1;
    operation.previous = null;
    operation.next = null;
  }

  /** Stops the timer; nothing expires any more. */
  stop(): void {
    this.cancel?.();
    this.cancel = null;
    this.slots.clear();
  }

  private arm(slot: number): void {
    this.cancel?.();
    this.armedSlot = slot;
    this.cancel = this.clock.schedule(instant(slot * DEADLINE_SLOT_MICROS), () => this.fire());
  }

  private fire(): void {
    this.cancel = null;
    this.armedSlot = Number.POSITIVE_INFINITY;
    const present = Math.floor(this.clock.now() / DEADLINE_SLOT_MICROS);
    const due = [...this.slots.keys()].filter((slot) => slot <= present).sort((a, b) => a - b);
    for (const number of due) this.expireSlot(number);
    let nearest = Number.POSITIVE_INFINITY;
    for (const [number, slot] of this.slots) {
      // An emptied slot needs no timer, and is forgotten rather than kept.
      if (slot.first === null) this.slots.delete(number);
      else if (number < nearest) nearest = number;
    }
    if (nearest < this.armedSlot) this.arm(nearest);
  }

  private expireSlot(number: number): void {
    const slot = this.slots.get(number);
    for (;;) {
      const operation = slot?.first ?? null;
      if (operation === null) break;
      this.remove(operation);
      this.expire(operation);
    }
    this.slots.delete(number);
  }
}
