import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  descendantsOf,
  processesOf,
  runCommandLine,
  temporaryFolder,
} from './trials/quorate-command.ts';

// What a person gets wrong: one clear line (where, what, what is allowed), exit code 64, and nothing
// started, nothing half-written.

const GOOD = `name: tiny
description: a test
load: { rates: [100], secondsEach: 1 }
`;

interface Bad {
  readonly title: string;
  /** The scenario's text; null for a run of `quick-comparison`. */
  readonly yaml: string | null;
  readonly flags?: readonly string[];
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
    flags: ['--transport', 'message-port'],
    message: /--transport: message-port .* allowed with runtime process: grpc, tcp/,
  },
  {
    title: 'an unknown protocol by flag',
    yaml: null,
    flags: ['--protocol', 'raft,paxos'],
    message: /--protocol paxos: allowed are raft, multi-paxos, zab, none/,
  },
  {
    title: 'a bad objective by flag',
    yaml: null,
    flags: ['--slo', 'failover.p99 < 1 parsec'],
    message: /--slo: SLO "failover\.p99 < 1 parsec": /,
  },
  {
    title: 'a negative rate by flag',
    yaml: null,
    flags: ['--rate=-5'],
    message: /--rate -5: a whole number from 1 to/,
  },
  {
    title: 'an empty number',
    yaml: null,
    flags: ['--nodes', ''],
    message: /--nodes : a whole number from 1 to 9/,
  },
  {
    title: 'open and closed loop at once',
    yaml: null,
    flags: ['--rate', '100', '--closed', '4'],
    message: /--rate and --closed exclude each other/,
  },
  {
    title: 'trials without a repeating fault',
    yaml: GOOD,
    flags: ['--trials', '3'],
    message: /--trials 3: tiny has no fault that repeats/,
  },
  {
    title: 'a baseline with faults alone',
    yaml: fault('{ at: 1s, kill: leader }').replace(/load:.*\n/, ''),
    flags: ['--protocol', 'none'],
    message: /--protocol none: the baseline .* needs a scenario with load/,
  },
  {
    title: 'an unknown flag',
    yaml: null,
    flags: ['--nodez', '3'],
    message: /unknown option '--nodez'/,
  },
];

describe('wrong input', () => {
  const at = temporaryFolder();
  const out = join(at.path, 'out');
  afterAll(() => at.remove());

  it.each(BAD)('$title', async ({ yaml, flags = [], message }) => {
    const file = join(at.path, 'bad.yaml');
    if (yaml !== null) writeFileSync(file, yaml);
    const scenario = yaml === null ? 'quick-comparison' : file;
    const end = await runCommandLine(['run', scenario, ...flags, '--out', out]);
    expect(end.exitCode, end.stderr).toBe(64);
    expect(end.stderr).toMatch(message);
    // One line; commander adds where to find the options.
    expect(end.stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(3);
    expect(end.stdout).toBe('');
    expect(existsSync(out)).toBe(false);
    expect(processesOf(at.path)).toEqual([]);
  });

  it.each([
    {
      title: 'a scenario that does not exist',
      args: ['run', 'quick-comparsion'],
      says: /quick-comparison/,
    },
    {
      title: 'a folder that does not exist',
      args: ['report', '/nowhere'],
      says: /no such run folder/,
    },
    { title: 'a history that does not exist', args: ['check', '/nowhere'], says: /cannot be read/ },
    {
      title: 'a log that does not exist',
      args: ['wal', 'verify', '/nowhere'],
      says: /no such dir/,
    },
    { title: 'no command', args: [], says: /Usage: quorate/ },
    { title: 'an unknown command', args: ['runn'], says: /unknown command 'runn'/ },
  ])('$title', async ({ args, says }) => {
    const end = await runCommandLine(args);
    expect(end.exitCode).toBe(64);
    expect(end.stderr).toMatch(says);
  });

  it('an output folder that cannot be written', async () => {
    const blocked = join(at.path, 'a-file');
    writeFileSync(blocked, '');
    for (const folder of [blocked, join(blocked, 'below'), '/proc/quorate']) {
      const end = await runCommandLine(['run', 'quick-comparison', '--out', folder]);
      expect(end.exitCode).toBe(64);
      expect(end.stderr).toMatch(/--out .*: cannot be written \([A-Z]+\); name another folder/);
    }
  });
});

describe('quorate-kv with a port in use', () => {
  const at = temporaryFolder();
  let taken: Server;
  let port = 0;

  beforeAll(async () => {
    taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    port = (taken.address() as { port: number }).port;
  });
  afterAll(() => {
    taken.close();
    at.remove();
  });

  it.each(['http', 'peer', 'client'])('says so in one line: %s', async (which) => {
    const addresses = { http: '127.0.0.1:0', peer: '127.0.0.1:0', client: '127.0.0.1:0' };
    const members = [1, 2, 3].map((id) => ({ id, ...addresses }));
    Object.assign(members[0] ?? {}, { [which]: `127.0.0.1:${port}` });
    const file = join(at.path, 'cluster.yaml');
    writeFileSync(file, JSON.stringify({ clusterId: 'busy', members }));
    const flags = ['--id', '1', '--protocol', 'raft', '--cluster', file, '--bootstrap', 'new'];
    const data = join(at.path, `data-${which}`);
    const end = await runCommandLine([...flags, '--data-dir', data], 'quorate-kv');
    expect(end.exitCode, end.stderr).not.toBe(0);
    const said = end.stderr.split('\n').filter((line) => line.includes(String(port)));
    expect(said.length, end.stderr).toBe(1);
    expect(descendantsOf(process.pid).filter((pid) => processesOf(at.path).includes(pid))).toEqual(
      [],
    );
    expect(existsSync(data) ? readdirSync(data) : []).not.toContain('LOCK');
  });
});
