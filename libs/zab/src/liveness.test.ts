import { SimulatedCluster } from '@quorate/simulator';
import { describe, expect, it } from 'vitest';
import { zab } from './index.ts';

const SECOND = 1_000_000;

function cluster(nodes: number, seed: string): SimulatedCluster<never> {
  return new SimulatedCluster({ protocol: zab, nodes, seed }) as unknown as SimulatedCluster<never>;
}

describe('liveness under partial partitions', () => {
  it('V1: a healthy majority gets a leader although it cannot reach the best voter', () => {
    for (let seed = 0; seed < 10; seed++) {
      const run = cluster(5, `hidden favourite ${seed}`);
      run.crash(4);
      run.cut(5, 1);
      run.cut(1, 5);
      run.cut(5, 2);
      run.cut(2, 5);
      run.expectWithin('a leader', 5 * SECOND, () => run.leader() !== null);
      expect(run.leader()).not.toBe(5);
    }
  });

  it('P3 chained: one cut link between leader and a follower flips no leader', () => {
    for (let seed = 0; seed < 10; seed++) {
      const run = cluster(3, `chained ${seed}`);
      run.expectWithin('a leader', SECOND, () => run.leader() !== null);
      const leader = run.leader() as number;
      const other = leader === 1 ? 2 : 1;
      run.cut(leader, other);
      run.cut(other, leader);
      const round = run.status(leader).round;
      run.run(5 * SECOND);
      expect(run.leader()).toBe(leader);
      expect(run.status(leader).round).toBe(round);
    }
  });

  it('V3: a replica that was cut off for long rejoins without a new epoch', () => {
    const run = cluster(3, 'rejoin');
    run.expectWithin('a leader', SECOND, () => run.leader() !== null);
    const leader = run.leader() as number;
    const other = leader === 1 ? 2 : 1;
    const round = run.status(leader).round;
    run.isolate(other);
    run.run(5 * SECOND);
    run.heal();
    run.expectWithin('joined', SECOND, () => run.status(other).phase === 'broadcast');
    expect(run.status(leader)).toMatchObject({ round, role: 'leader', phase: 'broadcast' });
  });
});
