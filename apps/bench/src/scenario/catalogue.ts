import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../errors.ts';
import { loadScenario } from './load-scenario.ts';

const CATALOGUE = fileURLToPath(new URL('../../../../benchmarks/', import.meta.url));
/** Stories: scenarios that run in the simulator alone and check what they state. */
const STORIES = join(CATALOGUE, 'stories');

/** One scenario of `benchmarks/`. */
export interface CatalogueEntry {
  readonly name: string;
  readonly file: string;
  readonly description: string;
}

/** All scenarios that come with Quorate for real replicas, sorted by name. */
export function listScenarios(): CatalogueEntry[] {
  return entriesOf(CATALOGUE);
}

/** All stories that come with Quorate, sorted by name. */
export function listStories(): CatalogueEntry[] {
  return entriesOf(STORIES);
}

function entriesOf(folder: string): CatalogueEntry[] {
  return scenarioFiles(folder).map((name) => {
    const file = join(folder, name);
    const { scenario } = loadScenario(file);
    return { name: scenario.name, file, description: scenario.description };
  });
}

function scenarioFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .sort();
}

/** The file that a person means: a path, or the name of a scenario of `benchmarks/`. */
export function findScenario(asked: string): string {
  if (existsSync(asked)) return asked;
  const file = asked.endsWith('.yaml') ? asked : `${asked}.yaml`;
  const named = [CATALOGUE, STORIES]
    .map((folder) => join(folder, file))
    .find((one) => existsSync(one));
  if (!asked.includes('/') && named !== undefined) return named;
  const names = [...scenarioFiles(CATALOGUE), ...scenarioFiles(STORIES)];
  const known = names.map((name) => name.replace(/\.yaml$/, '')).join(', ');
  throw new UsageError(`${asked}: there is no such file or scenario; scenarios: ${known}`);
}
