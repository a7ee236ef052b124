import { IMPORT_RULES } from './layers.ts';
import { lineOf, type SourceFile, type Violation } from './source-files.ts';
import { type SyntaxNode, walkSyntax } from './syntax-walk.ts';

/** Globals that read a clock, draw unseeded randomness, reach the outside or suspend. */
const BANNED = new Set([
  'Date',
  'process',
  'performance',
  'crypto',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'fetch',
  'Promise',
  'Worker',
  'Atomics',
  'SharedArrayBuffer',
  'console',
]);

/**
 * Checks that a pure project reads no clock, draws no unseeded randomness, performs no I/O and
 * never suspends, so that the same object runs in a process, a worker, a simulator and a browser.
 */
export function checkPurity(file: SourceFile): Violation[] {
  if (file.isTest || IMPORT_RULES[file.project]?.pure !== true) return [];
  const violations: Violation[] = [];
  const report = (node: SyntaxNode, what: string): void => {
    violations.push({
      rule: 'purity',
      path: file.path,
      line: lineOf(file, node.start),
      message: `${what}; ${file.project} is pure`,
    });
  };
  walkSyntax(file.parsed.program as unknown as SyntaxNode, (node, parent) => {
    if (node.type === 'AwaitExpression') report(node, '"await" suspends');
    if (node.async === true) report(node, '"async" suspends');
    if (node.type !== 'Identifier') return;
    const name = String(node.name);
    if (isPropertyName(node, parent)) {
      const object = parent?.object as SyntaxNode | undefined;
      if (name === 'random' && object?.name === 'Math') report(node, 'Math.random is unseeded');
      return;
    }
    if (BANNED.has(name)) report(node, `"${name}" reaches outside the engine`);
  });
  return violations;
}

function isPropertyName(node: SyntaxNode, parent: SyntaxNode | null): boolean {
  if (parent === null || parent.computed === true) return false;
  return parent.property === node || parent.key === node;
}
