import { createRandom } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { FaultScheduleError } from './errors.ts';
import { FaultTrace } from './evidence.ts';
import { type PlannedFault, planFaults, resolveFault } from './plan.ts';
import { leaderOf, parseRole, resolveRole, type StatusPicture, showRole } from './role.ts';
import { checkSchedule, FAULT_RUNTIMES, FAULTS_BY_RUNTIME } from './runtime.ts';
import { FAULT_KINDS, parseFaultSchedule } from './schedule.ts';

const EXAMPLE = [
  { at: '5s', jitter: '150ms', kill: 'leader' },
  { at: '9s', restart: 'killed' },
  { at: '14s', pause: 'leader', for: '3s' },
  { at: '20s', cut: { from: 'leader', to: 'followers[0]', direction: 'both' }, for: '5s' },
  { at: '30s', partition: [['leader', 'followers[0]'], ['rest']], for: '5s' },
  { at: '40s', link: { between: 'all', delay: '20ms', jitter: '5ms', loss: '1%' }, for: '5s' },
];

const picture = (leader: number | null, dead: readonly number[] = []): StatusPicture => ({
  nodes: [5, 1, 2, 3, 4].map((node) => ({
    node,
    alive: !dead.includes(node),
    leads: node === leader,
    round: 7,
  })),
});

describe('parseFaultSchedule', () => {
  it('reads each kind of the documented example', () => {
    const entries = parseFaultSchedule(EXAMPLE);
    expect(entries.map(({ action }) => action.kind)).toEqual([
      'kill',
      'restart',
      'pause',
      'cut',
      'partition',
      'link',
    ]);
    expect(entries[0]).toMatchObject({ atMs: 5_000, jitterMs: 150, everyMs: null, times: 1 });
    expect(entries[5]?.action).toMatchObject({ delayMs: 20, jitterMs: 5, lossShare: 0.01 });
    expect(() => checkSchedule(entries, { runtime: 'process', nodes: 3 })).not.toThrow();
  });

  const refused: readonly (readonly [string, unknown, string])[] = [
    ['no list', {}, 'faults: allowed: a list of faults'],
    ['no kind', [{ at: '1s' }], 'faults[0]: names no kind of fault; allowed: one of kill, restart'],
    ['two kinds', [{ at: '1s', kill: 'any', restart: 'any' }], 'faults[0]: names kill and restart'],
    ['a misspelt field', [{ at: '1s', kil: 'leader' }], 'faults[0].kil: unknown; allowed: at, ji'],
    ['no time', [{ kill: 'leader' }], 'faults[0].at: missing; allowed: a duration such as'],
    ['a bare number', [{ at: 5, kill: 'leader' }], 'faults[0].at: 5; allowed: a duration'],
    ['a negative time', [{ at: '-1s', kill: 'leader' }], 'faults[0].at: "-1s"; allowed'],
    [
      'a role',
      [{ at: '1s', kill: 'boss' }],
      'faults[0].kill: "boss" is no role; allowed: leader, ',
    ],
    ['a pause for ever', [{ at: '1s', pause: 'leader' }], 'faults[0].for: missing; allowed'],
    [
      'a kill that ends',
      [{ at: '1s', kill: 'any', for: '1s' }],
      'faults[0].for: not allowed: a kil',
    ],
    ['times alone', [{ at: '1s', kill: 'any', times: 3 }], 'faults[0].times: needs "every"'],
    ['every alone', [{ at: '1s', kill: 'any', every: '1s' }], 'faults[0].times: missing beside'],
    [
      'half a time',
      [{ at: '1s', kill: 'any', every: '1s', times: 1.5 }],
      '.times: 1.5; allowed: a w',
    ],
    [
      'a direction',
      [{ at: '1s', cut: { from: 'any', to: 'any', direction: 'up' }, for: '1s' }],
      'faults[0].cut.direction: "up"; allowed: both, one-way',
    ],
    [
      'no target',
      [{ at: '1s', cut: { from: 'leader' }, for: '1s' }],
      'faults[0].cut.to: undefined',
    ],
    [
      'one group',
      [{ at: '1s', partition: [['leader']], for: '1s' }],
      'faults[0].partition: allowed',
    ],
    [
      'an empty group',
      [{ at: '1s', partition: [['leader'], []], for: '1s' }],
      'partition[1]: allowed',
    ],
    [
      'a role in a group',
      [{ at: '1s', partition: [['leader'], ['x']], for: '1s' }],
      'faults[0].partition[1][0]: "x" is no role',
    ],
    ['an endless stall', [{ at: '1s', disk: { on: 'any', stallFsync: '1s' } }], '[0].for: missing'],
    [
      'a stall of nothing',
      [{ at: '1s', disk: { on: 'any', stallFsync: '0ms' }, for: '1s' }],
      'faults[0].disk.stallFsync: "0ms"; allowed: a duration of at least 1ms',
    ],
    [
      'a kind of disk fault',
      [{ at: '1s', disk: { on: 'any', tornWrite: 'yes' }, for: '1s' }],
      'faults[0].disk.tornWrite: unknown; allowed: on, stallFsync',
    ],
    [
      'a loss',
      [{ at: '1s', link: { between: 'all', loss: '101%' }, for: '1s' }],
      'link.loss: "101%"',
    ],
  ];
  it.each(refused)('refuses %s with place and what is allowed', (_name, value, message) => {
    expect(() => parseFaultSchedule(value)).toThrow(FaultScheduleError);
    expect(() => parseFaultSchedule(value)).toThrow(message);
  });

  it('writes roles as it reads them', () => {
    for (const text of [
      'leader',
      'follower',
      'followers',
      'followers[2]',
      'any',
      'killed',
      'node 3',
    ]) {
      expect(showRole(parseRole(text, []))).toBe(text);
    }
  });
});

