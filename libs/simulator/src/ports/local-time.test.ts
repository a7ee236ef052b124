import { type Instant, nodeId } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../event-queue.ts';
import { LocalTime, SimulatedClock, SimulatedProcess } from './simulated-process.ts';

describe('LocalTime', () => {
  it('runs at its rate, never backwards, and keeps what it gained', () => {
    const time = new LocalTime();
    expect(time.at(1_000)).toBe(1_000);
    time.setRate(2, 1_000);
    expect([time.at(1_000), time.at(1_500)]).toEqual([1_000, 2_000]);
    time.setRate(0.5, 2_000);
    expect([time.at(2_000), time.at(2_001), time.at(2_002)]).toEqual([3_000, 3_000, 3_001]);
    for (const local of [3_000, 3_001, 3_777]) {
      expect(time.at(time.virtualAt(local))).toBeGreaterThanOrEqual(local);
    }
  });

  it('a timer fires when the own clock shows its time, also when that became slower', () => {
    const queue = new EventQueue();
    const time = new LocalTime();
    const process = new SimulatedProcess(nodeId(1));
    const options = { wallStartMicros: 0, lateMaxMicros: 0, time };
    const clock = new SimulatedClock(queue, process, createRandom(1), options);
    const fired: number[][] = [];
    const note = (): void => void fired.push([queue.now(), clock.now()]);
    time.setRate(2, 0);
    clock.schedule(1_000 as Instant, note);
    clock.schedule(4_000 as Instant, note);
    const cancel = clock.schedule(4_100 as Instant, note);
    while (queue.runNext(1_000));
    queue.advanceTo(1_000);
    time.setRate(0.5, 1_000);
    while (queue.runNext(2_500));
    cancel();
    while (queue.runNext(10_000));
    expect(fired).toEqual([
      [500, 1_000],
      [5_000, 4_000],
    ]);
  });
});
