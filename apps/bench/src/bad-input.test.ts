import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { simulateCommand } from './commands/simulate-command.ts';
import type { SimulateFlags } from './commands/simulate-plan.ts';
import { UsageError } from './errors.ts';
import type { RunFlags } from './run/flags.ts';
import { makePlan } from './run/make-plan.ts';
import { findScenario } from './scenario/catalogue.ts';
import { loadScenario } from './scenario/load-scenario.ts';
import { temporaryFolder } from './trials/quorate-command.ts';

// What a person gets wrong: one line that says where, what, and what is allowed; nothing is made.
// `bad-input.e2e.ts` sees the same from outside for one of each kind.

const GOOD = `name: tiny
description: a test
load: { rates: [100], secondsEach: 1 }
`;

interface Bad {
  readonly title: string;
  /** The scenario's text; null for a run of `quick-comparison`. */
  readonly yaml: string | null;
  readonly flags?: Partial<RunFlags>;
  readonly message: RegExp;
}

const fault = (text: string): string => `${GOOD}faults:\n  - ${text}\n`;

const BAD: readonly Bad[] = [
  {
    title: 'a misspelt key',
    yaml: `${GOOD}nodez: 3\n`,
    message: /bad\.yaml:4: unknown key "nodez"; allowed: name, description, .*nodes/,
  },
  {
    title: 'a negative rate',
    yaml: 'name: tiny\ndescription: x\nload:\n  rates: [100, -5]\n',
    message: /bad\.yaml:4: load\.rates\.1: .*>0/,
  },
  {
    title: 'an unknown protocol',
    yaml: `${GOOD}protocols: [raft, viewstamped]\n`,
    message: /bad\.yaml:4: protocols\.1: .*"raft"\|"multi-paxos"\|"zab"\|"none"/,
  },
  {
    title: 'a disk fault on processes',
    yaml: fault('{ at: 1s, disk: { on: leader, stallFsync: 500ms }, for: 2s }'),
    message: /bad\.yaml:5: faults\.0\.disk: impossible with runtime process: .*allowed: kill/,
  },
  {
    title: 'a clock fault in the simulator',
    yaml: `${fault('{ at: 1s, clock: { on: leader, skew: 1s } }')}runtime: sim\n`,
    message: /bad\.yaml:5: faults\.0\.clock: impossible with runtime sim: .*allowed: .*link, disk$/,
  },
  {
    title: 'another transport in the simulator',
    yaml: null,
    flags: { runtime: 'sim', transport: 'grpc' },
    message: /--transport grpc: runtime sim joins .* by tcp frames .*; allowed: tcp/,
  },
  {
    title: 'an unknown variant',
    yaml: `${GOOD}variants:\n  raft: { preVoet: true }\n`,
    message: /bad\.yaml:5: variants\.raft: variant "preVoet" is not one of preVote \(boolean\), /,
  },
  {
    title: 'a clock fault on processes',
    yaml: fault('{ at: 1s, clock: { on: leader, skew: 1s } }'),
    message: /bad\.yaml:5: faults\.0\.clock: /,
  },
  {
    title: 'a follower that does not exist',
    yaml: fault('{ at: 1s, kill: "followers[2]" }'),
    message:
      /bad\.yaml:5: faults\.0\.kill: there is no followers\[2\]; allowed: up to followers\[1\]/,
  },
  {
    title: 'a message port between processes',
    yaml: `${GOOD}transport: message-port\n`,
    message: /bad\.yaml:4: message-port .* allowed with runtime process: grpc, tcp/,
  },
  {
    title: 'an election timeout below the heartbeat',
    yaml: `${GOOD}electionTimeout: [40ms, 90ms]\n`,
    message: /bad\.yaml:4: electionTimeout: the minimum is above the heartbeat \(50ms\)/,
  },
  {
    title: 'a bad objective',
    yaml: `${GOOD}slo:\n  - acked_lost == 0\n  - failover.p99 quickly\n`,
    message: /bad\.yaml:6: slo\.1: SLO "failover\.p99 quickly": /,
  },
  { title: 'broken YAML', yaml: 'name: [\n', message: /bad\.yaml:\d+: / },
  {
    title: 'a scenario of nothing',
    yaml: 'name: tiny\ndescription: x\n',
    message: /bad\.yaml: a scenario has load, faults or both; this one has neither/,
  },
  {
    title: 'a message port by flag',
    yaml: null,
    flags: { transport: 'message-port' },
    message: /--transport: message-port .* allowed with runtime process: grpc, tcp/,
  },
  {
    title: 'an unknown protocol by flag',
    yaml: null,
    flags: { protocol: 'raft,paxos' },
    message: /--protocol paxos: allowed are raft, multi-paxos, zab, none/,
  },
  {
    title: 'a bad objective by flag',
    yaml: null,
    flags: { slo: ['failover.p99 < 1 parsec'] },
    message: /--slo: SLO "failover\.p99 < 1 parsec": /,
  },
  {
    title: 'a negative rate by flag',
    yaml: null,
    flags: { rate: '-5' },
    message: /--rate -5: a whole number from 1 to/,
  },
  {
    title: 'an empty number',
    yaml: null,
    flags: { nodes: '' },
    message: /--nodes : a whole number from 1 to 9/,
  },
  {
    title: 'open and closed loop at once',
    yaml: null,
    flags: { rate: '100', closed: '4' },
    message: /--rate and --closed exclude each other/,
  },
  {
    title: 'trials without a repeating fault',
    yaml: GOOD,
    flags: { trials: '3' },
    message: /--trials 3: tiny has no fault that repeats/,
  },
  {
    title: 'a baseline with faults alone',
    yaml: fault('{ at: 1s, kill: leader }').replace(/load:.*\n/, ''),
    flags: { protocol: 'none' },
    message: /--protocol none: the baseline .* needs a scenario with load/,
  },
];

