import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitCodeOfFlags } from '../nx-program.ts';
import { ALL_MUTANTS } from './all-mutants.ts';
import { currentCommit } from './changed-since.ts';
import {
  fingerprintTexts,
  runScripts,
  type SearchOutcome,
  searchClean,
  searchMutant,
  searchSmallScope,
} from './kill-mutant.ts';
import { isEngineTarget, type Mutant } from './mutant.ts';
import { MUTANTS_PAGE_PATH, renderMutantsPage } from './mutants-page.ts';
import { type MutantsSettings, RESULTS_PATH, readSettings } from './mutants-settings.ts';
import { fingerprintOf, type MutantRow, readRows, tally, writeResults } from './results-file.ts';
import { WorkspaceCopy } from './workspace-copy.ts';

/** Seeds that must find nothing where nothing is planted. */
const GREEN_SEEDS = 30;
const GREEN_BUDGET_MS = 120_000;
const NOT_SEARCHED: SearchOutcome = { seed: null, seedsTried: 0, detail: '' };

/** `nx run simulator:mutants`: the exit code is 0 when no mutant judged survived its script. */
export async function mutantsMain(workspace: string, argv: readonly string[]): Promise<number> {
  let settings: MutantsSettings;
  try {
    settings = readSettings(workspace, argv);
  } catch (error) {
    return exitCodeOfFlags(error);
  }
  return settings.mutants.length === 0 ? 0 : judgeMutants(workspace, settings);
}

async function judgeMutants(workspace: string, settings: MutantsSettings): Promise<number> {
  const { path, fresh, mutants } = settings;
  const known = new Map(
    path === null || fresh ? [] : readRows(path).map((row): [string, MutantRow] => [row.id, row]),
  );
  const folder = mkdtempSync(join(tmpdir(), 'quorate-mutants-'));
  try {
    const copies = Array.from({ length: settings.jobs }, (_, job) => {
      return new WorkspaceCopy(workspace, join(folder, `job-${job}`));
    });
    if (!(await isSound(copies[0] as WorkspaceCopy, settings))) return 1;
    await judgeAll(copies, known, settings);
  } catch (error) {
    console.error(String(error));
    return 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const judged = new Set(mutants.map(({ id }) => id));
  const rows = ordered(known);
  report(rows, settings);
  if (path === join(workspace, RESULTS_PATH)) {
    const page = renderMutantsPage(tally(rows, settings.seedsMax));
    writeFileSync(join(workspace, MUTANTS_PAGE_PATH), page);
  }
  return rows.some((row) => row.killedByScript === false && judged.has(row.id)) ? 1 : 0;
}

/** Every patch fits, or the misfit ends the run by name; and what must be green is green. */
async function isSound(copy: WorkspaceCopy, settings: MutantsSettings): Promise<boolean> {
  for (const mutant of settings.mutants) copy.apply(mutant);
  copy.revert();
  if (!settings.stages.has('green')) return true;
  return isGreen(copy, settings);
}

async function judgeAll(
  copies: readonly WorkspaceCopy[],
  known: Map<string, MutantRow>,
  settings: MutantsSettings,
): Promise<void> {
  const queue = [...settings.mutants];
  const commit = currentCommit(settings.workspace);
  const work = async (copy: WorkspaceCopy): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (Date.now() >= settings.endsAtMs) return;
      const row = await judge(copy, next, known.get(next.id), settings);
      known.set(row.id, { ...row, commit });
      if (settings.path !== null) writeResults(settings.path, ordered(known), settings.seedsMax);
    }
  };
  await Promise.all(copies.map(work));
}

