import { lineOf, type SourceFile, type Violation } from './source-files.ts';
import { isNode, type SyntaxNode, walkSyntax } from './syntax-walk.ts';

/** The longest function, its signature and braces included. */
export const FUNCTION_LINES_MAX = 70;
/** The longest file: "about 400" with a tenth of grace. Tests and tables of cases may be longer. */
export const FILE_LINES_MAX = 440;
/** The longest line, in UTF-16 units. */
export const LINE_COLUMNS_MAX = 100;

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);
const VAGUE_NAME = /^(utils?|common|helpers?|misc|shared)$/;

/** Checks one file against the style law of STYLE.md. */
export function checkStyle(file: SourceFile): Violation[] {
  return [
    ...checkNames(file),
    ...checkLengths(file),
    ...checkSyntax(file),
    ...(file.isTest || file.path.endsWith('/index.ts') ? [] : checkDocs(file)),
  ];
}

function at(file: SourceFile, rule: string, line: number, message: string): Violation {
  return { rule, path: file.path, line, message };
}

function checkNames(file: SourceFile): Violation[] {
  const vague = file.path
    .replace(/(\.(test|e2e|bench))?\.ts$/, '')
    .split('/')
    .find((part) => VAGUE_NAME.test(part));
  if (vague === undefined) return [];
  return [at(file, 'vague-name', 1, `"${vague}" names no concern; say what is in it`)];
}

function checkLengths(file: SourceFile): Violation[] {
  const violations: Violation[] = [];
  const lines = file.text.split('\n');
  if (!file.isTest && lines.length - 1 > FILE_LINES_MAX) {
    const message = `${lines.length - 1} lines, at most ${FILE_LINES_MAX}: split by concern`;
    violations.push(at(file, 'file-length', 1, message));
  }
  for (const [index, line] of lines.entries()) {
    if (line.length > LINE_COLUMNS_MAX && !/https?:\/\//.test(line)) {
      const message = `${line.length} columns, at most ${LINE_COLUMNS_MAX}`;
      violations.push(at(file, 'line-length', index + 1, message));
    }
  }
  return violations;
}

function checkSyntax(file: SourceFile): Violation[] {
  const violations: Violation[] = [];
  walkSyntax(file.parsed.program as unknown as SyntaxNode, (node) => {
    const line = lineOf(file, node.start);
    if (FUNCTIONS.has(node.type) && !file.isTest) {
      const lines = lineOf(file, node.end) - line + 1;
      if (lines > FUNCTION_LINES_MAX) {
        const message = `a function of ${lines} lines, at most ${FUNCTION_LINES_MAX}`;
        violations.push(at(file, 'function-length', line, message));
      }
    }
    if (node.type === 'TSEnumDeclaration') {
      violations.push(at(file, 'no-enum', line, 'an enum; use a const object and a union'));
    }
    if (node.type === 'TSAnyKeyword') {
      violations.push(at(file, 'no-any', line, '"any" switches the checker off'));
    }
    if (node.type === 'TSNonNullExpression' && !file.isTest) {
      violations.push(at(file, 'no-non-null', line, '"!" outside a test; assert or branch'));
    }
    if (node.type === 'ExportDefaultDeclaration') {
      violations.push(at(file, 'named-exports', line, 'a default export; name it'));
    }
  });
  return violations;
}

/** An export needs a doc comment that ends on the line above it. */
function checkDocs(file: SourceFile): Violation[] {
  const violations: Violation[] = [];
  const docs = file.parsed.comments.filter((c) => c.type === 'Block' && c.value.startsWith('*'));
  let documentedBefore: string | null = null;
  for (const node of file.parsed.program.body as unknown as SyntaxNode[]) {
    if (node.type !== 'ExportNamedDeclaration' || !isNode(node.declaration)) continue;
    const name = exportedName(node.declaration);
    const hasDoc = docs.some(
      (doc) => doc.end <= node.start && /^\s*$/.test(file.text.slice(doc.end, node.start)),
    );
    // Overloads, and a type beside the const of the same name, share the first one's comment.
    if (!hasDoc && name !== documentedBefore) {
      const line = lineOf(file, node.start);
      violations.push(at(file, 'doc-comment', line, `export "${name}" has no doc comment`));
    }
    documentedBefore = name;
  }
  return violations;
}

function exportedName(declaration: SyntaxNode): string {
  if (isNode(declaration.id)) return String(declaration.id.name);
  const declarations = declaration.declarations;
  const first: unknown = Array.isArray(declarations) ? declarations[0] : undefined;
  if (isNode(first) && isNode(first.id)) return String(first.id.name);
  return '?';
}
