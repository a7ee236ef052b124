import { createRandom } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { EventQueue } from './event-queue.ts';

describe('EventQueue', () => {
  it('runs by time, then in the order of scheduling', () => {
    const queue = new EventQueue();
    const random = createRandom(1);
    const scheduled = Array.from({ length: 500 }, (_, i) => ({ at: random.below(50), i }));
    const ran: typeof scheduled = [];
    for (const event of scheduled) queue.schedule(event.at, () => ran.push(event));
    while (queue.runNext(100));
    expect(ran).toEqual([...scheduled].sort((a, b) => a.at - b.at || a.i - b.i));
  });

  it('skips idle time, keeps to the limit and forgets what was cancelled', () => {
    const queue = new EventQueue();
    const ran: string[] = [];
    queue.schedule(3_600_000_000, () => ran.push('late'));
    queue.schedule(5, () => ran.push('cancelled'))();
    queue.schedule(6, () => queue.schedule(0, () => ran.push(`now ${queue.now()}`)));
    while (queue.runNext(10));
    queue.advanceTo(10);
    expect([ran, queue.now()]).toEqual([['now 6'], 10]);
    while (queue.runNext(Number.MAX_SAFE_INTEGER));
    expect([ran.at(-1), queue.now()]).toEqual(['late', 3_600_000_000]);
  });
});
