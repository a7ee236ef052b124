import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AWAITED_FEATURES } from '@quorate/engine-testkit';
import { describe, expect, it } from 'vitest';
import { INVARIANTS, invariantsMarkdown } from './invariants.ts';
import { idsIn } from './raised-ids.ts';

const ROOT = join(import.meta.dirname, '../../..');
const PAGE = join(ROOT, 'docs/internals/invariants.md');

/** How many invariants each series of the safety net has, numbered from 1. */
const SERIES = { C: 13, R: 15, P: 12, Z: 14, K: 6, W: 10, L: 5, F: 3, M: 6, S: 7, V: 5 };

/** Where ids are raised: every source there, tests aside. */
const FOLDERS = [
  'libs/protocol-rules/src',
  'libs/simulator/src/host-level',
  'libs/simulator/src/engine-level',
  'libs/engine-testkit/src',
  'apps/bench/src/commands',
];

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const sources = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => `${folder}/${name}`),
);

describe('the table of invariants', () => {
  it('has one row for each invariant of the safety net, in order', () => {
    const expected = Object.entries(SERIES).flatMap(([series, count]) =>
      Array.from({ length: count }, (_, i) => `${series}${i + 1}`),
    );
    expect(INVARIANTS.map(({ id }) => id)).toEqual(expected);
  });

  it('names exactly the sources that raise each id', () => {
    const raised = sources.flatMap((path) => idsIn(read(path)).map((id) => `${id} ${path}`));
    const listed = INVARIANTS.flatMap(({ id, raisedIn }) =>
      raisedIn.map((path) => `${id} ${path}`),
    );
    expect(listed.sort()).toEqual(raised.sort());
  });

  it('leaves nothing unsaid: raised, following from another, or waiting for a feature', () => {
    const asserted = new Set(
      INVARIANTS.filter((row) => row.raisedIn.length > 0).map(({ id }) => id),
    );
    for (const { id, raisedIn, note, waitsFor } of INVARIANTS) {
      if (waitsFor !== null) expect(AWAITED_FEATURES, id).toContain(waitsFor);
      else if (raisedIn.length === 0) {
        expect(note.length, id).toBeGreaterThan(10);
        const from = /^as (\w+):/.exec(note)?.[1];
        if (from !== undefined) expect(asserted, id).toContain(from);
      }
    }
  });

  it('is the page of the documentation', () => {
    if (process.env.QUORATE_REWRITE === '1') writeFileSync(PAGE, invariantsMarkdown());
    expect(readFileSync(PAGE, 'utf8')).toBe(invariantsMarkdown());
  });
});
