// Bundles one entry with the sources that it imports into one file of JavaScript, so that a program
// of this folder runs from the sources as they stand, as tests do: nothing is built before and
// nothing can be stale. The bundler is the one that the test runner brings along.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const WORKSPACE = join(fileURLToPath(import.meta.url), '..', '..', '..', '..');

export async function bundle(entry, output) {
  const vitest = createRequire(join(WORKSPACE, 'node_modules', 'vitest', 'package.json'));
  const vite = createRequire(vitest.resolve('vite'));
  const { rolldown } = await import(pathToFileURL(vite.resolve('rolldown')).href);
  const made = await rolldown({
    input: entry,
    platform: 'node',
    resolve: { conditionNames: ['source', 'node', 'import', 'default'] },
    external: (name) => !/^(@quorate\/|\.|\/)/.test(name),
    logLevel: 'silent',
  });
  await made.write({ file: output, format: 'esm', sourcemap: 'inline' });
  await made.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundle(process.argv[2], process.argv[3]);
}
