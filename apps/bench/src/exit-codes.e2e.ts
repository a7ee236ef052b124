import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { validateRun } from '@quorate/report';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  descendantsOf,
  isRunning,
  processesOf,
  runCommandLine,
  startCommand,
  temporaryFolder,
} from './trials/quorate-command.ts';

let out: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  out = temporaryFolder();
});
afterEach(() => out.remove());

/** Waits until all of them are gone; how long they took is nobody's promise. */
async function untilGone(pids: readonly number[], limitMs = 20_000): Promise<number[]> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const left = pids.filter(isRunning);
    if (left.length === 0 || performance.now() > deadline) return left;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('the exit code of a run', () => {
  it('is 1 when an objective fell short, and says what was measured', async () => {
    // Thirty kills, as a verdict on failover needs, as close together as they can be proven.
    const file = join(out.path, 'thirty.yaml');
    writeFileSync(
      file,
      `name: thirty-kills
description: thirty leader kills close together
protocols: [raft]
probe: { rate: 100 }
warmupSecondsMax: 0.5
faults:
  - { at: 200ms, every: 1400ms, times: 30, kill: leader, restartAfter: 300ms }
`,
    );
    const slo = ['--slo', 'failover.p99 < 1ms', '--slo', 'linearizable == true'];
    const end = await runCommandLine(['run', file, ...slo, '--out', join(out.path, 'runs')]);
    const folder = end.stdout.trim();
    const { run, problems } = validateRun(folder);
    expect(problems).toEqual([]);
    const unproven = run?.protocols[0]?.faults.filter(({ proven }) => !proven) ?? [];
    const isVoid = run?.status === 'void';
    // A machine too busy to prove a fault or to start on time leaves it undecided: never a pass.
    expect(end.exitCode, end.stderr).toBe(unproven.length > 0 || isVoid ? 2 : 1);
    if (unproven.length === 0) {
      expect(end.stderr).toMatch(
        /✗ fell short: failover\.p99 < 1ms for raft: measured .*30 samples/,
      );
    }
    expect(end.stderr).toMatch(/✓ holds: linearizable == true/);
  });

  it('is 2 when there are too few trials, and says how many it needs', async () => {
    const flags = ['--protocol', 'raft', '--trials', '1', '--out', out.path];
    const end = await runCommandLine(['run', 'failover-slo', ...flags]);
    expect(end.exitCode, end.stderr).toBe(2);
    expect(end.stderr).toMatch(
      /\? undecided: failover\.p99 < 2s for raft: .* 1 of 30 needed samples/,
    );
  });

  it('is 3 for a history that no order explains', async () => {
    const file = join(out.path, 'broken.ndjson');
    const event = (time: number, process: number, type: string, f: string, value: unknown) =>
      JSON.stringify({ time, process, type, f, key: 'k', value });
    const lines = [
      event(0, 0, 'invoke', 'write', 'a'),
      event(1, 0, 'ok', 'write', 'a'),
      event(2, 1, 'invoke', 'read', undefined),
      event(3, 1, 'ok', 'read', null),
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const end = await runCommandLine(['check', file]);
    expect(end.exitCode).toBe(3);
    expect(end.stdout).toMatch(/^not linearizable: 2 operations on 1 key /);
  });

  it('is 70 when the program itself fails, with no folder left', async () => {
    const file = join(out.path, 'bad-variant.yaml');
    writeFileSync(
      file,
      'name: bad\ndescription: x\nprotocols: [raft]\nload: { rates: [10] }\n' +
        'variants: { raft: { noSuchVariant: true } }\n',
    );
    const runs = join(out.path, 'runs');
    const end = await runCommandLine(['run', file, '--out', runs]);
    expect([64, 70], end.stderr).toContain(end.exitCode);
    expect(end.stderr).toMatch(/noSuchVariant/);
    expect(readdirSync(out.path).includes('runs') ? readdirSync(runs) : []).toEqual([]);
    expect(processesOf(out.path)).toEqual([]);
  });
});

describe('a run that is ended from outside', () => {
  const RUN = ['run', 'quick-comparison', '--protocol', 'raft,zab', '--rate', '200'];

  it('keeps a folder marked interrupted on Ctrl-C, exits with 130, leaves no process', async () => {
    const { child, ended, awaitError } = startCommand([
      ...RUN,
      ...['--seconds', '1', '--trials', '20', '--out', out.path],
    ]);
    await awaitError(/fault steps under load/);
    await awaitError(/f1\.1 kill-leader/);
    const started = descendantsOf(child.pid ?? 0);
    expect(started.length).toBeGreaterThanOrEqual(3);
    child.kill('SIGINT');
    const end = await ended;
    expect(end.exitCode, end.stderr).toBe(130);
    expect(await untilGone(started)).toEqual([]);
    expect(processesOf(out.path)).toEqual([]);
    const folders = readdirSync(out.path);
    expect(folders).toHaveLength(1);
    const folder = join(out.path, folders[0] ?? '');
    const { run, problems } = validateRun(folder);
    expect(problems).toEqual([]);
    expect(run).toMatchObject({ status: 'interrupted', exitCode: 130 });
    expect(readdirSync(folder)).not.toContain('data');
  });

  it('leaves no replica, no loader and no folder when the harness is killed', async () => {
    const { child, ended, awaitError } = startCommand([
      ...RUN,
      ...['--seconds', '30', '--out', out.path],
    ]);
    await awaitError(/rate-200/);
    const started = descendantsOf(child.pid ?? 0);
    expect(started.length).toBeGreaterThanOrEqual(4); // Three replicas and the loader, at least.
    child.kill('SIGKILL');
    expect((await ended).signal).toBe('SIGKILL');
    expect(await untilGone(started)).toEqual([]);
    expect(readdirSync(out.path)).toEqual([]);
  });
});

describe('a campaign of simulated seeds', () => {
  const CAMPAIGN = [
    ...['simulate', '--protocol', 'raft', '--seeds', '1..3', '--until', '1', '--twice'],
    '--json',
  ];

  it('goes on after Ctrl-C by the printed command, to the same hash', async () => {
    const { child, ended, awaitError } = startCommand([...CAMPAIGN, '--jobs', '1']);
    await awaitError(/kept in (\S+) until/);
    const path = readdirSync('results').find((name) => name.includes(`-${child.pid}.ndjson`));
    const file = join('results', path ?? '');
    const lines = (): number => readFileSync(file, 'utf8').split('\n').length - 2;
    while (lines() < 1) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill('SIGINT');
    const first = await ended;
    expect(first.exitCode, first.stderr).toBe(130);
    const [, command = ''] = /^npx --no-install quorate (.*)$/m.exec(first.stderr) ?? [];
    expect(command).toMatch(/^simulate --resume results\/\.simulation-\S+\.ndjson --jobs 1$/);
    const second = await runCommandLine([...command.split(' '), '--json']);
    expect(second.exitCode, second.stderr).toBe(0);
    expect(existsSync(file), 'nothing is left to go on with').toBe(false);
    const whole = await runCommandLine(CAMPAIGN);
    const [resumed, uninterrupted] = [second, whole].map(({ stdout }) => JSON.parse(stdout));
    for (const name of ['runs', 'hash', 'hashAgain', 'events', 'operations', 'probes']) {
      expect(resumed[name], name).toEqual(uninterrupted[name]);
    }
    expect(resumed.runs).toBe(3);
    expect(resumed.hashAgain).toBe(resumed.hash);
  });
});
