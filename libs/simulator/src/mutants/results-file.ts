import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { MUTANT_TARGETS, type MutantTarget } from './mutant.ts';

/** The verdict on one mutant: a row of `results/mutants.json`. */
export interface MutantRow {
  readonly id: string;
  readonly target: MutantTarget;
  readonly bug: string;
  readonly file: string;
  /** The named tests: file and pattern. */
  readonly script: string;
  /** Null while the script was not run on the mutant as it is. */
  readonly killedByScript: boolean | null;
  /** The first failed test. */
  readonly scriptDetail: string;
  /**
   * The seed whose random run noticed and without the mutant passes: the first when it was found;
   * after a change of product or search the same seed is tried before the others. Null when none
   * of `seedsTried` did.
   */
  readonly killedBySeed: number | null;
  readonly seedsTried: number;
  readonly seedDetail: string;
  /** The invariant that broke in exhaustive exploration; null: not broken, or not explored. */
  readonly killedBySmallScope: string | null;
  /** Of the patch, the patched source and its script: the script's verdict holds while equal. */
  readonly scriptFingerprint: string;
  /** Of the patch and of every source that the search runs: the same for verdicts of searches. */
  readonly searchFingerprint: string;
  /** The commit on which the mutant was last judged, with `+` for changes not yet committed. */
  readonly commit: string;
}

/** The share of mutants killed, of one target or of all. */
export interface KillShares {
  readonly mutants: number;
  /** Of those whose script was run. */
  readonly killedByScriptPercent: number;
  readonly killedBySeedPercent: number;
  readonly killedBySmallScope: number;
}

/** The whole file. */
export interface MutantResults extends KillShares {
  readonly seedsMax: number;
  readonly targets: Readonly<Partial<Record<MutantTarget, KillShares>>>;
  readonly rows: readonly MutantRow[];
}

/** 16 hexadecimal digits of the SHA-256 of a text. */
export function fingerprintOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** The rows of an earlier run; none when there is no file. */
export function readRows(path: string): MutantRow[] {
  if (!existsSync(path)) return [];
  return [...readResults(path).rows];
}

/** The file of an earlier run. */
export function readResults(path: string): MutantResults {
  return JSON.parse(readFileSync(path, 'utf8')) as MutantResults;
}

/** Counts the rows, in total and for each target. */
export function tally(rows: readonly MutantRow[], seedsMax: number): MutantResults {
  const targets = MUTANT_TARGETS.map((target): [MutantTarget, MutantRow[]] => {
    return [target, rows.filter((row) => row.target === target)];
  });
  const judged = targets.filter(([, of]) => of.length > 0).map(([name, of]) => [name, shares(of)]);
  return { seedsMax, ...shares(rows), targets: Object.fromEntries(judged), rows };
}

function shares(rows: readonly MutantRow[]): KillShares {
  const percent = (killed: number, judged: number): number => {
    return judged === 0 ? 0 : Math.round((1000 * killed) / judged) / 10;
  };
  const byScript = rows.filter((row) => row.killedByScript === true).length;
  const bySeed = rows.filter((row) => row.killedBySeed !== null).length;
  const scripts = rows.filter((row) => row.killedByScript !== null).length;
  return {
    mutants: rows.length,
    killedByScriptPercent: percent(byScript, scripts),
    killedBySeedPercent: percent(bySeed, rows.length),
    killedBySmallScope: rows.filter((row) => row.killedBySmallScope !== null).length,
  };
}

/** Writes the file that {@link readRows} reads. */
export function writeResults(path: string, rows: readonly MutantRow[], seedsMax: number): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(tally(rows, seedsMax), null, 2)}\n`);
}
