import { checkTree, formatViolation } from './check-tree.ts';
import { allowedProjects, importedProjects } from './import-rules.ts';
import { IMPORT_RULES } from './layers.ts';

const HELP = `usage: npx nx run tools:rules [-- DIR]

Prints who may import whom and who does, then every broken rule, one a line.
DIR is a tree laid out like the workspace (default: the workspace itself).
Exit code: 0 when no rule is broken, 1 otherwise.
`;

/** Prints the table of allowed and actual imports and all violations; returns the exit code. */
export function runRules(workspace: string, args: readonly string[]): number {
  if (args.includes('--help')) {
    process.stdout.write(HELP);
    return 0;
  }
  const root = args[0] ?? workspace;
  const { files, violations } = checkTree(root);
  const rows = [['project', 'layer', 'may import', 'imports']];
  for (const [project, rule] of Object.entries(IMPORT_RULES)) {
    if (!files.some((file) => file.project === project)) continue;
    const allowed = allowedProjects(project).join(' ') || '-';
    rows.push([project, rule.layer, allowed, importedProjects(files, project).join(' ') || '-']);
  }
  process.stdout.write(`${formatTable(rows)}\n`);
  for (const violation of violations) process.stdout.write(`${formatViolation(violation)}\n`);
  process.stdout.write(`${files.length} files, ${violations.length} violations\n`);
  return violations.length === 0 ? 0 : 1;
}

const CELL_COLUMNS_MAX = 62;

function formatTable(rows: readonly (readonly string[])[]): string {
  const wrapped = rows.map((row) => row.map((cell) => wrap(cell)));
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(...wrapped.flatMap((row) => (row[column] ?? []).map((line) => line.length))),
  );
  const lines: string[] = [];
  for (const row of wrapped) {
    const height = Math.max(...row.map((cell) => cell.length));
    for (let i = 0; i < height; i++) {
      const cells = row.map((cell, column) => (cell[i] ?? '').padEnd(widths[column] ?? 0));
      lines.push(cells.join('  ').trimEnd());
    }
  }
  return lines.join('\n');
}

function wrap(cell: string): string[] {
  const lines = [''];
  for (const word of cell.split(' ')) {
    const last = lines[lines.length - 1] ?? '';
    if (last === '') lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= CELL_COLUMNS_MAX) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}
