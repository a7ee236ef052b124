import { describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import type { RunFlags } from '../run/flags.ts';
import { readScenario } from '../scenario/load-scenario.ts';
import { planStory } from './story-plan.ts';
import { everyVariant } from './variant-sets.ts';

const GOOD = `name: tiny
description: a test
faults:
  - { at: 1s, kill: leader, restartAfter: 1s }
story:
  trials: 3
  writes: [{ at: 1s, to: leader, times: 2 }]
  statements:
    - { expect: stuck == 0%, because: somebody must lead }
`;

function plan(text: string, flags: Partial<RunFlags> = {}) {
  return planStory(readScenario(text, 'tiny.yaml'), flags);
}

describe('planStory', () => {
  it('compares the protocols with their own variants unless told otherwise', () => {
    const { sets, story, writes } = plan(GOOD);
    expect(sets.map(({ name }) => name)).toEqual(['raft', 'multi-paxos', 'zab']);
    expect(sets[0]).toMatchObject({ electionTimeoutMs: [150, 300], heartbeatMs: 50, variants: {} });
    expect(story.trials).toBe(3);
    expect(writes).toEqual([{ at: 1000, role: { kind: 'leader' }, times: 2 }]);
    expect(plan(GOOD, { protocol: 'zab', trials: '7', seed: '9' })).toMatchObject({
      ...{ sets: [{ name: 'zab' }], story: { trials: 7 }, scenario: { seed: 9 } },
    });
  });

  it('crosses sets with timings', () => {
    const timings = `  timings:
    - { name: short, electionTimeout: [30ms, 60ms], heartbeat: 10ms }
    - { name: long, electionTimeout: [1s, 2s], linkDelay: [1ms, 2ms] }
`;
    const { sets } = plan(GOOD.replace('  statements:', `${timings}  statements:`), {
      protocol: 'raft',
    });
    expect(sets).toMatchObject([
      { name: 'raft short', timing: 'short', electionTimeoutMs: [30, 60], heartbeatMs: 10 },
      { name: 'raft long', timing: 'long', linkDelayMs: [1, 2], heartbeatMs: 50 },
    ]);
  });

  it('knows every variant that bears on elections by name', () => {
    expect(everyVariant('raft').map(({ name }) => name)).toEqual([
      'raft plain',
      'raft preVote',
      'raft checkQuorum',
      'raft preVote+checkQuorum',
    ]);
    const paxos = everyVariant('multi-paxos');
    expect(paxos).toHaveLength(8);
    expect(paxos.at(-1)).toEqual({
      name: 'multi-paxos ranked+leaderStickiness+checkQuorum',
      protocol: 'multi-paxos',
      variants: { electionRule: 'ranked', leaderStickiness: true, checkQuorum: true },
    });
    expect(everyVariant('zab').map(({ variants }) => variants.finalizeWaitMicros)).toEqual([
      20_000, 200_000,
    ]);
  });

  const swap = (from: string, to: string): string => GOOD.replace(from, to);
  it.each<[title: string, text: string, flags: Partial<RunFlags>, message: RegExp]>([
    [
      'an unknown metric',
      swap('stuck == 0%', 'stock == 0%'),
      {},
      /^tiny\.yaml:9: story\.statements\.0\.expect: "stock == 0%": there is no metric "stock"/,
    ],
    [
      'a statement on nobody',
      swap('stuck ==', `'stuck{set="raft plain"}' ==`).replace(`'stuck{set="raft plain"}'`, 'x'),
      {},
      /^tiny\.yaml:9: .*there is no metric "x"/,
    ],
    [
      'a set that is not there',
      swap('expect: stuck == 0%', `expect: 'stuck{set="raft plain"} == 0%'`),
      {},
      /^tiny\.yaml:9: .*speaks of no set; there are: raft, multi-paxos, zab/,
    ],
    [
      'a role that is none',
      swap('to: leader', 'to: liar'),
      {},
      /^tiny\.yaml:7: story\.writes\.0\.to: "liar" is no role; allowed: leader, /,
    ],
    [
      'a node that is not there',
      swap('kill: leader', 'kill: node 4'),
      {},
      /^tiny\.yaml:4: faults\.0\.kill: there is no node 4/,
    ],
    ['a misspelt key', swap('trials', 'trails'), {}, /^tiny\.yaml:6: story: unknown key "trails"/],
    [
      'no statement',
      GOOD.slice(0, GOOD.indexOf('  statements')),
      {},
      /^tiny\.yaml:6: story\.statements/,
    ],
    [
      'a timeout below the heartbeat',
      `${GOOD}heartbeat: 200ms\n`,
      {},
      /^tiny\.yaml:6: raft: the least timeout is above the heartbeat \(200ms\)/,
    ],
    [
      'a flag for processes',
      GOOD,
      { transport: 'grpc' },
      /^--transport: a story runs in the simul/,
    ],
    ['another runtime', GOOD, { runtime: 'worker' }, /^--runtime worker: .*allowed: sim/],
    ['too many trials', GOOD, { trials: '99999' }, /^--trials 99999: a whole number from 1 to/],
    ['a baseline', GOOD, { protocol: 'none' }, /^--protocol none: no set of tiny is of it/],
  ])('refuses %s', (_title, text, flags, message) => {
    expect(() => plan(text, flags)).toThrow(UsageError);
    expect(() => plan(text, flags)).toThrow(message);
  });
});
