import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { IMPORT_RULES, type ImportRule } from './layers.ts';
import { readSources } from './source-files.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
/** The labels of the catalogue of failures. */
const LABEL = /\b(?:RF|MP|ZB)-\d\d\b/g;
/** Folders that hold what others wrote, what is built, or what runs have left behind. */
const SKIPPED = new Set(['node_modules', 'dist', 'results', 'coverage', 'fixtures']);

function markdownFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      return SKIPPED.has(entry.name) || entry.name.startsWith('.') ? [] : markdownFiles(path);
    }
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

/** The text without what stands in code, where brackets mean something else. */
function proseOf(text: string): string {
  return text.replaceAll(/^```.*?^```/gms, '').replaceAll(/`[^`\n]*`/g, '');
}

/** The names that headings get as anchors, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  const seen = new Map<string, number>();
  const headings = text.replaceAll(/^```.*?^```/gms, '').matchAll(/^#{1,6} +(.+)$/gm);
  return [...headings].map(([, title = '']) => {
    const plain = title.trim().toLowerCase();
    const slug = plain.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(/\s/g, '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  });
}

function linksOf(text: string): string[] {
  const inline = [...proseOf(text).matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)];
  const references = [...proseOf(text).matchAll(/^\[[^\]]+\]:\s+(\S+)/gm)];
  return [...inline, ...references].map(([, target = '']) => target);
}

/** Why a link leads nowhere, or null. Links to other sites are not followed. */
function brokenLink(file: string, link: string): string | null {
  if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return null;
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? file : join(dirname(file), decodeURIComponent(path));
  const where = `${relative(ROOT, file)}: ${link}`;
  if (!existsSync(target)) return where;
  if (anchor === undefined || !target.endsWith('.md')) return null;
  return anchorsOf(readFileSync(target, 'utf8')).includes(anchor) ? null : `${where} (no heading)`;
}

interface LayerRow {
  readonly project: string;
  readonly layer: string;
  readonly allowed: string;
  readonly pure: string;
}

/** The rows of the table of layers in ARCHITECTURE.md. */
function layerRows(text: string): LayerRow[] {
  const table = /## Who may import whom\n(.*?)\n## /s.exec(text)?.[1] ?? '';
  return table
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => {
      const [, project = '', layer = '', allowed = '', pure = ''] = line.split('|');
      const name = project.replaceAll('`', '').trim();
      return { project: name, layer: layer.trim(), allowed: allowed.trim(), pure: pure.trim() };
    });
}

/** Layers, then the single projects allowed beside them in code font, as the table shows them. */
function allowedOf({ layersAllowed, projectsAllowed }: ImportRule): string {
  const allowed = [...layersAllowed, ...projectsAllowed.map((project) => `\`${project}\``)];
  return allowed.join(', ') || 'nothing';
}

describe('the documents', () => {
  const architecture = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');

  it('name every project in ARCHITECTURE.md', () => {
    const projects = ['libs', 'apps'].flatMap((group) =>
      readdirSync(join(ROOT, group))
        .filter((name) => existsSync(join(ROOT, group, name, 'package.json')))
        .map((name) => `${group}/${name}`),
    );
    expect(projects.length).toBeGreaterThan(20);
    expect(projects.filter((project) => !architecture.includes(`\`${project}\``))).toEqual([]);
  });

  it('show the layers as the rules enforce them', () => {
    const enforced = Object.entries(IMPORT_RULES).map(([project, rule]) => ({
      project,
      layer: rule.layer,
      allowed: allowedOf(rule),
      pure: rule.pure ? 'yes' : '',
    }));
    expect(layerRows(architecture)).toEqual(enforced);
  });

  it('link only to what exists', () => {
    const files = markdownFiles(ROOT);
    expect(files.length).toBeGreaterThan(10);
    const broken = files.flatMap((file) =>
      linksOf(readFileSync(file, 'utf8')).flatMap((link) => brokenLink(file, link) ?? []),
    );
    expect(broken).toEqual([]);
  });

  it('explain every label of a known failure that a source names', () => {
    const page = readFileSync(join(ROOT, 'docs', 'internals', 'catalogue.md'), 'utf8');
    const explained = new Set(page.match(LABEL));
    for (const [, kind, from, to] of page.matchAll(
      /\b(RF|MP|ZB)-(\d\d) to (?:RF|MP|ZB)-(\d\d)\b/g,
    )) {
      for (let number = Number(from); number <= Number(to); number++) {
        explained.add(`${kind}-${String(number).padStart(2, '0')}`);
      }
    }
    const named = new Set(readSources(ROOT).flatMap(({ text }) => text.match(LABEL) ?? []));
    expect(named.size).toBeGreaterThan(50);
    expect([...named].filter((label) => !explained.has(label)).sort()).toEqual([]);
  });

  it('list every decision in the index of decisions', () => {
    const folder = join(ROOT, 'docs', 'adr');
    const index = readFileSync(join(folder, 'README.md'), 'utf8');
    const decisions = readdirSync(folder).filter((name) => /^\d{4}-.+\.md$/.test(name));
    expect(decisions.length).toBeGreaterThan(10);
    expect(decisions.filter((name) => !index.includes(`(${name})`))).toEqual([]);
    const numbers = decisions.map((name) => name.slice(0, 4));
    expect(new Set(numbers).size).toBe(numbers.length);
  });
});
