import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ALL_MUTANTS } from './all-mutants.ts';
import { applyPatch, MUTANT_TARGETS, PatchMisfit } from './mutant.ts';

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

  it('that no longer fit, or fit twice, are refused by name', () => {
    const patch = { id: 'sample', file: 'a.ts', find: 'x', replace: 'y' };
    expect(() => applyPatch('abc', patch)).toThrow(PatchMisfit);
    expect(() => applyPatch('x x', patch)).toThrow(/sample.*2 times/);
  });
});
