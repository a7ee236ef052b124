import fs from 'node:fs';
import path from 'node:path';

/** What stands behind a directory. `memory` keeps nothing over a power cut, despite all syncs. */
export interface StorageKind {
  readonly kind: 'memory' | 'disk' | 'unknown';
  /** The file system's name where it is known, else its magic number in hex. */
  readonly fileSystem: string;
}

/** Magic numbers of `statfs(2)`, from linux/magic.h. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
  [0x794c7630, 'overlay'],
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x2fc12fc1, 'zfs'],
  [0x01021997, '9p'],
  [0x6969, 'nfs'],
]);
const MEMORY = new Set(['tmpfs', 'ramfs']);

/**
 * Looks at the file system of a directory, so that a run on a RAM disk is not labelled `group`: its
 * syncs cost nothing and mean nothing. An overlay is judged by its upper layer where that is seen.
 */
export function storageKind(directory: string): StorageKind {
  const fileSystem = fileSystemOf(directory);
  if (fileSystem === null) return { kind: 'unknown', fileSystem: 'unknown' };
  if (MEMORY.has(fileSystem)) return { kind: 'memory', fileSystem };
  if (fileSystem !== 'overlay') return { kind: 'disk', fileSystem };
  const upper = overlayUpper(fs.realpathSync(directory));
  const below = upper === null ? null : fileSystemOf(upper);
  if (below === null) return { kind: 'unknown', fileSystem };
  return { kind: MEMORY.has(below) ? 'memory' : 'disk', fileSystem: `overlay on ${below}` };
}

function fileSystemOf(directory: string): string | null {
  try {
    const { type } = fs.statfsSync(directory);
    const magic = Number(type) >>> 0;
    return NAMES.get(magic) ?? `0x${magic.toString(16)}`;
  } catch {
    return null; // Not every system answers; not knowing is an answer of its own.
  }
}

/** The upper layer of the overlay that holds `directory`, from /proc/self/mountinfo (proc(5)). */
function overlayUpper(directory: string): string | null {
  let best = '';
  let upper: string | null = null;
  for (const line of mountLines()) {
    const mountPoint = line.split(' ')[4] ?? '';
    const inside = directory === mountPoint || directory.startsWith(path.join(mountPoint, '/'));
    if (!inside || mountPoint.length < best.length) continue;
    best = mountPoint;
    upper = /upperdir=([^,\s]+)/.exec(line)?.[1] ?? null;
  }
  return upper;
}

function mountLines(): string[] {
  try {
    return fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  } catch {
    return [];
  }
}
