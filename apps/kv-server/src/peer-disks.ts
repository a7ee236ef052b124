import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ServerError } from './errors.ts';

const FILE = 'peers.json';

/**
 * The disk ids of the peers as this replica met them first, kept in its data directory. A peer that
 * comes back under its id with another disk has lost its promises and must not vote; without this
 * file a restart here would forget whom to refuse.
 */
export class PeerDisks {
  private readonly root: string;
  private readonly disks: Map<number, string>;

  /** Reads the file of the data directory `root`; throws {@link ServerError} when it is damaged. */
  constructor(root: string) {
    this.root = root;
    this.disks = read(join(root, FILE));
  }

  /** The disk id of a peer, empty when it was never met. */
  diskOf(id: number): string {
    return this.disks.get(id) ?? '';
  }

  /** Remembers a peer's disk; durable when it returns. */
  learn(id: number, disk: string): void {
    this.disks.set(id, disk);
    const file = join(this.root, FILE);
    const temporary = `${file}.tmp`;
    const descriptor = openSync(temporary, 'w', 0o600);
    try {
      writeSync(descriptor, `${JSON.stringify(Object.fromEntries(this.disks), null, 2)}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
    const directory = openSync(this.root, 'r');
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  }
}

function read(file: string): Map<number, string> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
  try {
    const entries = Object.entries(JSON.parse(text) as Record<string, unknown>);
    return new Map(entries.map(([id, disk]) => [Number(id), String(disk)]));
  } catch {
    throw new ServerError('SERVER_ERR_PEERS_FILE', `${file} cannot be understood: it is not JSON`);
  }
}
