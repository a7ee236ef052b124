import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { listScenarios, listStories } from './catalogue.ts';
import { scenarioJsonSchemaText } from './schema.ts';

const PUBLISHED = fileURLToPath(
  new URL('../../../../docs/reference/scenario.schema.json', import.meta.url),
);

describe('the published schema of scenarios', () => {
  it('is the one that the code checks by (QUORATE_REWRITE=1 writes it)', () => {
    if (process.env.QUORATE_REWRITE === '1') writeFileSync(PUBLISHED, scenarioJsonSchemaText());
    expect(readFileSync(PUBLISHED, 'utf8')).toBe(scenarioJsonSchemaText());
  });

  const listed = [...listScenarios(), ...listStories()];
  it.each(listed)('is named by $name, so that editors complete it', ({ file }) => {
    const [first] = readFileSync(file, 'utf8').split('\n');
    const up = file.includes('/benchmarks/stories/') ? '../..' : '..';
    expect(first).toBe(`# yaml-language-server: $schema=${up}/docs/reference/scenario.schema.json`);
  });
});
