// Builds the workspace when a source is newer than the last build, so that a committed command works
// on a clean clone after `npm ci` and never runs yesterday's code. An up-to-date check costs a walk
// over the sources (a few milliseconds); the compiler starts only when it is needed.
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const WORKSPACE = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const STATE = join(WORKSPACE, '.nx', 'build');
const STAMP = join(STATE, 'stamp');
const LOCK = join(STATE, 'lock');
const LOCK_WAIT_MS_MAX = 120_000;

function newestSourceMs() {
  let newest = 0;
  const visit = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.name === 'node_modules' || entry.name === 'dist') continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) visit(path);
      else if (/\.(ts|json)$/.test(entry.name)) newest = Math.max(newest, statSync(path).mtimeMs);
    }
  };
  for (const root of ['libs', 'apps', 'tools']) visit(join(WORKSPACE, root));
  for (const file of ['tsconfig.json', 'tsconfig.base.json']) {
    newest = Math.max(newest, statSync(join(WORKSPACE, file)).mtimeMs);
  }
  return newest;
}

function isFresh() {
  return existsSync(STAMP) && statSync(STAMP).mtimeMs >= newestSourceMs();
}

/** Two commands started together must not compile into the same folders at the same time. */
function withLock(work) {
  mkdirSync(STATE, { recursive: true });
  const deadline = Date.now() + LOCK_WAIT_MS_MAX;
  for (;;) {
    try {
      closeSync(openSync(LOCK, 'wx'));
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const ageMs = existsSync(LOCK) ? Date.now() - statSync(LOCK).mtimeMs : 0;
      if (ageMs > LOCK_WAIT_MS_MAX || Date.now() > deadline) rmSync(LOCK, { force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  }
  try {
    return work();
  } finally {
    rmSync(LOCK, { force: true });
  }
}

/** Compiles when stale; ends the process with 70 when the sources do not compile. */
export function buildWhenStale() {
  if (isFresh()) return;
  withLock(() => {
    if (isFresh()) return;
    const startedAt = new Date();
    if (process.stderr.isTTY) process.stderr.write('quorate: building ...\n');
    const tsc = join(WORKSPACE, 'node_modules', 'typescript', 'bin', 'tsc');
    const built = spawnSync(process.execPath, [tsc, '-b', WORKSPACE], { stdio: ['ignore', 2, 2] });
    if (built.status !== 0) {
      process.stderr.write('quorate: the sources do not compile, see above\n');
      rmSync(LOCK, { force: true });
      process.exit(70);
    }
    writeFileSync(STAMP, '');
    utimesSync(STAMP, startedAt, startedAt);
  });
}
