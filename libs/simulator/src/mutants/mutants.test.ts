import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ALL_MUTANTS } from './all-mutants.ts';
import { changedPaths, concernedBy } from './changed-since.ts';
import { applyPatch, MUTANT_TARGETS, type Mutant, PatchMisfit } from './mutant.ts';
import { MUTANTS_PAGE_PATH, renderMutantsPage, SURVIVAL_REASONS } from './mutants-page.ts';
import { RESULTS_PATH } from './mutants-settings.ts';
import { readResults, tally } from './results-file.ts';

/** The files that hold patches. */
function changedPathsOfDefinitions(): string[] {
  const names = readdirSync(import.meta.dirname).filter((name) => name.endsWith('-mutants.ts'));
  return names.map((name) => `libs/simulator/src/mutants/${name}`);
}

const ROOT = join(import.meta.dirname, '../../../..');

/** The fewest mutants that each part of the house must have. */
const COUNT_MIN = [
  { targets: ['raft'], count: 12 },
  { targets: ['multi-paxos'], count: 12 },
  { targets: ['zab'], count: 12 },
  { targets: ['wal', 'snapshot-store'], count: 8 },
  { targets: ['replica', 'kv', 'client'], count: 8 },
  { targets: ['linearizability'], count: 8 },
];

describe('mutants', () => {
  for (const mutant of ALL_MUTANTS) {
    it(`${mutant.id} fits its source exactly once, and its script names a test`, () => {
      const source = readFileSync(join(ROOT, mutant.file), 'utf8');
      expect(applyPatch(source, mutant)).not.toBe(source);
      expect(mutant.file).toContain(`libs/${mutant.target}/`);
      expect(existsSync(join(ROOT, mutant.script.file))).toBe(true);
      expect(mutant.bug.length).toBeGreaterThan(20);
    });
  }

  it('have each a name of their own and are enough for each part', () => {
    expect(new Set(ALL_MUTANTS.map(({ id }) => id)).size).toBe(ALL_MUTANTS.length);
    for (const { targets, count } of COUNT_MIN) {
      const found = ALL_MUTANTS.filter(({ target }) => targets.includes(target));
      expect(found.length, targets.join()).toBeGreaterThanOrEqual(count);
    }
    for (const { target } of ALL_MUTANTS) expect(MUTANT_TARGETS).toContain(target);
  });

  it('have their results, as they stand in the repository, on a page', () => {
    const results = readResults(join(ROOT, RESULTS_PATH));
    const known = new Set(ALL_MUTANTS.map(({ id }) => id));
    expect(results.rows.filter(({ id }) => !known.has(id))).toEqual([]);
    expect(tally(results.rows, results.seedsMax)).toEqual(results);
    expect(readFileSync(join(ROOT, MUTANTS_PAGE_PATH), 'utf8')).toBe(renderMutantsPage(results));
    for (const id of Object.keys(SURVIVAL_REASONS)) expect(known).toContain(id);
  });

  it('are concerned by a change of the source, the script or the patch', () => {
    const [mutant] = ALL_MUTANTS as [Mutant];
    const elsewhere = new Set(['docs/internals/wal.md']);
    expect(concernedBy(mutant, elsewhere)).toBe(false);
    for (const path of [mutant.file, mutant.script.file]) {
      expect(concernedBy(mutant, new Set([path]))).toBe(true);
    }
    const targets = new Set(ALL_MUTANTS.map(({ target }) => target));
    for (const target of targets) {
      const one = ALL_MUTANTS.find((each) => each.target === target) as Mutant;
      const paths = changedPathsOfDefinitions();
      expect(paths.some((path) => concernedBy(one, new Set([path])))).toBe(true);
    }
    expect(changedPaths(ROOT, 'no-such-revision')).toBe(null);
  });

  it('that no longer fit, or fit twice, are refused by name', () => {
    const patch = { id: 'sample', file: 'a.ts', find: 'x', replace: 'y' };
    expect(() => applyPatch('abc', patch)).toThrow(PatchMisfit);
    expect(() => applyPatch('x x', patch)).toThrow(/sample.*2 times/);
  });
});
