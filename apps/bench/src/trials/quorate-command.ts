import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const QUORATE = fileURLToPath(new URL('../../bin/quorate.mjs', import.meta.url));
const QUORATE_KV = fileURLToPath(new URL('../../../kv-server/bin/quorate-kv.mjs', import.meta.url));

/** A command as a person ran it, at its end. */
export interface CommandEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export interface RunningCommand {
  readonly child: ChildProcess;
  readonly ended: Promise<CommandEnd>;
  /** Resolves once stderr holds a match; rejects when the command ends before. */
  readonly awaitError: (pattern: RegExp) => Promise<void>;
}

/** Starts `quorate`, or `quorate-kv`, as its own process, as the end-to-end tests do. */
export function startCommand(
  args: readonly string[],
  program: 'quorate' | 'quorate-kv' = 'quorate',
): RunningCommand {
  const script = program === 'quorate' ? QUORATE : QUORATE_KV;
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  const watchers = new Set<() => void>();
  child.stdout.on('data', (bytes) => {
    stdout += String(bytes);
  });
  child.stderr.on('data', (bytes) => {
    stderr += String(bytes);
    for (const look of watchers) look();
  });
  const ended = new Promise<CommandEnd>((resolve) => {
    child.once('close', (exitCode, signal) => resolve({ exitCode, signal, stdout, stderr }));
  });
  const awaitError = (pattern: RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!pattern.test(stderr)) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      void ended.then(() => reject(new Error(`ended before ${pattern}:\n${stderr}`)));
      look();
    });
  return { child, ended, awaitError };
}

/** Runs `quorate` to its end. */
export function runCommandLine(
  args: readonly string[],
  program: 'quorate' | 'quorate-kv' = 'quorate',
): Promise<CommandEnd> {
  return startCommand(args, program).ended;
}

/** A folder of its own for a test; `remove` when it is over. */
export function temporaryFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'quorate-trial-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** The processes whose command line or open command names a path below `folder`. */
export function processesOf(folder: string): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      if (line.includes(folder)) found.push(Number(name));
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

/** The children of a process, and theirs. */
export function descendantsOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(Number(name));
    if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  const visit = (one: number): void => {
    for (const child of children.get(one) ?? []) {
      found.push(child);
      visit(child);
    }
  };
  visit(pid);
  return found;
}

/** True while the process exists and is no zombie. */
export function isRunning(pid: number): boolean {
  return parentOf(pid) !== null;
}

function parentOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? null : Number(parent);
  } catch {
    return null;
  }
}