describe('checkSchedule', () => {
  const check =
    (value: unknown, runtime: 'process' | 'worker' | 'sim', nodes = 3) =>
    () =>
      checkSchedule(parseFaultSchedule(value), { runtime, nodes });

  it('refuses what the runtime or the cluster cannot do, and says what it can', () => {
    const disk = [{ at: '1s', disk: { on: 'leader', stallFsync: '500ms' }, for: '2s' }];
    expect(check(disk, 'process')).toThrow(
      'faults[0].disk: impossible with runtime process: disk faults come later, through the port ' +
        'of the log; allowed: kill, restart, pause, cut, partition, link',
    );
    expect(check(disk, 'sim')).not.toThrow();
    expect(check([{ at: '1s', clock: 'leader' }], 'sim')).toThrow(
      'faults[0].clock: impossible with runtime sim: the clocks of a simulated cluster all show ' +
        'one virtual time; allowed: kill, restart, pause, cut, partition, link, disk',
    );
    expect(
      check([{ at: '1s', disk: { on: 'node 4', stallFsync: '1ms' }, for: '1s' }], 'sim'),
    ).toThrow('allowed: node 1 to node 3');
    expect(check([{ at: '1s', kill: 'node 4' }], 'worker')).toThrow('allowed: node 1 to node 3');
    expect(check([{ at: '1s', kill: 'followers[2]' }], 'worker')).toThrow('up to followers[1]');
    expect(check([{ at: '1s', restart: 'killed' }], 'process')).toThrow('nothing is killed');
  });

  it('has an answer for each kind in each runtime', () => {
    for (const kind of FAULT_KINDS) {
      for (const runtime of FAULT_RUNTIMES) {
        const { method, impossible } = FAULTS_BY_RUNTIME[kind][runtime];
        expect((method === null) !== (impossible === null)).toBe(true);
      }
    }
  });
});

describe('planFaults', () => {
  const repeated = [
    { at: '2s', jitter: '50ms', kill: 'leader', every: '4s', times: 5, restartAfter: '1s' },
  ];

  it('writes repetitions out, in order of time, each with its end', () => {
    const steps = planFaults(parseFaultSchedule(repeated), 1);
    expect(steps.map((step) => `${step.do} ${step.fault.id}`)).toEqual(
      [1, 2, 3, 4, 5].flatMap((i) => [`install f1.${i}`, `heal f1.${i}`]),
    );
    steps.forEach((step, i) => {
      expect(step.atMs).toBeGreaterThanOrEqual(steps[i - 1]?.atMs ?? 0);
      const base = 2_000 + Math.floor(i / 2) * 4_000 + (i % 2) * 1_000;
      expect(step.atMs - base).toBeGreaterThanOrEqual(0);
      expect(step.atMs - base).toBeLessThan(50);
    });
    const phases = steps.filter(({ do: d }) => d === 'install').map(({ atMs }) => atMs % 1_000);
    expect(new Set(phases).size).toBe(5);
  });

  it('draws the same times for the same seed, whatever stands beside an entry', () => {
    const entries = parseFaultSchedule([...repeated, ...EXAMPLE]);
    expect(planFaults(entries, 's')).toEqual(planFaults(entries, 's'));
    expect(planFaults(entries, 's')).not.toEqual(planFaults(entries, 't'));
    const alone = planFaults(parseFaultSchedule(repeated), 's');
    const beside = planFaults(entries, 's').filter(({ fault }) => fault.id.startsWith('f1.'));
    expect(beside).toEqual(alone);
  });

  it('labels faults for selectors', () => {
    const labels = planFaults(parseFaultSchedule(EXAMPLE), 1)
      .filter((step) => step.do === 'install')
      .map(({ fault }) => fault.label);
    expect(labels).toEqual([
      'kill-leader',
      'restart-killed',
      'pause-leader',
      'cut',
      'partition',
      'link',
    ]);
  });
});

