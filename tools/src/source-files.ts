import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { type ParseResult, parseSync } from 'oxc-parser';

/** One parsed TypeScript file of the house. */
export interface SourceFile {
  /** Path from the workspace's root, with forward slashes. */
  readonly path: string;
  /** The project's short name: `raft`, `bench`, `tools`. */
  readonly project: string;
  readonly isTest: boolean;
  readonly text: string;
  readonly parsed: ParseResult;
}

/** One broken rule at one place. */
export interface Violation {
  /** The rule's name, the same in the fixture that proves it. */
  readonly rule: string;
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** Folders whose projects are read; `tools` is one project. */
const ROOTS = ['libs', 'apps'] as const;

/** Reads and parses every TypeScript source under a root laid out like the workspace. */
export function readSources(root: string): SourceFile[] {
  const files: SourceFile[] = [];
  for (const group of ROOTS) {
    for (const project of namesIn(join(root, group))) {
      walk(join(root, group, project, 'src'), (path) => files.push(parse(root, path, project)));
    }
  }
  walk(join(root, 'tools', 'src'), (path) => files.push(parse(root, path, 'tools')));
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The 1-based line of an offset in a file. */
export function lineOf(file: SourceFile, offset: number): number {
  let line = 1;
  for (let i = file.text.indexOf('\n'); i >= 0 && i < offset; i = file.text.indexOf('\n', i + 1)) {
    line++;
  }
  return line;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => statSync(join(folder, name)).isDirectory());
  } catch {
    return [];
  }
}

function walk(folder: string, visit: (path: string) => void): void {
  let entries: string[] = [];
  try {
    entries = readdirSync(folder);
  } catch {
    return;
  }
  for (const name of entries) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) walk(path, visit);
    else if (name.endsWith('.ts')) visit(path);
  }
}

function parse(root: string, path: string, project: string): SourceFile {
  const text = readFileSync(path, 'utf8');
  const name = relative(root, path).split(sep).join('/');
  return {
    path: name,
    project,
    isTest: /\.(test|e2e)\.ts$/.test(name),
    text,
    parsed: parseSync(path, text),
  };
}
