import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Mutant, MutantScript, MutantTarget } from './mutant.ts';
import { runNode } from './run-child.ts';
import type { WorkspaceCopy } from './workspace-copy.ts';

/** A test run that prints nothing for so long hangs. */
const SCRIPT_SILENCE_MS = 120_000;
/** A seed takes far less than this, also on a busy machine. */
const SEED_SILENCE_MS = 60_000;

/** What a run of named tests found. */
export interface ScriptOutcome {
  readonly passed: number;
  readonly failed: number;
  /** The first failed test, or why the run says nothing; empty when all passed. */
  readonly detail: string;
}

/** What a search by seeds found. */
export interface SearchOutcome {
  /** The first seed that noticed; null when none did. */
  readonly seed: number | null;
  readonly seedsTried: number;
  /** What the seed noticed, one line. */
  readonly detail: string;
}

/** Which program searches by seeds for bugs of a target. */
const SEARCHES: Readonly<Record<MutantTarget, string>> = {
  raft: 'search-engine.mjs',
  'multi-paxos': 'search-engine.mjs',
  zab: 'search-engine.mjs',
  wal: 'search-storage.mjs',
  'snapshot-store': 'search-storage.mjs',
  replica: 'search-host.mjs',
  kv: 'search-host.mjs',
  client: 'search-host.mjs',
  linearizability: 'search-checker.mjs',
};

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** Runs the named tests in the copy, as it stands. */
export async function runScripts(
  copy: WorkspaceCopy,
  scripts: readonly MutantScript[],
): Promise<ScriptOutcome> {
  const report = join(copy.root, 'script-report.json');
  rmSync(report, { force: true });
  const files = [...new Set(scripts.map(({ file }) => file))];
  const names = [...new Set(scripts.map(({ test }) => `(${test})`))].join('|');
  const args = ['run', '--root', copy.root, '--project', 'unit', ...files, '-t', names];
  args.push('--reporter=json', `--outputFile=${report}`, '--reporter=dot', '--maxWorkers=1');
  const vitest = join(copy.root, 'node_modules/vitest/vitest.mjs');
  const end = await runNode(vitest, args, { cwd: copy.root, silenceMs: SCRIPT_SILENCE_MS });
  if (end.silent) return { passed: 0, failed: 1, detail: 'the tests never ended' };
  if (!existsSync(report)) return { passed: 0, failed: 0, detail: end.output.slice(-2000) };
  const found = JSON.parse(readFileSync(report, 'utf8')) as VitestReport;
  const { numPassedTests: passed, numFailedTests: failed, testResults } = found;
  const failures = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'failed');
  const broken = testResults.find(({ message }) => message !== '')?.message ?? '';
  // A file that cannot be loaded proves nothing: only a failed test kills.
  return { passed, failed, detail: failures[0]?.fullName ?? broken.slice(0, 2000) };
}

/** Seeds in order, both ends included. */
export interface SeedRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Searches by seeds in the copy, mutant in, within `budgetMs`; the copy comes back without it. A
 * seed that fails without the mutant too proves nothing: it is named on the error stream and the
 * search goes on behind it.
 */
export async function searchMutant(
  copy: WorkspaceCopy,
  mutant: Mutant,
  seeds: SeedRange,
  budgetMs: number,
): Promise<SearchOutcome> {
  const { target } = mutant;
  const endsAtMs = Date.now() + budgetMs;
  const clean = await cleanSearch(copy, target);
  copy.apply(mutant);
  const patched = await bundleSearch(copy, target, 'patched');
  copy.revert();
  for (let first = seeds.first; ; ) {
    const leftMs = Math.max(1, endsAtMs - Date.now());
    const found = await runSearch(copy, patched, target, { first, last: seeds.last }, leftMs);
    if (found.seed === null) return found;
    const alone = { first: found.seed, last: found.seed };
    const healthy = await runSearch(copy, clean, target, alone, SEED_SILENCE_MS);
    if (healthy.seed === null && healthy.seedsTried === found.seed) return found;
    console.error(`seed ${found.seed} of ${target} fails without a mutant: ${healthy.detail}`);
    first = found.seed + 1;
    if (first > seeds.last) return { seed: null, seedsTried: seeds.last, detail: '' };
  }
}

