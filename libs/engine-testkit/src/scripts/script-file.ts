/** One step of a golden script: what is done, and what must come out. */
export interface ScriptStep {
  /** Comment lines that stand before the step, kept when the file is rewritten. */
  readonly comments: readonly string[];
  readonly commands: readonly string[];
  readonly expected: string;
}

/** Between commands and output. */
export const SEPARATOR = '----';

/**
 * Reads a script: blocks of comment lines (`#`), command lines, a line `----`, and output up to an
 * empty line. Throws with the line number when a block has no separator.
 */
export function parseScript(text: string): ScriptStep[] {
  const steps: ScriptStep[] = [];
  const lines = text.split('\n');
  let at = 0;
  while (at < lines.length) {
    const comments: string[] = [];
    const commands: string[] = [];
    while (at < lines.length && lines[at] !== SEPARATOR) {
      const line = (lines[at] as string).trim();
      if (line.startsWith('#') || (line === '' && comments.length > 0)) comments.push(line);
      else if (line !== '') commands.push(line);
      at++;
    }
    if (at >= lines.length) {
      if (commands.length > 0) throw new Error(`line ${at}: "${SEPARATOR}" is missing`);
      break;
    }
    at++;
    const expected: string[] = [];
    while (at < lines.length && lines[at] !== '') expected.push(lines[at++] as string);
    steps.push({ comments, commands, expected: expected.join('\n') });
  }
  return steps;
}

/** Writes the script with the outputs that it really gave. */
export function formatScript(steps: readonly ScriptStep[], outputs: readonly string[]): string {
  const blocks = steps.map(({ comments, commands }, i) => {
    const output = outputs[i] ?? '';
    return [...comments, ...commands, SEPARATOR, ...(output === '' ? [] : [output])].join('\n');
  });
  return `${blocks.join('\n\n')}\n`;
}
