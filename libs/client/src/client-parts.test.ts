import { type Clock, instant } from '@quorate/consensus';
import { createRandom, NO_BYTES } from '@quorate/foundation';
import { NO_CONDITION } from '@quorate/kv';
import { describe, expect, test } from 'vitest';
import { ClientSession } from './client-session.ts';
import { DEADLINE_SLOT_MICROS, DeadlineWheel } from './deadline-wheel.ts';
import { LeaderFinder } from './leader-finder.ts';
import { Operation } from './operation.ts';
import { OperationQueue } from './operation-queue.ts';

/** A clock that is moved by hand and holds at most one timer, as the wheel needs no more. */
class HandClock implements Clock {
  private time = 0;
  private timer: { at: number; callback: () => void } | null = null;

  now = () => instant(this.time);
  wallMicros = () => this.time;
  defer = (callback: () => void) => callback();

  schedule = (at: number, callback: () => void) => {
    expect(this.timer).toBeNull();
    const timer = { at, callback };
    this.timer = timer;
    return () => {
      if (this.timer === timer) this.timer = null;
    };
  };

  get armed(): boolean {
    return this.timer !== null;
  }

  advance(micros: number): void {
    const end = this.time + micros;
    while (this.timer !== null && this.timer.at <= end) {
      const { at, callback } = this.timer;
      this.timer = null;
      this.time = Math.max(this.time, at);
      callback();
    }
    this.time = end;
  }
}

function operation(deadline: number): Operation {
  return new Operation('get', NO_BYTES, NO_BYTES, NO_CONDITION, 'stale', deadline, () => {});
}

describe('the deadline wheel', () => {
  test('expires what was not removed, once, in its slot, behind one timer', () => {
    const clock = new HandClock();
    const random = createRandom('wheel');
    const expired = new Map<Operation, number>();
    const wheel = new DeadlineWheel(clock, (ended) => {
      expect(expired.has(ended)).toBe(false);
      expired.set(ended, clock.now());
    });
    const kept: Operation[] = [];
    const removed: Operation[] = [];
    for (let i = 0; i < 3000; i++) {
      const added = operation(clock.now() + random.between(1, 20 * DEADLINE_SLOT_MICROS));
      wheel.add(added);
      (random.below(3) === 0 ? kept : removed).push(added);
      if (random.below(5) === 0) {
        // Removal from the front, the middle and the end of slots; expired ones are gone already.
        for (const gone of removed) wheel.remove(gone);
      }
      clock.advance(random.below(DEADLINE_SLOT_MICROS));
    }
    clock.advance(30 * DEADLINE_SLOT_MICROS);
    for (const { deadline } of kept.filter((ended) => !expired.has(ended))) {
      expect.unreachable(`the deadline ${deadline} passed unnoticed`);
    }
    for (const [{ deadline }, at] of expired) {
      expect(at).toBeGreaterThanOrEqual(deadline);
      expect(at - deadline).toBeLessThan(DEADLINE_SLOT_MICROS);
    }
    expect(clock.armed).toBe(false);
  });

  test('an earlier deadline moves the timer forward, and stop ends it', () => {
    const clock = new HandClock();
    const expired: Operation[] = [];
    const wheel = new DeadlineWheel(clock, (ended) => expired.push(ended));
    const late = operation(100 * DEADLINE_SLOT_MICROS);
    const early = operation(2 * DEADLINE_SLOT_MICROS);
    wheel.add(late);
    wheel.add(early);
    clock.advance(3 * DEADLINE_SLOT_MICROS);
    expect(expired).toEqual([early]);
    wheel.stop();
    expect(clock.armed).toBe(false);
  });
});

describe('the session', () => {
  test('counts up, bounds the window and tells the answered prefix, in whatever order', () => {
    const session = new ClientSession(createRandom('session'), 16);
    const random = createRandom('order');
    const open: number[] = [];
    const answered = new Set<number>();
    let last = 0;
    let through = 0;
    for (let i = 0; i < 2000; i++) {
      expect(session.isFull).toBe(last - through >= 16);
      if (!session.isFull && random.below(2) === 0) {
        const request = session.next();
        expect(request).toMatchObject({ sequence: ++last, answeredThrough: through });
        expect(request.clientId.length).toBe(16);
        open.push(last);
      } else if (open.length > 0) {
        const [sequence] = open.splice(random.below(open.length), 1);
        session.settle(sequence!);
        answered.add(sequence!);
        while (answered.has(through + 1)) through++;
      }
    }
    expect(last).toBeGreaterThan(500);
  });
});

describe('the leader finder', () => {
  const finder = (...addresses: string[]) =>
    new LeaderFinder(addresses, createRandom('finder'), { minMicros: 100, maxMicros: 1000 });

  test('goes round all addresses', () => {
    const round = finder('a', 'b', 'c');
    const seen = new Set<string>();
    for (let i = 0; i < 3; i++) {
      seen.add(round.target);
      round.moveOn();
    }
    expect([...seen].sort()).toEqual(['a', 'b', 'c']);
  });

  test('follows hints, also to unknown addresses, but not for ever without a success', () => {
    const hinted = finder('a', 'b');
    expect(hinted.follow('b')).toBe(true);
    expect(hinted.target).toBe('b');
    expect(hinted.follow('z')).toBe(true);
    expect(hinted.target).toBe('z');
    expect(hinted.follow('b')).toBe(false);
    hinted.succeeded();
    expect(hinted.follow('z')).toBe(true);
    hinted.moveOn();
    expect(hinted.target).not.toBe('z');
  });

  test('waits longer with each failure, within its bounds, until a success', () => {
    const waiting = finder('a');
    const waits = Array.from({ length: 10 }, () => waiting.nextWait());
    expect(waits[0]).toBeLessThanOrEqual(100);
    expect(Math.max(...waits)).toBeLessThanOrEqual(1000);
    expect(waits.at(-1)).toBeGreaterThanOrEqual(500);
    waiting.succeeded();
    expect(waiting.nextWait()).toBeLessThanOrEqual(100);
  });
});

test('the queue passes over operations that ended while they waited', () => {
  const queue = new OperationQueue();
  const operations = Array.from({ length: 5000 }, (_, i) => operation(i));
  for (const one of operations) queue.push(one);
  for (const one of operations) if (one.deadline % 3 !== 0) one.state = 'over';
  const seen: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const front = queue.peek()!;
    seen.push(front.deadline);
    queue.shift();
  }
  expect(seen).toEqual(Array.from({ length: 1000 }, (_, i) => 3 * i));
  expect(queue.drain().length).toBe(667);
  expect(queue.peek()).toBeNull();
});
