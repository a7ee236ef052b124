import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Protocol } from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { GoldenRunner } from './golden-commands.ts';
import { formatScript, parseScript } from './script-file.ts';

/** Runs a script and returns the file as it would be written with the real outputs. */
export function runGoldenScript<M>(text: string, protocol: Protocol<M>): string {
  const steps = parseScript(text);
  const runner = new GoldenRunner(protocol);
  const outputs = steps.map(({ commands }) => {
    const lines = commands.flatMap((command) => runner.run(command));
    return lines.length === 0 ? 'ok' : lines.join('\n');
  });
  return formatScript(steps, outputs);
}

/**
 * Declares one vitest test for each `*.txt` file of a directory: the script must print what the
 * file says. With `QUORATE_REWRITE=1` in the environment the files are rewritten instead, to be
 * reviewed as a diff.
 */
export function goldenScripts<M>(directory: string | URL, protocol: Protocol<M>): void {
  const root = typeof directory === 'string' ? directory : fileURLToPath(directory);
  const files = readdirSync(root).filter((name) => name.endsWith('.txt'));
  describe(`golden scripts of ${protocol.name}`, () => {
    for (const name of files.sort()) {
      it(name, () => {
        const path = join(root, name);
        const before = readFileSync(path, 'utf8');
        const after = runGoldenScript(before, protocol);
        if (process.env.QUORATE_REWRITE === '1') writeFileSync(path, after);
        else expect(after).toBe(before);
      });
    }
  });
}
