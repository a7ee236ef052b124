import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { temporaryFolder } from '../trials/quorate-command.ts';
import { type CheckFlags, checkCommand } from './check-command.ts';

const FIXTURES = join(import.meta.dirname, '../../../../libs/linearizability/fixtures');
const DEFAULTS: CheckFlags = { model: 'register', timeLimit: '60', memoryLimit: '1024' };

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

function check(file: string, flags: Partial<CheckFlags> = {}) {
  let stdout = '';
  let stderr = '';
  const output = {
    out: (text: string) => {
      stdout += text;
    },
    err: (text: string) => {
      stderr += text;
    },
  };
  const exitCode = checkCommand(join(FIXTURES, file), { ...DEFAULTS, ...flags }, output);
  return { exitCode, stdout, stderr };
}

describe('quorate check', () => {
  it('ends with 0 for a good history of all five operations', () => {
    const { exitCode, stdout } = check('good.ndjson');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^linearizable: 13 operations on 2 keys \(\d+ steps, /);
  });

  it('ends with 3 for a broken one and draws the smallest failing part, as text and HTML', () => {
    const html = join(folder.path, 'violation.html');
    const { exitCode, stdout, stderr } = check('broken.ndjson', { html });
    expect(exitCode).toBe(3);
    expect(stdout).toMatch(/^not linearizable: 32 operations on 2 keys/);
    expect(stdout).toContain('process 0  [ write 700 ]\n');
    expect(stdout).toContain('3 of its 26 operations fail by themselves');
    expect(stderr).toContain(html);
    const page = readFileSync(html, 'utf8');
    expect(page).toContain('cas 700');
    // The part that the page carries fails by itself.
    const events = /<pre>([^<]*)<\/pre>/.exec(page)?.[1] ?? '';
    const part = join(folder.path, 'part.ndjson');
    writeFileSync(part, events.replaceAll('&quot;', '"').replaceAll('&gt;', '>'));
    expect(checkCommand(part, DEFAULTS, { out: () => {}, err: () => {} })).toBe(3);
  });

  it.each([
    ['time', { timeLimit: '0.2' }],
    ['memory', { memoryLimit: '1' }],
  ])('ends with 2 when the %s runs out', (limit, flags) => {
    const { exitCode, stdout } = check('unknown.ndjson', flags);
    expect(exitCode).toBe(2);
    expect(stdout).toMatch(new RegExp(`^unknown: ${limit} limit reached.*; 24 operations`));
  });

  it('reads what another tool recorded, from the value that its register began with', () => {
    expect(check('other-tool.ndjson', { initial: '0' }).exitCode).toBe(0);
    // Without it the first read saw what nobody had written; unknown reads and failures stay out.
    const { exitCode, stdout } = check('other-tool.ndjson', { json: true });
    expect(exitCode).toBe(3);
    const told = JSON.parse(stdout) as Record<string, unknown>;
    expect(told).toMatchObject({ verdict: 'notLinearizable', operations: 7, keys: 1 });
    expect(told.smallestFailing).toMatchObject([{ f: 'read', value: 0, outcome: 'ok' }]);
  });

  it('reads gzip by content', () => {
    const file = join(folder.path, 'packed.ndjson');
    writeFileSync(file, gzipSync(readFileSync(join(FIXTURES, 'good.ndjson'))));
    expect(checkCommand(file, DEFAULTS, { out: () => {}, err: () => {} })).toBe(0);
  });

  it.each([
    [{ model: 'queue' }, /--model queue: allowed are register, kv/],
    [{ timeLimit: '0' }, /--time-limit 0: seconds above 0/],
    [{ memoryLimit: 'much' }, /--memory-limit much: MiB above 0/],
  ])('refuses %o', (flags, message) => {
    expect(() => check('good.ndjson', flags)).toThrow(UsageError);
    expect(() => check('good.ndjson', flags)).toThrow(message);
  });
});
