import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ALL_MUTANTS } from './all-mutants.ts';
import { fingerprintTexts, runScripts, searchBySeeds, searchSmallScope } from './kill-mutant.ts';
import type { Mutant } from './mutant.ts';
import { fingerprintOf, type MutantRow, readRows, writeResults } from './results-file.ts';
import { WorkspaceCopy } from './workspace-copy.ts';

/** Random runs for each mutant, the same for all engines. */
const SEEDS_MAX = 2_000;
/** Distinct states explored for each engine mutant. */
const STATES_MAX = 150_000;
const ENGINES: ReadonlySet<string> = new Set(['raft', 'multi-paxos', 'zab']);
const JOBS_MAX = 16;
/** Seeds that must find nothing where nothing is planted. */
const GREEN_SEEDS = 30;
const GREEN_BUDGET_MS = 120_000;

interface Settings {
  readonly workspace: string;
  readonly mutants: readonly Mutant[];
  readonly stages: ReadonlySet<string>;
  readonly seedsMax: number;
  readonly statesMax: number;
  readonly jobs: number;
  /** When no further mutant is begun, by the process's clock. */
  readonly endsAtMs: number;
  readonly path: string;
  readonly fresh: boolean;
}

/** `nx run simulator:mutants`: the exit code is 0 when every mutant was killed by its script. */
export async function mutantsMain(workspace: string, argv: readonly string[]): Promise<number> {
  const settings = readSettings(workspace, argv);
  const known = new Map(settings.fresh ? [] : readRows(settings.path).map((row) => [row.id, row]));
  const queue = [...settings.mutants];
  const folder = mkdtempSync(join(tmpdir(), 'quorate-mutants-'));
  const copies = Array.from({ length: settings.jobs }, (_, job) => {
    return new WorkspaceCopy(workspace, join(folder, `job-${job}`));
  });
  const first = copies[0];
  if (first === undefined) return 64;
  let misfits = 0;
  try {
    for (const mutant of settings.mutants) first.apply(mutant); // A misfit ends the run by name.
    first.revert();
    if (settings.stages.has('green') && !(await isGreen(first, settings))) return 1;
    const work = async (copy: WorkspaceCopy): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        if (Date.now() >= settings.endsAtMs) return;
        const row = await judge(copy, next, known.get(next.id), settings);
        known.set(row.id, row);
        writeResults(settings.path, ordered(known), settings.seedsMax);
      }
    };
    await Promise.all(copies.map(work));
  } catch (error) {
    misfits++;
    console.error(String(error));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const complete = report(ordered(known), settings);
  return misfits === 0 && complete ? 0 : 1;
}

function readSettings(workspace: string, argv: readonly string[]): Settings {
  const { values } = parseArgs({
    args: argv.filter((arg) => arg !== '--'),
    options: {
      only: { type: 'string' },
      target: { type: 'string' },
      seeds: { type: 'string' },
      states: { type: 'string' },
      budget: { type: 'string' },
      jobs: { type: 'string' },
      stages: { type: 'string' },
      out: { type: 'string' },
      fresh: { type: 'boolean' },
    },
  });
  const only = values.only?.split(',');
  const targets = values.target?.split(',');
  const mutants = ALL_MUTANTS.filter(
    ({ id, target }) => (only?.includes(id) ?? true) && (targets?.includes(target) ?? true),
  );
  if (mutants.length === 0) throw new RangeError(`no mutant is called ${values.only}`);
  return {
    workspace,
    mutants,
    stages: new Set((values.stages ?? 'green,script,seeds,small-scope').split(',')),
    seedsMax: Number(values.seeds ?? SEEDS_MAX),
    statesMax: Number(values.states ?? STATES_MAX),
    jobs: Math.min(JOBS_MAX, Math.max(1, Number(values.jobs ?? 1))),
    endsAtMs: Date.now() + budgetMs(values.budget ?? '600m'),
    path: resolve(workspace, values.out ?? 'results/mutants.json'),
    fresh: values.fresh ?? false,
  };
}

function budgetMs(text: string): number {
  const found = /^(\d+)(s|m)$/.exec(text);
  if (found === null) throw new RangeError(`--budget "${text}" is not like 90s or 10m`);
  return Number(found[1]) * (found[2] === 'm' ? 60_000 : 1_000);
}

