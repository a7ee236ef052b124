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

// What a person gets wrong: one clear line (where, what, what is allowed), exit code 64, and
// nothing
// started, nothing half-written.

const GOOD = `name: tiny
description: a test
load: { rates: [100], secondsEach: 1 }
`;

describe('wrong input', () => {
  const at = temporaryFolder();
  const out = join(at.path, 'out');
  afterAll(() => at.remove());

  it.each([
    {
      title: 'in a scenario',
      args: ['run', join(at.path, 'bad.yaml')],
      says: /^quorate: .*bad\.yaml:4: unknown key "nodez"; allowed: name,/,
    },
    {
      title: 'in a flag',
      args: ['run', 'quick-comparison', '--rate=-5'],
      says: /^quorate: --rate -5: a whole number from 1/,
    },
    { title: 'an unknown flag', args: ['run', 'x', '--nodez'], says: /unknown option '--nodez'/ },
    { title: 'an unknown command', args: ['runn'], says: /unknown command 'runn'/ },
    { title: 'no such run', args: ['report', '/nowhere'], says: /there is no such run folder/ },
    { title: 'no such history', args: ['check', '/nowhere'], says: /cannot be read \(ENOENT\)/ },
    { title: 'no such log', args: ['wal', 'verify', '/nowhere'], says: /no such directory/ },
  ])('$title', async ({ args, says }) => {
    writeFileSync(join(at.path, 'bad.yaml'), `${GOOD}nodez: 3\n`);
    const isRun = args[0] === 'run';
    const end = await runCommandLine([...args, ...(isRun ? ['--out', out] : [])]);
    expect(end.exitCode, end.stderr).toBe(64);
    expect(end.stderr).toMatch(says);
    // One line; for a flag or command, commander adds a blank one and where to find the options.
    expect(end.stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(3);
    expect(end.stdout).toBe('');
    expect(existsSync(out)).toBe(false);
    expect(processesOf(at.path)).toEqual([]);
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
