import { instant, logIndex, nodeId } from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { Progress } from './progress.ts';

const progress = (next: number): Progress =>
  new Progress({
    id: nodeId(2),
    next: logIndex(next),
    now: instant(0),
    inflightMessagesMax: 3,
    inflightBytesMax: 100,
  });
const commit = logIndex(0);

describe('Progress', () => {
  it('probes once, then waits; a repeated probe carries nothing', () => {
    const p = progress(5);
    expect([p.wantsAppend(logIndex(9)), p.mayCarryEntries]).toEqual([true, true]);
    p.sent(4, 10, commit);
    expect([p.wantsAppend(logIndex(9)), p.next]).toEqual([false, 5]);
    p.heartbeatAnswered();
    expect([p.wantsAppend(logIndex(9)), p.mayCarryEntries]).toEqual([true, false]);
  });

  it('RF-23: answers in any order; match only grows and next stays above it', () => {
    const p = progress(1);
    for (const index of [4, 2, 7, 1]) {
      p.acknowledged(logIndex(index));
      expect(p.match).toBeLessThan(p.next);
    }
    expect([p.match, p.next, p.state]).toEqual([7, 8, 'replicate']);
  });

  it('streams until its window is full, in messages or bytes', () => {
    const p = progress(1);
    p.acknowledged(logIndex(0));
    for (let i = 0; i < 3; i++) p.sent(1, 1, commit);
    expect([p.windowFull, p.wantsAppend(logIndex(99)), p.next]).toEqual([true, false, 4]);
    p.acknowledged(logIndex(2));
    expect(p.windowFull).toBe(false);
    p.sent(1, 100, commit);
    expect(p.windowFull).toBe(true);
    p.acknowledged(logIndex(4));
    expect(p.windowFull).toBe(false);
  });

  it('RF-21: takes a refusal only of what is being tried now', () => {
    const p = progress(6);
    expect([4, 5, 6].map((i) => p.isFreshRejection(logIndex(i)))).toEqual([false, true, false]);
    p.acknowledged(logIndex(5));
    expect([5, 6].map((i) => p.isFreshRejection(logIndex(i)))).toEqual([false, true]);
    p.becomeProbe(logIndex(2));
    expect(p.next).toBe(6);
  });

  it('asks whether a stream has arrived when a heartbeat interval brought nothing', () => {
    const p = progress(1);
    p.acknowledged(logIndex(0));
    p.sent(2, 2, commit);
    p.heartbeatAnswered();
    expect(p.wantsAppend(logIndex(2))).toBe(false);
    p.heartbeatAnswered();
    expect(p.wantsAppend(logIndex(2))).toBe(true);
    p.sent(0, 0, commit);
    expect(p.wantsAppend(logIndex(2))).toBe(false);
  });
});
