import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { applyPatch, type SourcePatch } from '@quorate/simulator';

/** The workspace that this file belongs to. */
export const WORKSPACE = fileURLToPath(new URL('../../../../', import.meta.url));

const SOURCE_FOLDERS = ['libs', 'apps', 'tools'];
const ROOT_FILES = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.base.json'];
const LEFT_OUT = new Set(['node_modules', 'dist']);
const PREFIX = 'quorate-planted-';
/** From linux/magic.h. A log in memory proves nothing, and the server refuses it. */
const TMPFS_MAGIC = 0x01021994;

/**
 * A copy of the sources of the workspace in a temporary folder, with the same packages linked and
 * `@quorate/*` leading into the copy. Nothing of the original is written to.
 */
export class WorkspaceCopy {
  readonly folder: string;
  /** The texts of patched files as they were copied. */
  private readonly unpatched = new Map<string, string>();

  constructor() {
    const parent = temporaryFolder();
    removeLeftovers(parent);
    this.folder = mkdtempSync(join(parent, `${PREFIX}${process.pid}-`));
    for (const name of SOURCE_FOLDERS) {
      cpSync(join(WORKSPACE, name), join(this.folder, name), {
        recursive: true,
        filter: (path) => !LEFT_OUT.has(basename(path)),
      });
    }
    for (const name of ROOT_FILES) cpSync(join(WORKSPACE, name), join(this.folder, name));
    this.linkPackages();
  }

  /**
   * Applies the patches to the sources as they were copied: what was applied before is taken back.
   * Throws `PatchMisfit`, by name, before anything was written.
   */
  apply(patches: readonly SourcePatch[]): void {
    const texts = new Map(this.unpatched);
    for (const patch of patches) {
      const path = join(this.folder, patch.file);
      const before = texts.get(path) ?? readFileSync(path, 'utf8');
      if (!this.unpatched.has(path)) this.unpatched.set(path, before);
      texts.set(path, applyPatch(before, patch));
    }
    for (const [path, text] of texts) writeFileSync(path, text);
  }

  /** A script that builds the copy as the copy's own commands would. */
  get buildScript(): string {
    const module = pathToFileURL(join(this.folder, 'tools', 'bin', 'build-when-stale.mjs')).href;
    return `import { buildWhenStale } from ${JSON.stringify(module)}; buildWhenStale();`;
  }

  /** Removes the copy. */
  remove(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  private linkPackages(): void {
    const from = join(WORKSPACE, 'node_modules');
    const to = join(this.folder, 'node_modules');
    mkdirSync(join(to, '@quorate'), { recursive: true });
    for (const name of readdirSync(from)) {
      if (name !== '@quorate' && name !== '.bin') symlinkSync(join(from, name), join(to, name));
    }
    // The commands of the copy are its own: `npx quorate` in it must not run the original.
    mkdirSync(join(to, '.bin'));
    for (const name of readdirSync(join(from, '.bin'))) {
      symlinkSync(readlinkSync(join(from, '.bin', name)), join(to, '.bin', name));
    }
    for (const folder of SOURCE_FOLDERS) {
      for (const path of projectsOf(join(this.folder, folder))) {
        const { name } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as {
          readonly name: string;
        };
        symlinkSync(path, join(to, name));
        // A few packages stand beside the project that needs a version of its own.
        const own = join(WORKSPACE, relative(this.folder, path), 'node_modules');
        if (existsSync(own)) symlinkSync(own, join(path, 'node_modules'));
      }
    }
  }
}

function projectsOf(folder: string): string[] {
  if (existsSync(join(folder, 'package.json'))) return [folder];
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((path) => existsSync(join(path, 'package.json')));
}

function temporaryFolder(): string {
  const usual = tmpdir();
  return statfsSync(usual).type === TMPFS_MAGIC && existsSync('/var/tmp') ? '/var/tmp' : usual;
}

/** Copies of runs that were killed: their process is gone, so nobody else will remove them. */
function removeLeftovers(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1] ?? 0);
    if (pid === 0 || pid === process.pid || isAlive(pid)) continue;
    const path = join(parent, name);
    if (lstatSync(path).isDirectory()) rmSync(path, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** How a child is run. */
export interface RunOptions {
  readonly cwd: string;
  readonly limitMs: number;
  readonly stop: AbortSignal;
  /** Who is asked to end: the bench ends its own children in order, a build is ended as a whole. */
  readonly asked: 'process' | 'group';
}

/** How a child process ended, and what it said on both streams. */
export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly output: string;
}

/** The last part of what a child says is kept, in characters. */
const OUTPUT_CHARACTERS_MAX = 20_000;

/**
 * Runs Node in the copy to its end. When `stop` fires, or the limit passes, the child is asked to
 * end, so that it ends its own children first.
 */
export function runNode(args: readonly string[], options: RunOptions): Promise<Ended> {
  return new Promise((resolve, reject) => {
    // A group of its own: Ctrl-C is for this command alone, which passes it on once.
    const child = spawn(process.execPath, args, {
      cwd: options.cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    });
    let output = '';
    const hear = (bytes: Buffer): void => {
      output = (output + bytes.toString('utf8')).slice(-OUTPUT_CHARACTERS_MAX);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    const end = (): void => {
      if (child.pid === undefined || child.exitCode !== null) return;
      if (options.asked === 'process') child.kill('SIGTERM');
      else process.kill(-child.pid, 'SIGTERM');
    };
    const limit = setTimeout(end, options.limitMs);
    options.stop.addEventListener('abort', end, { once: true });
    if (options.stop.aborted) end();
    const over = (): void => {
      clearTimeout(limit);
      options.stop.removeEventListener('abort', end);
    };
    child.on('error', (error) => {
      over();
      reject(error);
    });
    child.on('close', (code) => {
      over();
      resolve({ code, output });
    });
  });
}
