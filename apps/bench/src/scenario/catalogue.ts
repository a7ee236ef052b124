import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../errors.ts';
import { loadScenario } from './load-scenario.ts';

const CATALOGUE = fileURLToPath(new URL('../../../../benchmarks/', import.meta.url));

/** One scenario of `benchmarks/`. */
export interface CatalogueEntry {
  readonly name: string;
  readonly file: string;
  readonly description: string;
}

/** All scenarios that come with Quorate, sorted by name. */
export function listScenarios(): CatalogueEntry[] {
  return readdirSync(CATALOGUE)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => {
      const file = join(CATALOGUE, name);
      const { scenario } = loadScenario(file);
      return { name: scenario.name, file, description: scenario.description };
    });
}

/** The file that a person means: a path, or the name of a scenario of `benchmarks/`. */
export function findScenario(asked: string): string {
  if (existsSync(asked)) return asked;
  const named = join(CATALOGUE, asked.endsWith('.yaml') ? asked : `${asked}.yaml`);
  if (!asked.includes('/') && existsSync(named)) return named;
  const names = readdirSync(CATALOGUE).filter((name) => name.endsWith('.yaml'));
  const known = names.map((name) => name.replace(/\.yaml$/, '')).join(', ');
  throw new UsageError(`${asked}: there is no such file or scenario; scenarios: ${known}`);
}
