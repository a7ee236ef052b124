import { spawn } from 'node:child_process';

/** How a child process ended. */
export interface ChildEnd {
  /** The exit code; null when it was ended by force. */
  readonly code: number | null;
  /** True when it said nothing for too long and was ended. */
  readonly silent: boolean;
  /** The last part of what it wrote to both streams. */
  readonly output: string;
}

/** How much of a child's output is kept, in characters. */
const OUTPUT_MAX = 64 * 1024;

/**
 * Runs `node` on a script and waits for its end. A child that prints nothing for `silenceMs` hangs
 * (a mutant may loop for ever) and is ended. Each complete line of its output goes to `line`.
 */
export function runNode(
  script: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly silenceMs: number; line?: (text: string) => void },
): Promise<ChildEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...args], {
      cwd: options.cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
    });
    let output = '';
    let silent = false;
    let rest = '';
    const watch = setTimeout(() => {
      silent = true;
      child.kill('SIGKILL');
    }, options.silenceMs);
    const take = (chunk: Buffer): void => {
      watch.refresh();
      const text = chunk.toString('utf8');
      output = (output + text).slice(-OUTPUT_MAX);
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) options.line?.(part);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(watch);
      resolve({ code, silent, output });
    });
  });
}
