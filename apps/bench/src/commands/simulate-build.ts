import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const WORKSPACE = fileURLToPath(new URL('../../../../', import.meta.url));
/** `dist` where the compiled command runs, `src` where a test does. */
const FOLDER = fileURLToPath(new URL('../', import.meta.url))
  .split('/')
  .at(-2) as string;
const PROGRAM = /(?<!\.d|\.test|\.e2e|\.bench)\.[jt]s$/;

/**
 * 16 hexadecimal digits that name the code which a seed runs: of every program file of the
 * libraries, and of the file that runs a seed. Equal builds give equal trace hashes for equal
 * seeds; a change that a seed cannot notice (documents, how a summary looks) leaves it as it is.
 */
export function simulationBuild(): string {
  const digest = createHash('sha256');
  const libraries = join(WORKSPACE, 'libs');
  const files = readdirSync(libraries)
    .map((name) => join(libraries, name, FOLDER))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => programsOf(folder));
  const runner = join(WORKSPACE, 'apps/bench', FOLDER, 'commands');
  files.push(...programsOf(runner).filter((path) => path.includes('simulate-worker.')));
  for (const path of files.sort()) {
    digest.update(`${relative(WORKSPACE, path)}\0`);
    digest.update(readFileSync(path));
    digest.update('\0');
  }
  return digest.digest('hex').slice(0, 16);
}

function programsOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return programsOf(path);
    return PROGRAM.test(entry.name) ? [path] : [];
  });
}
