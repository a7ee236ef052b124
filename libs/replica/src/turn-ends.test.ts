import type { Clock } from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { TurnEnds } from './turn-ends.ts';

/** Collects what was deferred; nothing else of a clock is asked for. */
function deferring(): { clock: Pick<Clock, 'defer'>; deferred: (() => void)[] } {
  const deferred: (() => void)[] = [];
  return { clock: { defer: (callback) => void deferred.push(callback) }, deferred };
}

describe('TurnEnds', () => {
  it('calls whoever waits in a turn at the next call, and the rest when it ends', () => {
    const { clock, deferred } = deferring();
    const ends = new TurnEnds(clock);
    const log: string[] = [];
    ends.during(() => {
      ends.add(() => log.push('first'));
      log.push('answers');
      ends.call();
      log.push('flush');
      ends.add(() => log.push('second'));
    });
    expect(log).toEqual(['answers', 'first', 'flush', 'second']);
    expect(deferred).toHaveLength(0);
  });

  it('waits for the end of the event-loop turn outside of a turn', () => {
    const { clock, deferred } = deferring();
    const ends = new TurnEnds(clock);
    let called = 0;
    ends.add(() => called++);
    expect([called, deferred.length]).toEqual([0, 1]);
    deferred[0]?.();
    expect(called).toBe(1);
  });
});
