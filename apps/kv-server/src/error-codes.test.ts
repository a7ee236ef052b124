import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CLIENT_ERRORS } from '@quorate/client';
import { describe, expect, it } from 'vitest';
import { API_ERRORS } from './service.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const LIBRARY_CODE = /'([A-Z]+_ERR_[A-Z_]+)'/g;

const page = (name: string): string => readFileSync(`${ROOT}docs/reference/${name}`, 'utf8');

/** The codes that stand first in a row of a table below a heading. */
function listed(text: string): string[] {
  return [...text.matchAll(/^\| +`([A-Za-z_]+)` +\|/gm)].map(([, code = '']) => code).sort();
}

/** Every code in the sources of the libraries and the server, tests left out. */
function inSources(): string[] {
  const folders = readdirSync(`${ROOT}libs`).map((name) => `${ROOT}libs/${name}/src`);
  const codes = new Set<string>();
  for (const folder of [...folders, `${ROOT}apps/kv-server/src`]) {
    for (const name of readdirSync(folder)) {
      if (!name.endsWith('.ts') || name.endsWith('.test.ts') || name.endsWith('.e2e.ts')) continue;
      const text = readFileSync(`${folder}/${name}`, 'utf8');
      for (const [, code = ''] of text.matchAll(LIBRARY_CODE)) codes.add(code);
    }
  }
  return [...codes].sort();
}

describe('the pages of error codes', () => {
  const [libraries = '', client = ''] = page('errors.md').split('\n## Client\n');

  it('list each code of the libraries and the server, and no other', () => {
    expect(listed(libraries)).toEqual(inSources());
  });

  it('list each code of the client with whether it is definite', () => {
    const rows = [...client.matchAll(/^\| +`(\w+)` +\| +(yes|no) +\|/gm)];
    const seen = rows.map(([, code, definite]) => [code, definite === 'yes' ? 'none' : 'unknown']);
    expect(Object.fromEntries(seen)).toEqual({ ...CLIENT_ERRORS });
  });

  it('list each code of the HTTP API with its status and outcome', () => {
    const rows = [
      ...page('http-api.md').matchAll(/^\| +(\d{3}) +\| +`(\w+)` +\| +(none|unknown) +\|/gm),
    ];
    const seen = rows.map(([, status, code, outcome]) => [
      code,
      { status: Number(status), outcome },
    ]);
    expect(Object.fromEntries(seen)).toEqual(API_ERRORS);
  });
});
