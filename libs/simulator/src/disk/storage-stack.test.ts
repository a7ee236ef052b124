import { assert, createRandom } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { enumerateCrashPoints } from './crash-points.ts';
import { DiskClock } from './disk-clock.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { startReplica } from './storage-replica.ts';

function run(cutAt: number, strike: 'kill' | 'powerCut') {
  const clock = new DiskClock();
  const disk = new SimulatedDisk({ clock, random: createRandom(`stack ${cutAt} ${strike}`) });
  const replica = startReplica(disk.mount(), clock);
  assert(replica !== null, 'the first start');
  const base = disk.effectCount;
  let struck = false;
  disk.onEffect = (number) => {
    if (number - base !== cutAt) return;
    struck = true;
    disk[strike]();
  };
  while (replica.appended < 30 && !struck) {
    replica.append();
    clock.run(clock.now() + 3, () => struck);
  }
  if (!struck) clock.run(clock.now() + 1000);
  disk.onEffect = null;
  const { durable, appended } = replica;
  return { clock, disk, durable, appended, effects: disk.effectCount - base };
}

describe('log and snapshots together', () => {
  for (const strike of ['powerCut', 'kill'] as const) {
    it(`S6 RF-35 KV-02 ${strike} at each effect: a whole chain of snapshot and log`, () => {
      const { effects } = run(0, strike);
      expect(effects).toBeGreaterThan(100);
      for (let cutAt = 1; cutAt <= effects; cutAt += strike === 'kill' ? 3 : 1) {
        const { clock, disk, durable, appended } = run(cutAt, strike);
        const again = startReplica(disk.mount(), clock);
        assert(again !== null, 'the second start');
        expect(again.appended, `effect ${cutAt}`).toBeGreaterThanOrEqual(durable);
        expect(again.appended, `effect ${cutAt}`).toBeLessThanOrEqual(appended);
        expect(disk.names('data/snapshots').length).toBeLessThanOrEqual(2);
      }
    });
  }
});

// A slice of what `npx nx run simulator:crash-points` visits in whole.
describe('crash points of a workload of 200 operations', () => {
  const SLICE = { operations: 200, every: 100 };

  it.each([true, false])('S1 S4 S6: kills, cuts and torn prefixes, write-through %s', (way) => {
    const result = enumerateCrashPoints({ ...SLICE, writeThrough: way });
    expect(result.failures).toEqual([]);
    expect(result.effects).toBeGreaterThan(1_000);
    expect(result.tornPrefixes).toBeGreaterThan(result.effects / SLICE.every);
  });

  it('are noticed where a disk lies about what it synced', () => {
    const lie = { operation: 'sync', path: 'segment', effect: 'lie', times: 1e6 } as const;
    const prepare = (disk: SimulatedDisk): void => {
      disk.inject(lie);
    };
    const { failures } = enumerateCrashPoints({ ...SLICE, writeThrough: false, prepare });
    expect(failures.length).toBeGreaterThan(0);
  });
});