/** Searches by seeds in the copy as it stands, no mutant in. */
export async function searchClean(
  copy: WorkspaceCopy,
  target: MutantTarget,
  seeds: SeedRange,
  budgetMs: number,
): Promise<SearchOutcome> {
  return runSearch(copy, await cleanSearch(copy, target), target, seeds, budgetMs);
}

/** The bundled search over sources without a mutant, made once a copy. */
async function cleanSearch(copy: WorkspaceCopy, target: MutantTarget): Promise<string> {
  const built = join(copy.root, `clean-${SEARCHES[target]}`);
  return existsSync(built) ? built : bundleSearch(copy, target, 'clean');
}

async function bundleSearch(
  copy: WorkspaceCopy,
  target: MutantTarget,
  prefix: 'clean' | 'patched',
): Promise<string> {
  const bin = join(copy.root, 'libs/simulator/bin');
  const built = join(copy.root, `${prefix}-${SEARCHES[target]}`);
  const bundled = await runNode(join(bin, 'bundle.mjs'), [join(bin, SEARCHES[target]), built], {
    cwd: copy.root,
    silenceMs: SEED_SILENCE_MS,
  });
  if (bundled.code !== 0) throw new Error(`the search does not compile: ${bundled.output}`);
  return built;
}

async function runSearch(
  copy: WorkspaceCopy,
  program: string,
  target: MutantTarget,
  seeds: SeedRange,
  budgetMs: number,
): Promise<SearchOutcome> {
  let tried = seeds.first - 1;
  let seed: number | null = null;
  let detail = '';
  const line = (text: string): void => {
    const found = /^(tries|killed) (\d+) ?(.*)$/.exec(text);
    if (found === null) return;
    if (found[1] === 'tries') tried = Number(found[2]);
    else {
      seed = Number(found[2]);
      detail = found[3] ?? '';
    }
  };
  const args = ['--target', target, '--first', String(seeds.first), '--last', String(seeds.last)];
  args.push('--budget-ms', String(budgetMs));
  const end = await runNode(program, args, { cwd: copy.root, silenceMs: SEED_SILENCE_MS, line });
  if (end.silent) return { seed: tried, seedsTried: tried, detail: 'the run never ended' };
  if (end.code !== 0) throw new Error(`the search broke down: ${end.output.slice(-2000)}`);
  return { seed, seedsTried: tried, detail };
}

/** Explores the target's small scope in the copy; the broken invariant, or null. */
export async function searchSmallScope(
  copy: WorkspaceCopy,
  target: MutantTarget,
  statesMax: number,
): Promise<string | null> {
  const bin = join(copy.root, 'libs/simulator/bin');
  const built = join(copy.root, 'small-scope.mjs');
  const bundled = await runNode(join(bin, 'bundle.mjs'), [join(bin, 'explore.mjs'), built], {
    cwd: copy.root,
    silenceMs: SEED_SILENCE_MS,
  });
  if (bundled.code !== 0) throw new Error(`the search does not compile: ${bundled.output}`);
  let violation: string | null = null;
  const line = (text: string): void => {
    if (text.startsWith('violation ')) violation = text.slice('violation '.length);
  };
  const args = ['--protocol', target, '--states', String(statesMax)];
  const end = await runNode(built, args, { cwd: copy.root, silenceMs: SEED_SILENCE_MS, line });
  return end.silent ? 'the exploration never ended' : violation;
}

/** What must be equal for an old verdict of a mutant's script, or of its search, to hold. */
export async function fingerprintTexts(
  copy: WorkspaceCopy,
  mutant: Mutant,
): Promise<{ script: string; search: string }> {
  const { file, find, replace, script, target } = mutant;
  const patch = [file, find, replace];
  const read = (path: string): string => readFileSync(join(copy.root, path), 'utf8');
  // The bundle holds every source that the search runs, product and simulator alike.
  const search = readFileSync(await cleanSearch(copy, target), 'utf8');
  const [program = ''] = search.split('//# sourceMappingURL=');
  return {
    script: [...patch, read(file), JSON.stringify(script), read(script.file)].join('\n'),
    search: [...patch, program.replaceAll(copy.root, '')].join('\n'),
  };
}
