import type { Random } from '@quorate/foundation';
import { SectorContent } from './sector-content.ts';

/** A name leads to a file's content or to a directory. */
export type TreeEntry = SectorContent | SimulatedDirectory;

/** One change of a directory that no sync of it has covered yet. */
type DirectoryChange =
  | { readonly kind: 'set'; readonly name: string; readonly entry: TreeEntry }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string; entry: TreeEntry };

/**
 * One simulated directory: its names as programs see them, and as they come back after a power
 * cut. A name is durable only after the directory's own sync, however often the file was synced
 * (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014).
 */
export class SimulatedDirectory {
  private entries: Map<string, TreeEntry> = new Map();
  private durable: Map<string, TreeEntry> = new Map();
  private changes: DirectoryChange[] = [];

  get(name: string): TreeEntry | undefined {
    return this.entries.get(name);
  }

  /** The names, sorted. */
  names(): string[] {
    return [...this.entries.keys()].sort();
  }

  set(name: string, entry: TreeEntry): void {
    this.entries.set(name, entry);
    this.changes.push({ kind: 'set', name, entry });
  }

  remove(name: string): void {
    this.entries.delete(name);
    this.changes.push({ kind: 'remove', name });
  }

  /** Renames inside this directory: one atomic change. */
  rename(from: string, to: string, entry: TreeEntry): void {
    this.entries.delete(from);
    this.entries.set(to, entry);
    this.changes.push({ kind: 'rename', from, to, entry });
  }

  /** The number of changes so far that are not durable; what a sync of this moment covers. */
  get unsyncedChanges(): number {
    return this.changes.length;
  }

  /** Makes the oldest `count` changes durable. */
  settle(count: number): void {
    for (const change of this.changes.splice(0, count)) applyChange(this.durable, change);
  }

  /** A power cut: each change that is not durable is kept or lost on its own, by `random`. */
  powerCut(random: Random): void {
    for (const change of this.changes) {
      if (random.below(2) === 0) applyChange(this.durable, change);
    }
    this.restart();
    for (const entry of new Set(this.entries.values())) entry.powerCut(random);
  }

  /** The most parts, sectors of one file or changes of one directory, that could still be lost. */
  get openParts(): number {
    let most = this.changes.length;
    for (const entry of this.entries.values()) {
      const parts = entry instanceof SectorContent ? entry.openSectors : entry.openParts;
      most = Math.max(most, parts);
    }
    return most;
  }

  /** A power cut: of each file and directory the first `count` parts at risk are kept. */
  powerCutAfter(count: number): void {
    this.settle(count);
    this.restart();
    for (const entry of new Set(this.entries.values())) entry.powerCutAfter(count);
  }

  /** A copy of everything below; `copies` holds what was copied, so that links stay links. */
  copy(copies: Map<TreeEntry, TreeEntry>): SimulatedDirectory {
    const copy = new SimulatedDirectory();
    const copied = (entry: TreeEntry): TreeEntry => {
      const known = copies.get(entry);
      if (known !== undefined) return known;
      const made = entry instanceof SectorContent ? entry.copy() : entry.copy(copies);
      copies.set(entry, made);
      return made;
    };
    for (const [name, entry] of this.entries) copy.entries.set(name, copied(entry));
    for (const [name, entry] of this.durable) copy.durable.set(name, copied(entry));
    copy.changes = this.changes.map((change) =>
      change.kind === 'remove' ? change : { ...change, entry: copied(change.entry) },
    );
    return copy;
  }

  private restart(): void {
    this.changes = [];
    this.entries = new Map(this.durable);
  }

  /** The bytes of all files below this directory. */
  usedBytes(): number {
    let bytes = 0;
    for (const entry of this.entries.values()) {
      bytes += entry instanceof SectorContent ? entry.length : entry.usedBytes();
    }
    return bytes;
  }
}

function applyChange(map: Map<string, TreeEntry>, change: DirectoryChange): void {
  if (change.kind === 'set') map.set(change.name, change.entry);
  else if (change.kind === 'remove') map.delete(change.name);
  else {
    map.delete(change.from);
    map.set(change.to, change.entry);
  }
}

/** The directory and the last name of a path; null when a directory on the way is missing. */
export function locate(
  root: SimulatedDirectory,
  path: string,
): { readonly directory: SimulatedDirectory; readonly name: string } | null {
  const steps = path.split('/').filter((step) => step !== '' && step !== '.');
  const name = steps.pop() ?? '';
  let directory = root;
  for (const step of steps) {
    const next = directory.get(step);
    if (!(next instanceof SimulatedDirectory)) return null;
    directory = next;
  }
  return { directory, name };
}

/** The directory at a path (the root for an empty one), or null. */
export function locateDirectory(root: SimulatedDirectory, path: string): SimulatedDirectory | null {
  const found = locate(root, path);
  if (found === null) return null;
  if (found.name === '') return found.directory;
  const entry = found.directory.get(found.name);
  return entry instanceof SimulatedDirectory ? entry : null;
}
