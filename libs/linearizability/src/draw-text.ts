import type { Violation } from './check.ts';
import { layOutDrawing, type PlacedOperation, startText } from './drawing-layout.ts';

/**
 * Draws a violation for a terminal: a line for each process, `[` at the invocation and `]` at the
 * return, `~` where an operation never returned. Plain ASCII, no colours.
 */
export function drawText(violation: Violation): string {
  const { processes, placed, columns } = layOutDrawing(violation.operations);
  const names = processes.map((process) => `process ${process}`);
  const nameWidth = Math.max(0, ...names.map((name) => name.length));
  const lines = [
    `key ${JSON.stringify(violation.key)}: not linearizable; ${violation.explanation}`,
    `${violation.operations.length} of its ${violation.keyOperations} operations fail by ` +
      `themselves, ${startText(violation.initial)}:`,
    '',
  ];
  names.forEach((name, row) => {
    const cells = new Array<string>(columns + 1).fill(' ');
    for (const operation of placed) if (operation.row === row) paint(cells, operation);
    lines.push(`  ${name.padEnd(nameWidth)}  ${cells.join('').trimEnd()}`);
  });
  lines.push('', '  time goes to the right; [ invoked, ] returned, ~ never returned');
  return `${lines.join('\n')}\n`;
}

function paint(cells: string[], { label, startColumn, endColumn, open }: PlacedOperation): void {
  for (let column = startColumn; column <= endColumn; column++) cells[column] = open ? '~' : '-';
  cells[startColumn] = '[';
  if (!open) cells[endColumn] = ']';
  const text = ` ${label} `;
  const start = startColumn + 1;
  for (let i = 0; i < text.length; i++) cells[start + i] = text.charAt(i);
}
