import { checkImports } from './import-rules.ts';
import { checkPurity } from './purity-rules.ts';
import { readSources, type SourceFile, type Violation } from './source-files.ts';
import { checkStyle } from './style-rules.ts';

/** Every rule over every source below a root; violations sorted by path and line. */
export function checkTree(root: string): { files: SourceFile[]; violations: Violation[] } {
  const files = readSources(root);
  const violations = files.flatMap((file) => [
    ...file.parsed.errors.map((error) => ({
      rule: 'syntax',
      path: file.path,
      line: 1,
      message: error.message,
    })),
    ...checkImports(file),
    ...checkPurity(file),
    ...checkStyle(file),
  ]);
  return { files, violations };
}

/** A violation as one line that an editor can jump to. */
export function formatViolation(violation: Violation): string {
  return `${violation.path}:${violation.line}  ${violation.rule}  ${violation.message}`;
}