describe('wrong input', () => {
  const at = temporaryFolder();
  const out = join(at.path, 'out');
  afterAll(() => at.remove());

  it.each(BAD)('$title', ({ yaml, flags = {}, message }) => {
    const file = join(at.path, 'bad.yaml');
    if (yaml !== null) writeFileSync(file, yaml);
    const scenario = yaml === null ? findScenario('quick-comparison') : file;
    let said: unknown = null;
    try {
      makePlan(loadScenario(scenario), { out, ...flags }, []);
    } catch (error) {
      said = error;
    }
    expect(said).toBeInstanceOf(UsageError);
    expect(String((said as Error).message)).toMatch(message);
    expect(String((said as Error).message)).not.toContain('\n');
    expect(existsSync(out)).toBe(false);
  });

  it('names the scenarios when it knows none of that name', () => {
    expect(() => findScenario('quick-comparsion')).toThrow(
      /no such file or scenario; .*quick-comp/,
    );
  });
});

describe('an output folder that cannot be written', () => {
  const at = temporaryFolder();
  afterAll(() => at.remove());

  it('is refused with its reason', () => {
    const blocked = join(at.path, 'a-file');
    writeFileSync(blocked, '');
    const loaded = loadScenario(findScenario('quick-comparison'));
    for (const out of [blocked, join(blocked, 'below'), '/proc/quorate']) {
      const plan = () => makePlan(loaded, { out }, []);
      expect(plan).toThrow(/--out .*: cannot be written \([A-Z]+\); name another folder/);
    }
  });
});

describe('wrong flags of quorate simulate', () => {
  const one = { protocol: 'raft', seeds: '1' };
  const cases: readonly (readonly [flags: SimulateFlags, message: RegExp])[] = [
    [{ protocol: 'raft,paxos' }, /--protocol paxos: allowed are all, raft, multi-paxos, zab/],
    [{ protocol: 'none' }, /--protocol none: allowed are all/],
    [{ protocol: '' }, /--protocol : allowed are all/],
    [{ seeds: 'x' }, /--seeds x: a number or a range A\.\.B/],
    [{ seeds: '-1' }, /--seeds -1: a number or a range/],
    [{ seeds: '9..3' }, /--seeds 9\.\.3: the first seed is at most the last/],
    [{ seeds: '1..9000000' }, /--seeds 1\.\.9000000: at most 1000000 seeds/],
    [{ seeds: '99999999999999999999' }, /a seed is at most 9007199254740991/],
    [{ nodes: '1' }, /--nodes 1: a whole number from 2 to 9/],
    [{ nodes: '' }, /--nodes : a whole number/],
    [{ clients: '0' }, /--clients 0: a whole number from 1 to 16/],
    [{ until: '61' }, /--until 61: a whole number from 1 to 60/],
    [{ until: '1.5' }, /--until 1\.5: a whole number/],
    [{ faults: 'kill,earthquake' }, /--faults earthquake: allowed are none, kill, killLeader/],
    [{ drop: '1,b' }, /--drop b: numbers of faults or ranges, like 0\.\.6,9/],
    [{ drop: '5..2' }, /--drop 5\.\.2: numbers/],
    [{ jobs: '0' }, /--jobs 0: a whole number from 1 to 64/],
    [{ budget: '5' }, /--budget 5: like 30s, 10m or 2h/],
    [{ failures: '0' }, /--failures 0: a whole number from 1/],
    [{ budget: '0s' }, /--budget 0s: like 30s/],
    [{ shrink: true }, /--trace and --shrink take one protocol and one seed/],
    [{ ...one, shrink: true, trace: 'x' }, /--trace and --shrink exclude each other/],
    [
      { ...one, trace: '/proc/no' },
      /--trace \/proc\/no: cannot be written \(E[A-Z]+\); name another/,
    ],
    [{ resume: '/nowhere.ndjson' }, /--resume \/nowhere\.ndjson: ENOENT/],
    [{ resume: 'x', seeds: '1' }, /--seeds stands in the file of --resume/],
    [{ resume: 'x', twice: true }, /--twice stands in the file of --resume/],
  ];

  it.each(cases)('%o', async (flags, message) => {
    let said: unknown = null;
    try {
      await simulateCommand(flags);
    } catch (error) {
      said = error;
    }
    expect(said).toBeInstanceOf(UsageError);
    expect(String((said as Error).message)).toMatch(message);
    expect(String((said as Error).message)).not.toContain('\n');
    const begun = readdirSync('results').filter((name) => name.includes(`-${process.pid}.`));
    expect(begun).toEqual([]);
  });
});
