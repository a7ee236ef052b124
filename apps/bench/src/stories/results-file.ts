import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { SetResult, StoryResult } from './story-result.ts';

/** A story as `results/<table>.json` keeps it. */
export interface RecordedStory {
  readonly name: string;
  readonly description: string;
  readonly nodes: number;
  readonly seed: number;
  readonly sets: readonly SetResult[];
  readonly published: StoryResult['published'];
}

/** `results/<table>.json`: the stories of one table, sorted by name. */
export interface ResultsFile {
  readonly schemaVersion: 1;
  readonly stories: readonly RecordedStory[];
}

/** Reads a results file; without one, an empty table. */
export function readResults(path: string): ResultsFile {
  if (!existsSync(path)) return { schemaVersion: 1, stories: [] };
  return JSON.parse(readFileSync(path, 'utf8')) as ResultsFile;
}

/**
 * Puts a story's result into a results file. Sets that this run did not cover stay as they were, so
 * that protocols can be recorded one by one; a comparison with what was published is the last run's
 * that had something to compare.
 */
export function mergeResult(file: ResultsFile, result: StoryResult): ResultsFile {
  const { name, description, nodes, seed, sets, published } = result;
  const before = file.stories.find((story) => story.name === name);
  const known = before?.sets ?? [];
  const isKnown = (set: SetResult): boolean => known.some((one) => one.name === set.name);
  const replaced = known.map((one) => sets.find((set) => set.name === one.name) ?? one);
  const added = sets.filter((set) => !isKnown(set));
  const story: RecordedStory = {
    ...{ name, description, nodes, seed },
    // The sort is stable: within a protocol the order of the story holds.
    sets: [...replaced, ...added].sort((a, b) => order(a) - order(b)),
    published: published.map((one) => {
      const earlier = before?.published.find(({ says }) => says === one.says);
      return one.comparison === 'not comparable' ? (earlier ?? one) : one;
    }),
  };
  const others = file.stories.filter((one) => one.name !== name);
  const stories = [...others, story].sort((a, b) => a.name.localeCompare(b.name, 'en'));
  return { schemaVersion: 1, stories };
}

/** Writes a results file as people can compare it line by line. */
export function writeResults(path: string, file: ResultsFile): void {
  writeFileSync(path, `${JSON.stringify(file, null, 1)}\n`);
}

const PROTOCOL_ORDER = ['raft', 'multi-paxos', 'zab'];

function order({ protocol }: Pick<SetResult, 'protocol'>): number {
  return PROTOCOL_ORDER.indexOf(protocol);
}
