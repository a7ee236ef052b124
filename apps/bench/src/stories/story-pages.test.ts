import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { listStories } from '../scenario/catalogue.ts';
import { loadScenario } from '../scenario/load-scenario.ts';
import { type ResultsFile, readResults } from './results-file.ts';
import { connectivityTables, electionTables, withGenerated } from './story-pages.ts';
import { planStory } from './story-plan.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

const TABLES: readonly {
  readonly table: string;
  readonly page: string;
  readonly draw: (results: ResultsFile) => string;
}[] = [
  { table: 'partial-connectivity', page: 'partial-connectivity', draw: connectivityTables },
  { table: 'elections-e1', page: 'elections', draw: electionTables },
];

describe('the pages of recorded stories', () => {
  it.each(TABLES)('$page shows results/$table.json (QUORATE_REWRITE=1 writes it)', (one) => {
    const path = `${ROOT}docs/protocols/${one.page}.md`;
    const page = readFileSync(path, 'utf8');
    const drawn = withGenerated(page, one.draw(readResults(`${ROOT}results/${one.table}.json`)));
    if (process.env.QUORATE_REWRITE === '1') writeFileSync(path, drawn);
    expect(readFileSync(path, 'utf8')).toBe(drawn);
  });

  it.each(TABLES)('$table.json has every story of the table, and each of its sets', ({ table }) => {
    const plans = listStories()
      .map(({ file }) => planStory(loadScenario(file), {}))
      .filter(({ story }) => story.table === table);
    const recorded = readResults(`${ROOT}results/${table}.json`).stories;
    const names = (sets: readonly { readonly name: string }[]): string[] =>
      sets.map(({ name }) => name).sort();
    expect(names(recorded)).toEqual(names(plans.map(({ scenario }) => scenario)));
    for (const { scenario, sets } of plans) {
      const story = recorded.find(({ name }) => name === scenario.name);
      expect(names(story?.sets ?? [])).toEqual(names(sets));
    }
  });

  it('refuse a page without a place for the tables', () => {
    expect(() => withGenerated('# nothing', 'x')).toThrow(/no place/);
  });
});
