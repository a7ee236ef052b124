import { spawn } from 'node:child_process';
import { ALL_MUTANTS, type Mutant } from '@quorate/simulator';
import { Command, CommanderError } from 'commander';
import { ExitCode, UsageError } from '../errors.ts';
import { buildCopy } from './find-planted.ts';
import { WORKSPACE, WorkspaceCopy } from './workspace-copy.ts';

const DEFAULT_MUTANT = 'kv-sessions-missing-in-snapshot';
const DEFAULT_SEEDS = '1..200';
const EXAMPLES = `
Examples:
  npx nx run bench:planted-example
  npx nx run bench:planted-example -- --mutant raft-acks-before-durable --seeds 1..3

Mutants: see docs/internals/mutants.md and results/mutants.json.
Exit codes: 0 each step came out as it must · 1 no seed noticed the bug · 64 bad flags · 70 a step
contradicts another · 130 interrupted.`;
const ENGINES: ReadonlySet<string> = new Set(['raft', 'multi-paxos', 'zab']);
const INDENT = '    ';
/** The last part of what a command says is kept, in characters. */
const OUTPUT_CHARACTERS_MAX = 40_000;

/** How a command ended. */
interface CommandEnd {
  readonly code: number | null;
  readonly output: string;
}

/** What `quorate simulate` says about a failed seed. */
export interface FoundFailure {
  readonly invariant: string;
  /** The command that replays it. */
  readonly replay: string;
}

/**
 * Plants one mutant in a temporary copy of the workspace and walks the way of a real bug: seeds
 * until one fails, a smaller case, the printed command again, and the same command where nothing is
 * planted. Resolves with 0 when each step came out as it must, with 1 when no seed noticed, with 70
 * when a step contradicts another.
 */
export async function plantedExample(argv: readonly string[]): Promise<number> {
  let copy: WorkspaceCopy | null = null;
  const stopper = new AbortController();
  const stop = (): void => stopper.abort();
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    const { mutant, seeds, jobs } = settingsOf(argv);
    say(`copying the workspace, and planting ${mutant.id}: ${mutant.bug}`);
    copy = new WorkspaceCopy();
    copy.apply([mutant]);
    say(change(mutant));
    await buildCopy(copy, stopper.signal);
    return await walk(copy, { mutant, seeds, jobs, stop: stopper.signal });
  } catch (error) {
    if (stopper.signal.aborted) return ExitCode.interrupted;
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    say(error instanceof Error ? error.message : String(error));
    return error instanceof UsageError ? ExitCode.usage : ExitCode.failed;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    copy?.remove();
  }
}

async function walk(
  copy: WorkspaceCopy,
  parts: {
    readonly mutant: Mutant;
    readonly seeds: string;
    readonly jobs: string;
    readonly stop: AbortSignal;
  },
): Promise<number> {
  const { mutant, seeds, jobs, stop } = parts;
  const protocol = ENGINES.has(mutant.target) ? mutant.target : 'all';
  const search =
    `npx --no-install quorate simulate --protocol ${protocol} --seeds ${seeds} ` +
    `--jobs ${jobs} --failures 1`;
  say('\n1. Seeds, until one fails:');
  const searched = await run(search, copy.folder, stop);
  const found = failureOf(searched.output);
  if (found === null) {
    say(searched.code === 0 ? 'no seed noticed' : `the search broke down (${searched.code})`);
    return searched.code === 0 ? 1 : ExitCode.failed;
  }
  say('\n2. A smaller case of it:');
  const shrunk = await run(`${found.replay} --shrink`, copy.folder, stop);
  const small = failureOf(shrunk.output);
  if (small === null || shrunk.code !== ExitCode.violation) return contradiction(shrunk);
  say('\n3. The printed command again, with the bug:');
  const replayed = await run(small.replay, copy.folder, stop);
  const again = failureOf(replayed.output);
  if (again?.invariant !== found.invariant) return contradiction(replayed);
  say('\n4. The same command without the bug:');
  const healthy = await run(small.replay, WORKSPACE, stop);
  if (healthy.code !== ExitCode.ok) return contradiction(healthy);
  say(
    `\n${mutant.id}: found by seed, shrunk, replayed by the printed command: ` +
      `${found.invariant} is broken with the bug and holds without it`,
  );
  return ExitCode.ok;
}

/** The last failure that a command printed, or null. */
export function failureOf(output: string): FoundFailure | null {
  const invariant = [...output.matchAll(/^FAILED .*: invariant (.+) is broken$/gm)].at(-1)?.[1];
  const replay = [...output.matchAll(/^replay: (npx .+)$/gm)].at(-1)?.[1];
  return invariant === undefined || replay === undefined ? null : { invariant, replay };
}

interface Flags {
  readonly mutant: string;
  readonly seeds: string;
  readonly jobs: string;
}

/** Reads the flags; throws commander's error, which it has said already, or a UsageError. */
function settingsOf(argv: readonly string[]): Omit<Flags, 'mutant'> & { readonly mutant: Mutant } {
  const program = new Command('npx nx run bench:planted-example --')
    .description('Plants a bug in a copy and finds it by seed, shrinks it, and replays it.')
    .option('--mutant <id>', 'the bug that is planted', DEFAULT_MUTANT)
    .option('--seeds <range>', 'where it is looked for', DEFAULT_SEEDS)
    .option('--jobs <n>', 'runs side by side', '2')
    .exitOverride()
    .showHelpAfterError('(add --help for the options and examples)')
    .addHelpText('after', EXAMPLES);
  program.parse(
    argv.filter((arg) => arg !== '--'),
    { from: 'user' },
  );
  const { mutant: id, ...rest } = program.opts<Flags>();
  const mutant = ALL_MUTANTS.find((one) => one.id === id);
  if (mutant !== undefined) return { mutant, ...rest };
  const ids = ALL_MUTANTS.map((one) => one.id).join(', ');
  throw new UsageError(`--mutant ${id}: allowed are ${ids}`);
}

/** The patch as a reader of a diff expects it. */
function change({ file, find, replace }: Mutant): string {
  const marked = (text: string, mark: string): string => {
    return text === '' ? '' : text.trimEnd().replaceAll(/^/gm, `${INDENT}${mark} `);
  };
  const parts = [`${INDENT}${file}`, marked(find, '-'), marked(replace, '+')];
  return parts.filter((part) => part !== '').join('\n');
}

function contradiction({ code, output }: CommandEnd): number {
  say(`that should not be: exit code ${code}, ${JSON.stringify(failureOf(output))}`);
  return ExitCode.failed;
}

/** Runs a command as a person pastes it, and shows what it says while it says it. */
function run(command: string, folder: string, stop: AbortSignal): Promise<CommandEnd> {
  say(`$ ${command}`);
  return new Promise((resolve, reject) => {
    // A group of its own: Ctrl-C is for this command, which passes it on.
    const child = spawn(command, {
      ...{ shell: true, cwd: folder, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
      env: { ...process.env, NO_COLOR: '1' },
    });
    let output = '';
    const hear = (bytes: Buffer): void => {
      const text = bytes.toString('utf8');
      output = (output + text).slice(-OUTPUT_CHARACTERS_MAX);
      process.stdout.write(text);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    const end = (): void => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
    };
    stop.addEventListener('abort', end, { once: true });
    child.on('error', reject);
    child.on('close', (code) => {
      stop.removeEventListener('abort', end);
      if (stop.aborted) reject(new Error('interrupted'));
      else resolve({ code, output });
    });
  });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
