import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { findScenario, listStories } from '../scenario/catalogue.ts';
import { loadScenario, readScenario } from '../scenario/load-scenario.ts';
import { mergeResult, type ResultsFile } from './results-file.ts';
import { runStory } from './story-command.ts';
import { storyText } from './story-lines.ts';
import { planStory } from './story-plan.ts';
import { type SetResult, storyExitCode } from './story-result.ts';

// One trial of each set of each story, with real replicas on virtual time: everything that a story
// states must hold, and a recorded table must say the same.

const RESULTS = fileURLToPath(new URL('../../../../results/', import.meta.url));
/** Real time for one story on a busy machine; a few seconds on an idle one. */
const TEST_MS = 240_000;
/** What only some trials show needs more of them. */
const TRIALS: Readonly<Record<string, string>> = { 's2-split-vote': '8' };

function recorded(table: string): ResultsFile {
  return JSON.parse(readFileSync(`${RESULTS}${table}.json`, 'utf8')) as ResultsFile;
}

/** Nothing in a run of fewer trials that the recorded trials of the cell do not show. */
function expectWithin(run: SetResult, known: SetResult): void {
  for (const outcome of ['recovers', 'degraded', 'stuck'] as const) {
    if (run.outcomes[outcome] > 0) {
      expect(known.outcomes[outcome], `${run.name}: ${outcome}`).toBeGreaterThan(0);
    }
  }
  const [from, to] = known.leaderChanges;
  expect(run.leaderChanges[0], `${run.name}: leader changes`).toBeGreaterThanOrEqual(from);
  expect(run.leaderChanges[1], `${run.name}: leader changes`).toBeLessThanOrEqual(to);
}

describe('the stories', () => {
  it.each(listStories())('$name holds what it states', { timeout: TEST_MS }, ({ name, file }) => {
    const plan = planStory(loadScenario(file), { trials: TRIALS[name] ?? '1' });
    const result = runStory(plan);
    expect(result.violations).toEqual([]);
    expect(result.statements.filter(({ holds }) => holds !== true)).toEqual([]);
    expect(storyExitCode(result)).toBe(0);
    const { table } = plan.story;
    if (table === undefined) return;
    const story = recorded(table).stories.find((one) => one.name === name);
    expect(result.sets.map((set) => set.name)).toEqual(story?.sets.map((set) => set.name));
    for (const [i, set] of result.sets.entries()) expectWithin(set, story?.sets[i] as SetResult);
  });
});

describe('a story that states what is not so', () => {
  const stated = (expect: string): string => `name: wrong
description: a test
story:
  rate: 20
  lasts: 2s
  statements:
    - { expect: '${expect}', because: we say so. }
  published:
    - { says: nobody leads, source: nobody, expect: stuck == 100%, differs: somebody does }
    - { says: something else, source: nobody }
`;
  const run = (expect: string) => {
    const plan = planStory(readScenario(stated(expect), 'wrong.yaml'), {
      ...{ protocol: 'raft', trials: '1' },
    });
    return runStory(plan);
  };

  it('ends with 1 and says what was measured', () => {
    const result = run('leader_changes.min >= 1');
    expect(storyExitCode(result)).toBe(1);
    const text = storyText(result, false);
    expect(text).toContain('✗ broken: leader_changes.min >= 1 for raft: measured 0. we say so.');
    expect(text).toContain('deviation: nobody: nobody leads (raft: 0 %): somebody does');
    expect(text).toContain('not comparable: nobody: something else');
    expect(storyExitCode({ ...result, violations: ['raft, trial 1: R1: two leaders'] })).toBe(3);
  });

  it('repeats exactly, and a recorded set is replaced and not doubled', () => {
    const result = run('leader_changes.max == 0');
    expect(storyExitCode(result)).toBe(0);
    expect(run('leader_changes.max == 0')).toEqual(result);
    const empty: ResultsFile = { schemaVersion: 1, stories: [] };
    const once = mergeResult(empty, result);
    expect(mergeResult(once, result)).toEqual(once);
    const [first] = result.sets as [SetResult];
    const zab = { ...result, sets: [{ ...first, name: 'zab', protocol: 'zab' }] };
    const both = mergeResult(mergeResult(empty, zab), result);
    expect(both.stories[0]?.sets.map(({ name }) => name)).toEqual(['raft', 'zab']);
  });
});

it('finds a story by its name', () => {
  expect(findScenario('p3-chained')).toMatch(/benchmarks\/stories\/p3-chained\.yaml$/);
});
