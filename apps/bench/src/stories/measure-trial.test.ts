import { describe, expect, it } from 'vitest';
import { measureTrial } from './measure-trial.ts';
import type { Observation, ObservedWrite, Told } from './observation.ts';

const MS = 1000;

/** A write asked and acknowledged at these milliseconds; null: never. */
function write(node: number, askedMs: number, ackedMs: number | null = askedMs): ObservedWrite {
  return {
    ...{ value: `v${node}/${askedMs}`, node, askedAt: askedMs * MS },
    ackedAt: ackedMs === null ? null : ackedMs * MS,
    ...{ askedInMinority: false, ackedInMinority: false, tookEffect: ackedMs !== null },
  };
}

const serving = (node: number, atMs: number, round: number): Told => {
  return { at: atMs * MS, node, kind: 'serving', round };
};

/** A leader since the start, and a write each 100 ms until 10 s, unless `over` says otherwise. */
function seen(over: Partial<Observation> = {}): Observation {
  return {
    ...{ nodes: 3, startMicros: 0, endMicros: 10_000 * MS, electionTimeoutMaxMicros: 300 * MS },
    ...{ killedAt: null, judgedByServing: false, equal: true, linearizable: true, ackedLost: 0 },
    told: [serving(1, -100, 1)],
    writes: Array.from({ length: 101 }, (_, i) => write(1, i * 100)),
    ...{ lastLeader: 1, lastRound: 1 },
    ...over,
  };
}

describe('measureTrial', () => {
  it('calls a trial recovered that has one leader and no long gap once it has settled', () => {
    expect(measureTrial(seen())).toMatchObject({ outcome: 'recovers', leaderChanges: 0 });
    const early = [serving(1, -100, 1), serving(2, 2_000, 2)];
    expect(measureTrial(seen({ told: early }))).toMatchObject({
      ...{ outcome: 'recovers', leaderChanges: 1, rounds: 1 },
    });
  });

  it('calls it degraded with a late change of leaders or a late gap', () => {
    const late = [serving(1, -100, 1), serving(2, 6_000, 2)];
    expect(measureTrial(seen({ told: late })).outcome).toBe('degraded');
    const same = [serving(1, -100, 1), serving(1, 6_000, 2)];
    expect(measureTrial(seen({ told: same }))).toMatchObject({
      ...{ outcome: 'recovers', leaderChanges: 0, leaderships: 1 },
    });
    const { writes } = seen();
    const gap = writes.filter(({ askedAt }) => askedAt < 7_000 * MS || askedAt > 8_000 * MS);
    expect(measureTrial(seen({ writes: gap }))).toMatchObject({
      ...{ outcome: 'degraded', downtimeMs: 1_200 },
    });
    expect(measureTrial(seen({ writes: gap, electionTimeoutMaxMicros: 400 * MS })).outcome).toBe(
      'recovers',
    );
  });

  it('calls it stuck when nothing is acknowledged any more, whatever is asked', () => {
    const writes = seen().writes.map((one) => {
      return one.askedAt < 4_000 * MS ? one : { ...one, ackedAt: null };
    });
    expect(measureTrial(seen({ writes }))).toMatchObject({
      ...{ outcome: 'stuck', unacked: 61, unackedSurvived: 61, downtimeMs: 6_100 },
      recoveryMs: Number.POSITIVE_INFINITY,
    });
  });

  it('measures an election from the kill, and goes by it where there is no load', () => {
    const told = [serving(1, -100, 1), serving(3, 400, 2)];
    const kill = { killedAt: 150 * MS, judgedByServing: true, writes: [], told };
    expect(measureTrial(seen(kill))).toMatchObject({ electionMs: 250, outcome: 'recovers' });
    const nobody = { ...kill, told: told.slice(0, 1) };
    expect(measureTrial(seen(nobody))).toMatchObject({
      ...{ electionMs: Number.POSITIVE_INFINITY, outcome: 'stuck' },
    });
  });

  it('counts what a minority took on, acknowledged and brought through', () => {
    const asked = { askedInMinority: true };
    const writes = [
      { ...write(1, 100), ...asked, ackedInMinority: true },
      { ...write(1, 200), ...asked },
      { ...write(1, 300, null), ...asked, tookEffect: true },
      { ...write(1, 400, null), ...asked },
    ];
    expect(measureTrial(seen({ writes }))).toMatchObject({
      ...{ minorityWrites: 4, minorityAcked: 1, minoritySurvived: 1, unacked: 2 },
    });
  });

  it('finds two leaders that commit side by side, and two that serve in one round', () => {
    const told = [serving(1, -100, 1), serving(2, 1_000, 2)];
    const writes = [write(1, 900, 1_200), write(2, 1_100), write(1, 1_150, 1_300)];
    // Node 1 was asked at 900, before node 2 had acknowledged anything; at 1150 it was too late.
    expect(measureTrial(seen({ told, writes })).ackedByDeposed).toBe(1);
    const back = [...told, serving(1, 1_120, 3)];
    expect(measureTrial(seen({ told: back, writes })).ackedByDeposed).toBe(0);
    expect(measureTrial(seen({ told })).leadersPerRoundMax).toBe(1);
    const twins = [serving(1, -100, 1), serving(2, 1_000, 1)];
    expect(measureTrial(seen({ told: twins })).leadersPerRoundMax).toBe(2);
  });
});
