import { ALL_MUTANTS } from './all-mutants.ts';
import type { KillShares, MutantResults, MutantRow } from './results-file.ts';

/** Where the page stands, from the workspace's root. */
export const MUTANTS_PAGE_PATH = 'docs/internals/mutants.md';

/** Why random search does not reach a mutant; what is not named here is a hole to be closed. */
export const SURVIVAL_REASONS: Readonly<Record<string, string>> = {
  'wal-chain-not-checked':
    'On a disk that keeps its word zeros cover every stale batch. It takes a lost write of ' +
    'zeros, and a batch that ends exactly at a block boundary in front of an old one.',
  'mp-asks-the-ignorant-again':
    'Two replicas must be behind, one of them must miss an answer of the leader, and no write ' +
    'may follow. About one seed in four thousand does that: 3693 found the bug itself.',
  'zab-joins-older-epoch':
    'It takes two discoveries in a row that end before a quorum has accepted their epochs, and ' +
    'then a leader whose quorum holds nobody who accepted one: five servers, and two crashes ' +
    'within the time of a message each.',
};

/** Mutants that were taken out because nobody could ever see a difference, and why. */
const EQUIVALENT: readonly (readonly [string, string])[] = [
  [
    'mp-counts-own-promise-early',
    'PREPARE leaves when the own promise is durable, so no other promise comes before it is; ' +
      'replaced by `mp-prepare-before-durable`, which breaks just that.',
  ],
  [
    'zab-completion-survives-truncation',
    'A server leads after its vote has left, which waits for every write before it, so none is ' +
      'outstanding when its own log counts; replaced by `zab-current-epoch-not-logged`.',
  ],
];

/** The page of the results in Markdown: a pure function of `results/mutants.json`. */
export function renderMutantsPage(results: MutantResults): string {
  const { rows, seedsMax, targets } = results;
  const survivors = rows.filter(({ killedBySeed }) => killedBySeed === null);
  return [
    '# What finds planted bugs',
    '',
    'Generated from `results/mutants.json` by `npx nx run simulator:mutants`; a test compares.',
    'Each mutant is one bug put back into the sources. Its script must fail on it; random search',
    `has ${seedsMax} seeds, the same for every mutant, and a kill counts only when the seed passes`,
    'without the mutant. How it works: [the simulator](simulator.md#mutants).',
    '',
    ...openLines(rows, seedsMax),
    '| Target | Mutants | Killed by script | By random search | By small scope |',
    '|---|---|---|---|---|',
    ...Object.entries(targets).map(([target, shares]) => shareLine(target, shares)),
    shareLine('all', results),
    '',
    '## Not found by random search',
    '',
    ...survivorLines(survivors, seedsMax),
    '',
    '## Left out: no difference to be seen',
    '',
    '| Mutant | Why |',
    '|---|---|',
    ...EQUIVALENT.map(([id, reason]) => `| ${id} | ${reason} |`),
    '',
  ].join('\n');
}

/** What a run that was cut short has not judged yet. */
function openLines(rows: readonly MutantRow[], seedsMax: number): string[] {
  const open = [
    [ALL_MUTANTS.length - rows.length, 'mutants are not judged yet.'],
    [rows.filter((row) => row.killedByScript === null).length, 'scripts are not run yet.'],
    [
      rows.filter((row) => row.killedBySeed === null && row.seedsTried < seedsMax).length,
      `mutants were not found and have seeds left of their ${seedsMax}.`,
    ],
  ] as const;
  return open.flatMap(([count, text]) => (count > 0 ? [`${count} ${text}`, ''] : []));
}

function shareLine(name: string, shares: KillShares): string {
  const { mutants, killedByScriptPercent, killedBySeedPercent, killedBySmallScope } = shares;
  const percents = `${killedByScriptPercent} % | ${killedBySeedPercent} %`;
  return `| ${name} | ${mutants} | ${percents} | ${killedBySmallScope} |`;
}

function survivorLines(survivors: readonly MutantRow[], seedsMax: number): string[] {
  if (survivors.length === 0) return ['None.'];
  const lines = survivors.map(({ id, seedsTried }) => {
    const open = seedsTried < seedsMax ? 'The search was cut short.' : 'Not known yet: a hole.';
    const reason = SURVIVAL_REASONS[id] ?? open;
    return `| ${id} | ${seedsTried} | ${reason} |`;
  });
  return ['| Mutant | Seeds tried | Why |', '|---|---|---|', ...lines];
}
