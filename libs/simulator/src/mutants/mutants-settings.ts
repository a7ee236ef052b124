import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ALL_MUTANTS } from './all-mutants.ts';
import { changedPaths, concernedBy } from './changed-since.ts';
import type { Mutant } from './mutant.ts';

/** Where results stand, from the workspace's root. */
export const RESULTS_PATH = 'results/mutants.json';
/** Random runs for each mutant, the same for all engines. */
export const SEEDS_MAX = 2_000;
/** Distinct states explored for each engine mutant. */
const STATES_MAX = 150_000;
const JOBS_MAX = 16;
const STAGES = ['green', 'script', 'seeds', 'small-scope'] as const;
/** One part of the judgement. */
export type Stage = (typeof STAGES)[number];

/** What one call of the command does. */
export interface MutantsSettings {
  readonly workspace: string;
  readonly mutants: readonly Mutant[];
  readonly stages: ReadonlySet<Stage>;
  readonly seedsMax: number;
  readonly statesMax: number;
  readonly jobs: number;
  /** When no further mutant is begun, by the process's clock. */
  readonly endsAtMs: number;
  /** The longest that one mutant is searched for by seeds, in milliseconds. */
  readonly mutantBudgetMs: number;
  /** Where results stand; null only prints them. */
  readonly path: string | null;
  readonly fresh: boolean;
}

/** Reads the command's options; throws `RangeError` for a value that means nothing. */
export function readSettings(workspace: string, argv: readonly string[]): MutantsSettings {
  const { values } = parseArgs({
    args: argv.filter((arg) => arg !== '--'),
    options: {
      only: { type: 'string' },
      target: { type: 'string' },
      'changed-since': { type: 'string' },
      seeds: { type: 'string' },
      states: { type: 'string' },
      budget: { type: 'string' },
      'mutant-budget': { type: 'string' },
      jobs: { type: 'string' },
      stages: { type: 'string' },
      out: { type: 'string' },
      fresh: { type: 'boolean' },
    },
  });
  const revision = values['changed-since'];
  const chosen = chooseMutants(values.only?.split(','), values.target?.split(','));
  const path = values.out ?? (revision === undefined ? RESULTS_PATH : null);
  return {
    workspace,
    mutants: revision === undefined ? chosen : changedMutants(workspace, revision, chosen),
    stages: readStages(values.stages),
    seedsMax: Number(values.seeds ?? SEEDS_MAX),
    statesMax: Number(values.states ?? STATES_MAX),
    jobs: Math.min(JOBS_MAX, Math.max(1, Number(values.jobs ?? 1))),
    endsAtMs: Date.now() + readMilliseconds('--budget', values.budget ?? '600m'),
    mutantBudgetMs: readMilliseconds('--mutant-budget', values['mutant-budget'] ?? '60m'),
    path: path === null ? null : resolve(workspace, path),
    fresh: values.fresh ?? false,
  };
}

function chooseMutants(only?: readonly string[], targets?: readonly string[]): readonly Mutant[] {
  for (const id of only ?? []) {
    if (!ALL_MUTANTS.some((mutant) => mutant.id === id)) {
      throw new RangeError(`no mutant is called ${id}`);
    }
  }
  const chosen = ALL_MUTANTS.filter(({ id, target }) => {
    return (only?.includes(id) ?? true) && (targets?.includes(target) ?? true);
  });
  if (chosen.length === 0) throw new RangeError(`no mutant has the target ${targets?.join()}`);
  return chosen;
}

function changedMutants(
  workspace: string,
  revision: string,
  mutants: readonly Mutant[],
): readonly Mutant[] {
  const paths = changedPaths(workspace, revision);
  if (paths === null) {
    console.log(`revision ${revision} is not known here: all ${mutants.length} are judged`);
    return mutants;
  }
  const concerned = mutants.filter((mutant) => concernedBy(mutant, paths));
  console.log(
    `${concerned.length} of ${mutants.length} mutants are concerned by what changed since ` +
      `${revision}: ${concerned.map(({ id }) => id).join(', ') || 'none'}`,
  );
  return concerned;
}

function readStages(text: string | undefined): ReadonlySet<Stage> {
  const names = text?.split(',') ?? STAGES;
  const known = STAGES.filter((stage) => names.includes(stage));
  if (known.length !== names.length) {
    throw new RangeError(`--stages "${text}" names others than ${STAGES.join(', ')}`);
  }
  return new Set(known);
}

function readMilliseconds(option: string, text: string): number {
  const found = /^(\d+)(s|m)$/.exec(text);
  if (found === null) throw new RangeError(`${option} "${text}" is not like 90s or 10m`);
  return Number(found[1]) * (found[2] === 'm' ? 60_000 : 1_000);
}
