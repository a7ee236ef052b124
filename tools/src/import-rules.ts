import { builtinModules } from 'node:module';
import { IMPORT_RULES, type ImportRule } from './layers.ts';
import { lineOf, type SourceFile, type Violation } from './source-files.ts';

const SCOPE = '@quorate/';
const BUILTIN = new Set(builtinModules);

/** One import as it stands in a file. */
export interface ImportSite {
  readonly specifier: string;
  readonly offset: number;
}

/** Every module that a file names: static, re-exported and dynamic. */
export function importsOf(file: SourceFile): ImportSite[] {
  const sites: ImportSite[] = [];
  const { staticImports, staticExports, dynamicImports } = file.parsed.module;
  for (const one of staticImports) {
    sites.push({ specifier: one.moduleRequest.value, offset: one.start });
  }
  for (const one of staticExports) {
    for (const entry of one.entries) {
      if (entry.moduleRequest) {
        sites.push({ specifier: entry.moduleRequest.value, offset: one.start });
      }
    }
  }
  for (const one of dynamicImports) {
    const text = file.text.slice(one.moduleRequest.start, one.moduleRequest.end);
    const literal = /^(['"])(.*)\1$/.exec(text);
    if (literal?.[2] !== undefined) sites.push({ specifier: literal[2], offset: one.start });
  }
  return sites;
}

/** Checks one file's imports against the table of layers. */
export function checkImports(file: SourceFile): Violation[] {
  const rule = IMPORT_RULES[file.project];
  if (rule === undefined) return file.project === 'tools' ? [] : [unknownProject(file)];
  const violations: Violation[] = [];
  for (const site of importsOf(file)) {
    const found = judge(file, rule, site.specifier);
    if (found !== null) {
      violations.push({ ...found, path: file.path, line: lineOf(file, site.offset) });
    }
  }
  return violations;
}

/** The projects of the house that a project imports, tests apart, sorted. */
export function importedProjects(files: readonly SourceFile[], project: string): string[] {
  const names = new Set<string>();
  for (const file of files) {
    if (file.project !== project || file.isTest) continue;
    for (const site of importsOf(file)) {
      if (site.specifier.startsWith(SCOPE)) names.add(projectOf(site.specifier));
    }
  }
  return [...names].sort();
}

/** The projects that a project may import, sorted. */
export function allowedProjects(project: string): string[] {
  const rule = IMPORT_RULES[project];
  if (rule === undefined) return [];
  return Object.keys(IMPORT_RULES)
    .filter((other) => other !== project && isAllowed(rule, other))
    .sort();
}

function projectOf(specifier: string): string {
  return specifier.slice(SCOPE.length).split('/')[0] ?? '';
}

function isAllowed(rule: ImportRule, other: string): boolean {
  const target = IMPORT_RULES[other];
  if (target === undefined) return false;
  return rule.layersAllowed.includes(target.layer) || rule.projectsAllowed.includes(other);
}

function unknownProject(file: SourceFile): Violation {
  const message = `project "${file.project}" has no row in tools/src/layers.ts`;
  return { rule: 'layer-unknown', path: file.path, line: 1, message };
}

function judge(
  file: SourceFile,
  rule: ImportRule,
  specifier: string,
): { rule: string; message: string } | null {
  if (specifier.startsWith('.')) {
    const up = specifier.split('/').filter((part) => part === '..').length;
    const depth = file.path.split('/').length - 4; // libs/<project>/src/file.ts is at depth 0.
    if (up <= depth || file.isTest) return null;
    return { rule: 'layer-import', message: `"${specifier}" leaves the project's src folder` };
  }
  if (specifier.startsWith(SCOPE)) return judgeProject(file, rule, projectOf(specifier));
  if (!rule.pure || file.isTest) return null;
  const kind = isBuiltin(specifier) ? 'a Node module' : 'an npm package';
  return { rule: 'purity', message: `"${specifier}" is ${kind}; ${file.project} is pure` };
}

function judgeProject(
  file: SourceFile,
  rule: ImportRule,
  other: string,
): { rule: string; message: string } | null {
  if (isAllowed(rule, other)) return null;
  const target = IMPORT_RULES[other];
  // A test may reach for the testing layer, for engines to drive, and for fakes of lower layers.
  if (file.isTest && target !== undefined && target.layer !== 'app') return null;
  const allowed = allowedProjects(file.project).join(', ') || 'nothing';
  return {
    rule: target?.layer === 'testing' ? 'testing-in-production' : 'layer-import',
    message: `${file.project} imports ${other}; allowed: ${allowed}`,
  };
}

function isBuiltin(specifier: string): boolean {
  return specifier.startsWith('node:') || BUILTIN.has(specifier);
}
