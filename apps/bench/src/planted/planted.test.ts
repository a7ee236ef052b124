import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { applyPatch, PatchMisfit, type SourcePatch } from '@quorate/simulator';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { failureText } from '../commands/simulate-summary.ts';
import { runSeed } from '../commands/simulate-worker.ts';
import { ExitCode } from '../errors.ts';
import { scenarioSchema } from '../scenario/schema.ts';
import { failureOf, plantedExample } from './planted-example.ts';
import { PLANTED_FAULTS, PLANTED_PROTOCOLS } from './planted-fault.ts';
import { WORKSPACE, WorkspaceCopy } from './workspace-copy.ts';

const PATCHES = PLANTED_FAULTS.flatMap(({ patches }) => patches);

describe('planted faults', () => {
  const copies: WorkspaceCopy[] = [];
  afterEach(() => {
    for (const copy of copies.splice(0)) copy.remove();
  });
  const makeCopy = (): WorkspaceCopy => {
    const copy = new WorkspaceCopy();
    copies.push(copy);
    return copy;
  };

  it.each(PATCHES.map((patch) => [patch.id, patch] as const))('%s still applies', (_, patch) => {
    const text = readFileSync(join(WORKSPACE, patch.file), 'utf8');
    expect(applyPatch(text, patch)).not.toBe(text);
  });

  it('names a patch that applies nowhere or twice', () => {
    const patch: SourcePatch = { id: 'p-1', file: 'a.ts', find: 'x', replace: 'y' };
    expect(() => applyPatch('abc', patch)).toThrow(PatchMisfit);
    expect(() => applyPatch('x x', patch)).toThrow(/p-1: .* 2 times in a\.ts/);
  });

  it('plants the unconfirmed read into every engine', () => {
    const [fault] = PLANTED_FAULTS;
    for (const protocol of PLANTED_PROTOCOLS) {
      const own = fault?.patches.filter(({ file }) => file.startsWith(`libs/${protocol}/`)) ?? [];
      expect(own.length, protocol).toBeGreaterThan(0);
    }
  });

  it.each(PLANTED_FAULTS.map((fault) => [fault.id, fault] as const))(
    'the scenario of %s is one',
    (_, fault) => {
      expect(scenarioSchema.safeParse(parse(fault.scenario)).error).toBeUndefined();
    },
  );

  it('the patched sources compile, in a copy that leaves the original alone', () => {
    const copy = makeCopy();
    copy.apply(PATCHES);
    const projects = [...new Set(PATCHES.map(({ file }) => file.split('/').slice(0, 2).join('/')))];
    const compiler = join(WORKSPACE, 'node_modules', 'typescript', 'bin', 'tsc');
    const { status, stdout } = spawnSync(process.execPath, [compiler, '-b', ...projects], {
      cwd: copy.folder,
      encoding: 'utf8',
    });
    expect(status, stdout).toBe(0);
    for (const patch of PATCHES) {
      expect(readFileSync(join(copy.folder, patch.file), 'utf8')).toContain(patch.replace);
      expect(readFileSync(join(WORKSPACE, patch.file), 'utf8')).toContain(patch.find);
    }
    const command = realpathSync(join(copy.folder, 'node_modules/.bin/quorate'));
    expect(command).toBe(realpathSync(join(copy.folder, 'apps/bench/bin/quorate.mjs')));
    copy.remove();
    expect(existsSync(copy.folder)).toBe(false);
  });
});

describe('the planted example', () => {
  it('takes the command that it runs from what a failure prints', () => {
    const outcome = runSeed({ protocol: 'zab', seed: 4, untilSeconds: 1, faults: [] });
    const failure = { invariant: 'C1', message: 'C1: differ', lastEvents: ['1 2 three'] };
    const text = failureText({ ...outcome, failure }, { protocol: 'zab', seed: 4, drop: [7] });
    expect(failureOf(`before\n${text}after\n`)).toEqual({
      invariant: 'C1',
      replay: 'npx --no-install quorate simulate --protocol zab --seeds 4 --drop 7',
    });
    expect(failureOf('12 runs, no invariant was broken')).toBeNull();
  });

  it('knows mutants by name only', async () => {
    expect(await plantedExample(['--mutant', 'no-such'])).toBe(ExitCode.usage);
  });
});
