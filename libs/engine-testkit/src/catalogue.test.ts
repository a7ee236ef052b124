import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Protocol } from '@quorate/consensus';
import { multiPaxos } from '@quorate/multi-paxos';
import { raft } from '@quorate/raft';
import { ALL_MUTANTS, PROBES, SimulatedCluster } from '@quorate/simulator';
import { zab } from '@quorate/zab';
import { describe, expect, it } from 'vitest';
import { AWAITED_FEATURES, CATALOGUE, CATALOGUE_SERIES, catalogueMarkdown } from './catalogue.ts';
import { CATALOGUE_PROBES } from './catalogue-probes.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const PAGE = join(ROOT, 'docs/internals/bug-catalogue.md');
const PROTOCOLS = [raft, multiPaxos, zab] as unknown as readonly Protocol<never>[];

/** The titles of tests and groups of tests in a file, as they are written. */
function titlesOf(path: string): string[] {
  const source = readFileSync(join(ROOT, path), 'utf8');
  const call = /\b(?:it|test|describe)(?:\.each\((?:[^()]|\([^()]*\))*\))?\(\s*(['"`])(.*?)\1,/gs;
  return [...source.matchAll(call)].map(([, , title = '']) => title);
}

const exportsOf = (library: string): string =>
  readFileSync(join(ROOT, `libs/${library}/src/index.ts`), 'utf8');

/** How each awaited feature would be noticed. */
const EXISTS: Readonly<Record<string, () => boolean>> = {
  'membership change': () =>
    PROTOCOLS.some((protocol) => {
      const cluster = new SimulatedCluster({ protocol, nodes: 3, seed: 'membership' });
      cluster.expectWithin('a leader', 5_000_000, () => cluster.leader() !== null);
      const { engine } = cluster.host(cluster.leader() as number);
      const { current } = engine.status().membership;
      return engine.changeMembership(current, 1 as never) !== 'unsupported';
    }),
  'leadership transfer': () => PROTOCOLS.some((one) => one.capabilities.leadershipTransfer),
  'lease reads': () => PROTOCOLS.some((one) => one.capabilities.leaseReads),
  'flexible quorums': () => /flexible|phase/i.test(exportsOf('quorum')),
  'leader stamps': () => /stamp|fenc/i.test(exportsOf('kv')),
  transactions: () => /txn|transaction/i.test(exportsOf('kv')),
  'revision history': () => /history|compact/i.test(exportsOf('kv')),
  watches: () => /watch/i.test(exportsOf('kv')),
  'leases of keys': () => /lease/i.test(exportsOf('kv')),
  locks: () => /lock/i.test(exportsOf('kv')),
  'replicated authorization': () => /auth|role|permission/i.test(exportsOf('kv')),
};

describe('the catalogue of real bugs', () => {
  it('has one row for each entry, in order', () => {
    const expected = Object.entries(CATALOGUE_SERIES).flatMap(([series, count]) =>
      Array.from({ length: count }, (_, i) => `${series}-${String(i + 1).padStart(2, '0')}`),
    );
    expect(CATALOGUE.map(({ id }) => id)).toEqual(expected);
    for (const { title } of CATALOGUE) expect(title.length).toBeGreaterThan(5);
  });

  it('names only test files that have the id in the title of a test', () => {
    const wrong: string[] = [];
    const titles = new Map<string, string[]>();
    for (const { id, scripts } of CATALOGUE) {
      for (const path of scripts) {
        if (!existsSync(join(ROOT, path))) {
          wrong.push(`${id}: there is no ${path}`);
          continue;
        }
        if (!titles.has(path)) titles.set(path, titlesOf(path));
        const named = titles.get(path)?.some((title) => new RegExp(`${id}\\b`).test(title));
        if (named !== true) wrong.push(`${id}: no test of ${path} is named so`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('lets an entry wait for what does not exist yet, and for nothing else', () => {
    for (const { id, scripts, waitsFor } of CATALOGUE) {
      if (waitsFor === null) expect(scripts.length, id).toBeGreaterThan(0);
      else expect(AWAITED_FEATURES, id).toContain(waitsFor);
    }
    const awaited = new Set(CATALOGUE.map(({ waitsFor }) => waitsFor));
    for (const feature of AWAITED_FEATURES) expect(awaited, feature).toContain(feature);
    expect(Object.keys(EXISTS)).toEqual(AWAITED_FEATURES);
    const come = AWAITED_FEATURES.filter((feature) => EXISTS[feature]?.());
    expect(come, 'these features exist now: write the scripts that wait for them').toEqual([]);
  });

  it('knows every id that a mutant or a probe stands for, and every probe', () => {
    const known = new Map(CATALOGUE.map((row) => [row.id, row]));
    const named = ALL_MUTANTS.flatMap(({ bug }) => bug.match(/\b(RF|MP|ZB|KV|ST)-\d\d\b/g) ?? []);
    expect(named.length).toBeGreaterThan(30);
    for (const id of [...named, ...CATALOGUE_PROBES.keys()]) {
      expect(known.get(id)?.waitsFor, id).toBeNull();
    }
    for (const probe of CATALOGUE_PROBES.values()) expect(PROBES).toContain(probe);
  });

  it('is the page of the documentation', () => {
    const page = catalogueMarkdown(ALL_MUTANTS);
    if (process.env.QUORATE_REWRITE === '1') writeFileSync(PAGE, page);
    expect(readFileSync(PAGE, 'utf8')).toBe(page);
  });
});
