import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkTree, formatViolation } from './check-tree.ts';

const TOOLS = join(dirname(fileURLToPath(import.meta.url)), '..');
const FIXTURES = join(TOOLS, 'fixtures');

describe('the rules of the house', () => {
  it('hold for every source', () => {
    expect(checkTree(join(TOOLS, '..')).violations.map(formatViolation)).toEqual([]);
  });

  // Each fixture is a small tree named after the rule that it breaks, once or more, and no other.
  it.each(readdirSync(FIXTURES))('fixture "%s" fails by name', (rule) => {
    const { violations } = checkTree(join(FIXTURES, rule));
    expect(violations.length).toBeGreaterThan(0);
    expect([...new Set(violations.map((violation) => violation.rule))]).toEqual([rule]);
  });
});