/** Without any mutant all scripts and searches must pass, or a kill would prove nothing. */
async function isGreen(copy: WorkspaceCopy, settings: Settings): Promise<boolean> {
  const scripts = settings.mutants.map(({ script }) => script);
  const { passed, failed, detail } = await runScripts(copy, scripts);
  console.log(`without a mutant: ${passed} tests passed, ${failed} failed`);
  if (failed > 0 || passed === 0) {
    console.error(`the suite is not green without a mutant: ${detail}`);
    return false;
  }
  for (const target of new Set(settings.mutants.map((mutant) => mutant.target))) {
    const seeds = { first: 1, last: Math.min(GREEN_SEEDS, settings.seedsMax) };
    const found = await searchBySeeds(copy, target, seeds, GREEN_BUDGET_MS);
    if (found.seed === null) continue;
    console.error(`without a mutant, seed ${found.seed} of ${target} fails: ${found.detail}`);
    return false;
  }
  return true;
}

async function judge(
  copy: WorkspaceCopy,
  mutant: Mutant,
  before: MutantRow | undefined,
  settings: Settings,
): Promise<MutantRow> {
  const { stages, seedsMax } = settings;
  const texts = fingerprintTexts(copy.root, mutant);
  const scriptFingerprint = fingerprintOf(texts.script);
  const searchFingerprint = fingerprintOf(texts.search);
  const oldScript = before?.scriptFingerprint === scriptFingerprint ? before : null;
  const oldSearch = before?.searchFingerprint === searchFingerprint ? before : null;
  copy.apply(mutant);
  const by = { script: oldScript?.killedByScript ?? false, detail: oldScript?.scriptDetail ?? '' };
  if (!by.script && stages.has('script')) {
    const outcome = await runScripts(copy, [mutant.script]);
    by.script = outcome.failed > 0;
    by.detail = outcome.detail;
  }
  let found = {
    seed: oldSearch?.killedBySeed ?? null,
    seedsTried: oldSearch?.seedsTried ?? 0,
    detail: oldSearch?.seedDetail ?? '',
  };
  if (found.seed === null && found.seedsTried < seedsMax && stages.has('seeds')) {
    const leftMs = Math.max(1, settings.endsAtMs - Date.now());
    const seeds = { first: found.seedsTried + 1, last: seedsMax };
    found = await searchBySeeds(copy, mutant.target, seeds, leftMs);
  }
  let scope = oldSearch?.killedBySmallScope ?? null;
  if (scope === null && stages.has('small-scope') && ENGINES.has(mutant.target)) {
    scope = await searchSmallScope(copy, mutant.target, settings.statesMax);
  }
  copy.revert();
  const row: MutantRow = {
    id: mutant.id,
    target: mutant.target,
    bug: mutant.bug,
    file: mutant.file,
    script: `${mutant.script.file} -t "${mutant.script.test}"`,
    killedByScript: by.script,
    scriptDetail: by.detail,
    killedBySeed: found.seed,
    seedsTried: found.seedsTried,
    seedDetail: found.detail,
    killedBySmallScope: scope,
    scriptFingerprint,
    searchFingerprint,
  };
  console.log(lineOf(row));
  return row;
}

function lineOf(row: MutantRow): string {
  const script = row.killedByScript ? 'killed by script' : 'SURVIVES ITS SCRIPT';
  const seed =
    row.killedBySeed === null ? `no seed of ${row.seedsTried}` : `seed ${row.killedBySeed}`;
  const scope = row.killedBySmallScope === null ? '' : ', small scope';
  return `${row.id}: ${script}, ${seed}${scope}`;
}

/** In the order of the list; rows of mutants that are gone are dropped. */
function ordered(rows: ReadonlyMap<string, MutantRow>): MutantRow[] {
  return ALL_MUTANTS.map(({ id }) => rows.get(id)).filter((row) => row !== undefined);
}

function report(rows: readonly MutantRow[], settings: Settings): boolean {
  const results = writeResults(settings.path, rows, settings.seedsMax);
  const survivors = rows.filter((row) => !row.killedByScript).map(({ id }) => id);
  console.log(
    `${results.mutants} of ${ALL_MUTANTS.length} mutants judged: ` +
      `${results.killedByScriptPercent} % killed by script, ` +
      `${results.killedBySeedPercent} % by random search within ${settings.seedsMax} seeds, ` +
      `${results.killedBySmallScope} by small scope`,
  );
  if (survivors.length > 0) console.log(`survive their script: ${survivors.join(', ')}`);
  return survivors.length === 0;
}
