import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Run } from '@quorate/report';

const WORKSPACE = fileURLToPath(new URL('../../../../', import.meta.url));
const FSYNC_SAMPLES = 64;
const BLOCK_BYTES = 4096;

/** Names of file systems by their magic number, from linux/magic.h. */
const FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x01021994, 'tmpfs'],
  [0x794c7630, 'overlay'],
]);

/**
 * What the run ran on: commit, machine, and of the directory of its data the file system and the
 * latency of a sync, measured here. Simulated disks lie in no directory (null).
 */
export function describeEnvironment(directory: string | null): Run['environment'] {
  return {
    ...sourceState(),
    lockfileSha256: lockfileDigest(),
    node: process.version,
    os: type(),
    kernel: release(),
    cpuModel: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    filesystem: directory === null ? null : fileSystemOf(directory),
    fsyncLatencyUs: directory === null ? null : measureSync(directory),
  };
}

/** The commit that the sources stand at, and whether they were changed since; null without git. */
export function sourceState(): { readonly commit: string | null; readonly dirty: boolean | null } {
  return { commit: git('rev-parse', 'HEAD'), dirty: isDirty() };
}

/** The short commit for names, or `nogit`. */
export function shortCommit(): string {
  return git('rev-parse', '--short=9', 'HEAD') ?? 'nogit';
}

function git(...args: string[]): string | null {
  try {
    const stdio: ['ignore', 'pipe', 'ignore'] = ['ignore', 'pipe', 'ignore'];
    return execFileSync('git', args, { cwd: WORKSPACE, stdio, encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}

/** Results are no source: committing to keep one does not change what made it. */
function isDirty(): boolean | null {
  const status = git('status', '--porcelain', '--untracked-files=no', '--', ':/', ':!/results');
  return status === null ? null : status !== '';
}

function lockfileDigest(): string | null {
  try {
    const bytes = readFileSync(join(WORKSPACE, 'package-lock.json'));
    return createHash('sha256').update(bytes).digest('hex');
  } catch {
    return null;
  }
}

function fileSystemOf(directory: string): string | null {
  try {
    const magic = Number(statfsSync(directory).type) >>> 0;
    return FILE_SYSTEMS.get(magic) ?? `0x${magic.toString(16)}`;
  } catch {
    return null;
  }
}

/** Writes and syncs one 4 KiB block many times, where the data directories will lie. */
function measureSync(directory: string): NonNullable<Run['environment']['fsyncLatencyUs']> {
  const file = join(directory, 'fsync-probe');
  const descriptor = openSync(file, 'w');
  const block = Buffer.alloc(BLOCK_BYTES);
  const samples: number[] = [];
  try {
    for (let i = 0; i < FSYNC_SAMPLES; i++) {
      const start = performance.now();
      writeSync(descriptor, block, 0, BLOCK_BYTES, 0);
      fdatasyncSync(descriptor);
      samples.push((performance.now() - start) * 1000);
    }
  } finally {
    closeSync(descriptor);
    rmSync(file, { force: true });
  }
  samples.sort((a, b) => a - b);
  const at = (share: number): number =>
    samples[Math.min(samples.length - 1, Math.floor(share * samples.length))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), samples: samples.length };
}
