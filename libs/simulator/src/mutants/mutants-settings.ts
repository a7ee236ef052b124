import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { nxProgram, wholeNumber } from '../nx-program.ts';
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

const EXAMPLES = `
Examples:
  npx nx run simulator:mutants -- --jobs 2
  npx nx run simulator:mutants -- --only zab-joins-older-epoch --seeds 20000 --out /tmp/one.json
  npx nx run simulator:mutants -- --target wal --stages green,script
  npx nx run simulator:mutants -- --changed-since HEAD~1 --stages green,script

Each mutant is one bug, planted in a temporary copy. Verdicts that still hold for the sources as
they stand are kept, so an interrupted command goes on where it was.
Exit codes: 0 no mutant judged survived its script · 1 one did, or the suite fails without any ·
64 bad flags.`;

interface Flags {
  readonly only?: string[];
  readonly target?: string[];
  readonly changedSince?: string;
  readonly seeds: number;
  readonly states: number;
  readonly budget: number;
  readonly mutantBudget: number;
  readonly jobs: number;
  readonly stages: ReadonlySet<Stage>;
  readonly out?: string;
  readonly fresh: boolean;
}

/**
 * Reads the command's options; throws commander's error, said already, or `RangeError` for a value
 * that means nothing.
 */
export function readSettings(workspace: string, argv: readonly string[]): MutantsSettings {
  const flags = program()
    .parse(
      argv.filter((arg) => arg !== '--'),
      { from: 'user' },
    )
    .opts<Flags>();
  const { changedSince: revision } = flags;
  const chosen = chooseMutants(flags.only, flags.target);
  const path = flags.out ?? (revision === undefined ? RESULTS_PATH : null);
  return {
    workspace,
    mutants: revision === undefined ? chosen : changedMutants(workspace, revision, chosen),
    stages: flags.stages,
    seedsMax: flags.seeds,
    statesMax: flags.states,
    jobs: Math.min(JOBS_MAX, flags.jobs),
    endsAtMs: Date.now() + flags.budget,
    mutantBudgetMs: flags.mutantBudget,
    path: path === null ? null : resolve(workspace, path),
    fresh: flags.fresh,
  };
}

function program(): Command {
  const list = (text: string): string[] => text.split(',');
  const time = (flag: string, what: string, usual: string): Option => {
    return new Option(flag, what)
      .argParser(readMilliseconds)
      .default(readMilliseconds(usual), usual);
  };
  const stages = STAGES.join(',');
  return nxProgram('simulator:mutants', 'Plants bugs one by one and says what finds them.')
    .option('--only <ids>', 'these mutants alone', list)
    .option('--target <names>', 'mutants of these parts alone, like raft,wal', list)
    .option('--changed-since <revision>', 'those alone that what changed since concerns')
    .addOption(
      new Option('--stages <names>', 'what is done')
        .argParser(readStages)
        .default(readStages(stages), stages),
    )
    .option('--seeds <n>', 'random runs for each mutant', wholeNumber, SEEDS_MAX)
    .option('--states <n>', 'distinct states for each engine mutant', wholeNumber, STATES_MAX)
    .option('--jobs <n>', `mutants side by side, at most ${JOBS_MAX}`, wholeNumber, 1)
    .addOption(time('--budget <time>', 'begin no mutant after this', '600m'))
    .addOption(time('--mutant-budget <time>', 'the longest search for one mutant', '60m'))
    .option('--out <file>', `where results stand (${RESULTS_PATH})`)
    .option('--fresh', 'judge all anew', false)
    .addHelpText('after', EXAMPLES);
}

function chooseMutants(only?: readonly string[], targets?: readonly string[]): readonly Mutant[] {
  for (const id of only ?? []) {
    if (!ALL_MUTANTS.some((mutant) => mutant.id === id)) {
      throw new RangeError(`no mutant is called ${id}; allowed are ${allIds()}`);
    }
  }
  const chosen = ALL_MUTANTS.filter(({ id, target }) => {
    return (only?.includes(id) ?? true) && (targets?.includes(target) ?? true);
  });
  if (chosen.length === 0) {
    throw new RangeError(`no mutant has the target ${targets?.join()}; known: ${allTargets()}`);
  }
  return chosen;
}

function allIds(): string {
  return ALL_MUTANTS.map(({ id }) => id).join(', ');
}

function allTargets(): string {
  return [...new Set(ALL_MUTANTS.map(({ target }) => target))].join(', ');
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

function readStages(text: string): ReadonlySet<Stage> {
  const names = text.split(',');
  const known = STAGES.filter((stage) => names.includes(stage));
  if (known.length !== names.length) {
    throw new InvalidArgumentError(`Allowed are ${STAGES.join(', ')}.`);
  }
  return new Set(known);
}

function readMilliseconds(text: string): number {
  const found = /^(\d+)(s|m)$/.exec(text);
  if (found === null) throw new InvalidArgumentError('It must be like 90s or 10m.');
  return Number(found[1]) * (found[2] === 'm' ? 60_000 : 1_000);
}
