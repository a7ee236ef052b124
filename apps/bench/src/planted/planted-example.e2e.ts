import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../../bin/planted-example.mjs', import.meta.url));

/** Runs the example as a person does. */
function runExample(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const hear = (bytes: Buffer): void => {
      output += String(bytes);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

it('a planted bug is found by seed, shrunk, replayed, and gone without it', async () => {
  const mutant = 'raft-acks-before-durable';
  const { code, output } = await runExample(['--mutant', mutant, '--seeds', '1..3', '--jobs', '1']);
  expect(code, output).toBe(0);
  expect(output).toMatch(/^shrink: npx --no-install quorate simulate .* --shrink$/m);
  expect(output).toMatch(/^\d+ of \d+ faults are enough, over \d+ s, on \d nodes/m);
  const failures = output.match(/^FAILED raft seed \d: invariant \S+ is broken$/gm) ?? [];
  expect(failures).toHaveLength(3);
  expect(new Set(failures).size, 'the same seed breaks the same invariant').toBe(1);
  expect(output).toMatch(/no invariant was broken/);
  const last = `${mutant}: found by seed, shrunk, replayed by the printed command`;
  expect(output.trimEnd().split('\n').at(-1)).toContain(last);
});
