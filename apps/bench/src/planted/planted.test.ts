import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { scenarioSchema } from '../scenario/schema.ts';
import { applyPatch, PatchDoesNotApply, type SourcePatch } from './patches.ts';
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
    expect(() => applyPatch('abc', patch)).toThrow(PatchDoesNotApply);
    expect(() => applyPatch('x x', patch)).toThrow(/p-1 .* a\.ts .* 2 times/);
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
    copy.remove();
    expect(existsSync(copy.folder)).toBe(false);
  });
});
