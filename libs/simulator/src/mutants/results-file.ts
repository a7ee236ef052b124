import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { MutantTarget } from './mutant.ts';

/** The verdict on one mutant: a row of `results/mutants.json`. */
export interface MutantRow {
  readonly id: string;
  readonly target: MutantTarget;
  readonly bug: string;
  readonly file: string;
  /** The named tests: file and pattern. */
  readonly script: string;
  readonly killedByScript: boolean;
  /** The first failed test. */
  readonly scriptDetail: string;
  /** The first seed whose random run noticed; null when none of `seedsTried` did. */
  readonly killedBySeed: number | null;
  readonly seedsTried: number;
  readonly seedDetail: string;
  /** The invariant that broke in exhaustive exploration; null: not broken, or not explored. */
  readonly killedBySmallScope: string | null;
  /** Of the patch, the patched source and its script: the script's verdict holds while equal. */
  readonly scriptFingerprint: string;
  /** Of the patch, the patched source and the search: the same for the verdicts of searches. */
  readonly searchFingerprint: string;
}

/** The whole file. */
export interface MutantResults {
  readonly seedsMax: number;
  readonly mutants: number;
  readonly killedByScriptPercent: number;
  readonly killedBySeedPercent: number;
  readonly killedBySmallScope: number;
  readonly rows: readonly MutantRow[];
}

/** 16 hexadecimal digits of the SHA-256 of a text. */
export function fingerprintOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** The rows of an earlier run; none when there is no file. */
export function readRows(path: string): MutantRow[] {
  if (!existsSync(path)) return [];
  return [...(JSON.parse(readFileSync(path, 'utf8')) as MutantResults).rows];
}

/** Counts the rows and writes the file. */
export function writeResults(
  path: string,
  rows: readonly MutantRow[],
  seedsMax: number,
): MutantResults {
  const percent = (killed: number): number =>
    rows.length === 0 ? 0 : Math.round((1000 * killed) / rows.length) / 10;
  const results: MutantResults = {
    seedsMax,
    mutants: rows.length,
    killedByScriptPercent: percent(rows.filter((row) => row.killedByScript).length),
    killedBySeedPercent: percent(rows.filter((row) => row.killedBySeed !== null).length),
    killedBySmallScope: rows.filter((row) => row.killedBySmallScope !== null).length,
    rows,
  };
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(results, null, 2)}\n`);
  return results;
}