describe('resolveFault', () => {
  const resolve = (entry: object, status: StatusPicture) => {
    const [parsed] = parseFaultSchedule([{ at: '1s', ...entry }]);
    if (parsed === undefined) throw new Error('one entry');
    return resolveFault(parsed.action, status, createRandom(1));
  };

  it('follows the roles of the moment and records the sentence', () => {
    expect(resolve({ kill: 'leader' }, picture(3))).toMatchObject({
      nodes: [3],
      sentence: 'leader was node 3 in round 7',
    });
    expect(resolve({ kill: 'leader' }, picture(null))).toEqual({
      excludedReason: 'there was no leader',
    });
    expect(resolve({ kill: 'followers[1]' }, picture(1, [2]))).toMatchObject({ nodes: [4] });
    expect(resolve({ restart: 'killed' }, picture(1, [2, 4]))).toMatchObject({ nodes: [2, 4] });
    expect(resolve({ restart: 'killed' }, picture(1))).toMatchObject({
      excludedReason: 'there was no killed node',
    });
  });

  it('believes the claim with the highest round, and no dead leader', () => {
    const two: StatusPicture = {
      nodes: [
        { node: 1, alive: true, leads: true, round: 4 },
        { node: 2, alive: true, leads: true, round: 6 },
        { node: 3, alive: false, leads: true, round: 9 },
      ],
    };
    expect(leaderOf(two)?.node).toBe(2);
  });

  it('draws one of several from the seed and meets each in the end', () => {
    const met = new Set<number>();
    for (let seed = 0; seed < 60; seed++) {
      const { nodes } = resolveRole({ kind: 'follower' }, picture(3), createRandom(seed));
      expect(nodes).toHaveLength(1);
      met.add(nodes?.[0] ?? 0);
    }
    expect([...met].sort()).toEqual([1, 2, 4, 5]);
  });

  it('cuts exactly the links between the groups of a partition, both ways', () => {
    const partition = { partition: [['leader', 'followers[0]'], ['rest']], for: '5s' };
    const resolved = resolve(partition, picture(3));
    const links = 'links' in resolved ? resolved.links : [];
    const names = links.map(({ from, to }) => `${from}>${to}`).sort();
    const across = [1, 3].flatMap((a) => [2, 4, 5].flatMap((b) => [`${a}>${b}`, `${b}>${a}`]));
    expect(names).toEqual(across.sort());
  });

  it('cuts one direction only when asked, and all links for "all"', () => {
    const cut = { cut: { from: 'leader', to: 'node 1', direction: 'one-way' }, for: '1s' };
    expect(resolve(cut, picture(3))).toMatchObject({ links: [{ from: 3, to: 1 }] });
    expect(resolve(cut, picture(1))).toMatchObject({
      excludedReason: expect.stringContaining('no link'),
    });
    const all = resolve({ link: { between: 'all', delay: '1ms' }, for: '1s' }, picture(3));
    expect('links' in all && all.links.length).toBe(20);
  });
});

describe('FaultTrace', () => {
  const [step] = planFaults(parseFaultSchedule([{ at: '1s', kill: 'leader' }]), 1);
  const fault = step?.fault as PlannedFault;
  const resolved = resolveFault(fault.action, picture(3), createRandom(1));
  const seen = (atMs: number) => ({ method: 'exit-signal', atMs, detail: 'SIGKILL' });

  it('is proven only with proof of the effect and, where it must end, of the end', () => {
    const trace = new FaultTrace(fault, 0, 1_000);
    trace.resolvedTo(resolved, 7);
    expect(trace.record(false)).toMatchObject({
      proven: false,
      excludedReason: 'its effect was not proven',
    });
    trace.installed(seen(1_004));
    expect(trace.record(true)).toMatchObject({
      proven: false,
      excludedReason: 'its healing was not proven',
    });
    expect(trace.record(false)).toMatchObject({
      proven: true,
      node: 3,
      round: 7,
      requestedMs: 1_000,
      installedMs: 1_004,
      healedMs: null,
    });
    trace.healed(seen(2_000));
    expect(trace.record(true)).toMatchObject({
      proven: true,
      healedMs: 2_000,
      excludedReason: null,
    });
  });

  it('keeps the first reason of a failure and refuses evidence out of order', () => {
    const trace = new FaultTrace(fault, 0, 1_000);
    expect(() => trace.installed(seen(999))).toThrow('after the request');
    trace.failed('the process was gone already');
    trace.failed('later');
    expect(trace.record(false).excludedReason).toBe('the process was gone already');
  });
});