/** Without any mutant all scripts and searches must pass, or a kill would prove nothing. */
async function isGreen(copy: WorkspaceCopy, settings: MutantsSettings): Promise<boolean> {
  const scripts = settings.mutants.map(({ script }) => script);
  const { passed, failed, detail } = await runScripts(copy, scripts);
  console.log(`without a mutant: ${passed} tests passed, ${failed} failed`);
  if (failed > 0 || passed === 0) {
    console.error(`the suite is not green without a mutant: ${detail}`);
    return false;
  }
  if (!settings.stages.has('seeds')) return true;
  for (const target of new Set(settings.mutants.map((mutant) => mutant.target))) {
    const seeds = { first: 1, last: Math.min(GREEN_SEEDS, settings.seedsMax) };
    const found = await searchClean(copy, target, seeds, GREEN_BUDGET_MS);
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
  settings: MutantsSettings,
): Promise<Omit<MutantRow, 'commit'>> {
  const { stages } = settings;
  const texts = await fingerprintTexts(copy, mutant);
  const scriptFingerprint = fingerprintOf(texts.script);
  const searchFingerprint = fingerprintOf(texts.search);
  const oldScript = before?.scriptFingerprint === scriptFingerprint ? before : undefined;
  const oldSearch = before?.searchFingerprint === searchFingerprint ? before : undefined;
  const by = { script: oldScript?.killedByScript ?? null, detail: oldScript?.scriptDetail ?? '' };
  if (by.script !== true && stages.has('script')) {
    copy.apply(mutant);
    const outcome = await runScripts(copy, [mutant.script]);
    copy.revert();
    by.script = outcome.failed > 0;
    by.detail = outcome.detail;
  }
  const found = stages.has('seeds')
    ? await searchFrom(copy, mutant, { before, holds: oldSearch !== undefined }, settings)
    : outcomeOf(oldSearch);
  let scope = oldSearch?.killedBySmallScope ?? null;
  if (scope === null && stages.has('small-scope') && isEngineTarget(mutant.target)) {
    copy.apply(mutant);
    scope = await searchSmallScope(copy, mutant.target, settings.statesMax);
    copy.revert();
  }
  const row = {
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
  console.log(lineOf(row, stages));
  return row;
}

/**
 * Goes on where an old verdict ended. When product or search changed since, the verdict of a
 * survivor is worth nothing; a kill is tried again by its own seed first, which is one run instead
 * of as many as lie before it.
 */
async function searchFrom(
  copy: WorkspaceCopy,
  mutant: Mutant,
  old: { readonly before: MutantRow | undefined; readonly holds: boolean },
  settings: MutantsSettings,
): Promise<SearchOutcome> {
  const { seedsMax, mutantBudgetMs, endsAtMs } = settings;
  const before = outcomeOf(old.before);
  const leftMs = Math.max(1, Math.min(mutantBudgetMs, endsAtMs - Date.now()));
  if (before.seed !== null && before.seed <= seedsMax && !old.holds) {
    const again = { first: before.seed, last: before.seed };
    const found = await searchMutant(copy, mutant, again, leftMs);
    if (found.seed !== null) return found;
  }
  const start = old.holds ? before : NOT_SEARCHED;
  if (start.seed !== null || start.seedsTried >= seedsMax) return start;
  const seeds = { first: start.seedsTried + 1, last: seedsMax };
  return searchMutant(copy, mutant, seeds, leftMs);
}

function outcomeOf(row: MutantRow | undefined): SearchOutcome {
  if (row === undefined) return NOT_SEARCHED;
  return { seed: row.killedBySeed, seedsTried: row.seedsTried, detail: row.seedDetail };
}

function lineOf(row: Omit<MutantRow, 'commit'>, stages: MutantsSettings['stages']): string {
  const parts: string[] = [];
  if (row.killedByScript) parts.push('killed by script');
  else if (stages.has('script')) parts.push('SURVIVES ITS SCRIPT');
  if (row.killedBySeed !== null) parts.push(`seed ${row.killedBySeed}: ${row.seedDetail}`);
  else if (stages.has('seeds')) parts.push(`no seed of ${row.seedsTried}`);
  if (row.killedBySmallScope !== null) parts.push('small scope');
  return `${row.id}: ${parts.join(', ')}`;
}

/** In the order of the list; rows of mutants that are gone are dropped. */
function ordered(rows: ReadonlyMap<string, MutantRow>): MutantRow[] {
  return ALL_MUTANTS.map(({ id }) => rows.get(id)).filter((row) => row !== undefined);
}

function report(rows: readonly MutantRow[], settings: MutantsSettings): void {
  const results = tally(rows, settings.seedsMax);
  const { stages } = settings;
  const parts = [`${results.mutants} of ${ALL_MUTANTS.length} mutants judged`];
  parts.push(`${results.killedByScriptPercent} % killed by script`);
  parts.push(`${results.killedBySeedPercent} % by random search within ${settings.seedsMax} seeds`);
  parts.push(`${results.killedBySmallScope} by small scope`);
  console.log(parts.join(', '));
  const names = (survive: (row: MutantRow) => boolean): string => {
    return rows
      .filter(survive)
      .map(({ id }) => id)
      .join(', ');
  };
  const script = names((row) => row.killedByScript === false);
  const seeds = names((row) => row.killedBySeed === null);
  if (script !== '' && stages.has('script')) console.log(`survive their script: ${script}`);
  if (seeds !== '' && stages.has('seeds')) console.log(`survive the seeds: ${seeds}`);
}
