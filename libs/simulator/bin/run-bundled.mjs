// Imports the bundle of an entry, made in a temporary folder that goes with the process.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundle, WORKSPACE } from './bundle.mjs';

export async function importBundled(entry) {
  // Inside the workspace, so that packages outside of the bundle are found.
  const folder = mkdtempSync(join(WORKSPACE, 'node_modules', '.quorate-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const output = join(folder, 'bundle.mjs');
  await bundle(join(WORKSPACE, entry), output);
  return import(pathToFileURL(output).href);
}
