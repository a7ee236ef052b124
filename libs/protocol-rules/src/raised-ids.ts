import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A name of the safety net as it stands in a source: a string of its own. */
const ID = /'((?:[CRPZKSV])\d{1,2})'/g;

/** The invariants that a source names, sorted. */
export function idsIn(source: string): string[] {
  return [...new Set([...source.matchAll(ID)].map(([, id]) => id as string))].sort();
}

/** The invariants that files of this folder can raise, found in their text, sorted. */
export function raisedIn(names: readonly string[]): string[] {
  const sources = names.map((name) => {
    return readFileSync(join(import.meta.dirname, `${name}.ts`), 'utf8');
  });
  return idsIn(sources.join('\n'));
}
