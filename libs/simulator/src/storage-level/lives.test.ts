import { describe, expect, it } from 'vitest';
import { runLogLives } from './log-lives.ts';
import { runStoreLives } from './store-lives.ts';

const SEEDS = 25;

describe('lives of a log and of a snapshot store on a failing disk', () => {
  for (const [name, run] of [
    ['log', runLogLives],
    ['snapshot store', runStoreLives],
  ] as const) {
    it(`${name}: what was acknowledged comes back in ${SEEDS} seeds`, () => {
      // That they notice what does not is measured by the mutants of these two targets.
      for (let seed = 1; seed <= SEEDS; seed++) expect(() => run(seed)).not.toThrow();
    });
  }
});
