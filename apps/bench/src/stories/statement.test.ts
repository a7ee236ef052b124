import { describe, expect, it } from 'vitest';
import type { TrialFigures } from './measure-trial.ts';
import { judgeStatement, parseStatement, speaksOf } from './statement.ts';

const TRIAL: TrialFigures = {
  outcome: 'recovers',
  ...{ leaderChanges: 1, leaderships: 1, candidacies: 2, failedCandidacies: 1, stepDowns: 0 },
  ...{ rounds: 2, acked: 100, downtimeMs: 300, electionMs: 250, recoveryMs: 10 },
  ...{ unacked: 3, unackedSurvived: 1, minorityWrites: 0, minorityAcked: 0, minoritySurvived: 0 },
  ...{ ackedByDeposed: 0, leadersPerRoundMax: 1, ackedLost: 0, linearizable: true, equal: true },
  ...{ lastLeader: 2, lastRound: 3 },
};

function judged(expression: string, trials: readonly Partial<TrialFigures>[] = [{}]) {
  const all = trials.map((trial) => ({ ...TRIAL, ...trial }));
  return judgeStatement(parseStatement(expression), all);
}

describe('statements', () => {
  it('take a spread over the trials, a share of them, or all of them together', () => {
    const three = [{ leaderChanges: 0 }, { leaderChanges: 4 }, { leaderChanges: 2 }];
    expect(judged('leader_changes.max <= 3', three)).toMatchObject({ holds: false, value: 4 });
    expect(judged('leader_changes.median == 2', three)).toMatchObject({ holds: true });
    const half = [{ outcome: 'stuck' as const }, {}];
    expect(judged('stuck == 50%', half)).toMatchObject({ holds: true, measured: '50 %' });
    expect(judged('recovers == 100%', half)).toMatchObject({ holds: false, measured: '50 %' });
    expect(judged('minority_acked == 0', [{}, { minorityAcked: 2 }])).toMatchObject({ value: 2 });
    expect(judged('leaders_per_round_max <= 1', [{}, { leadersPerRoundMax: 2 }]).holds).toBe(false);
  });

  it('know "never" and "not decided"', () => {
    const never = [{ electionMs: Number.POSITIVE_INFINITY }];
    expect(judged('election.max < 1s', never)).toMatchObject({ holds: false, measured: 'never' });
    expect(judged('election.min >= 9s', never)).toMatchObject({ holds: true, measured: 'never' });
    expect(judged('linearizable == true', [{}, { linearizable: null }]).holds).toBeNull();
    expect(judged('linearizable == true', [{ linearizable: false }, {}]).holds).toBe(false);
    expect(judged('election.max < 300ms')).toMatchObject({ holds: true, measured: '250 ms' });
  });

  it('speak of one set, of a protocol, of a timing, or of all', () => {
    const set = { name: 'raft plain short', protocol: 'raft', timing: 'short' };
    const speaks = (selector: string): boolean =>
      speaksOf(parseStatement(`stuck${selector} == 0%`), set);
    expect(['', '{protocol="raft"}', '{timing="short"}'].map(speaks)).toEqual([true, true, true]);
    expect(speaks('{set="raft plain short",protocol="raft"}')).toBe(true);
    expect(['{set="raft"}', '{protocol="zab"}', '{timing="long"}'].map(speaks)).toEqual(
      Array(3).fill(false),
    );
  });

  it.each([
    ['leader_chnges.max <= 3', /there is no metric "leader_chnges.max"; allowed: recovers, /],
    ['leader_changes <= 3', /"leader_changes" needs one of .p50/],
    ['recovers.max == 100%', /"recovers" is one figure, without .max/],
    [
      'recovers{fault="kill"} == 1',
      /selector .*; allowed: set="..." and protocol="..." and timing/,
    ],
    ['equal > true', /"equal" is true or false; allowed: == and !=/],
    ['election.max < 3', /"3"; allowed: a number with us, ms, s, m/],
  ])('refuse %s', (expression, message) => {
    expect(() => parseStatement(expression)).toThrow(message);
  });
});
