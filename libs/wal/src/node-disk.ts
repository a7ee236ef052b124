import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import {
  createRecordCodec,
  type Disk,
  DiskError,
  type DiskFile,
  type Done,
  type OpenOptions,
  type RecordCodec,
} from '@quorate/consensus';

/** The record codec on zlib's CRC-32, which is native. */
export function nodeRecordCodec(): RecordCodec {
  return createRecordCodec((bytes, previous = 0) => zlib.crc32(bytes, previous));
}

/**
 * The `Disk` of this machine below the directory `root`, on the callbacks of `node:fs`, without
 * promises. Errors carry the operating system's code.
 */
export function openNodeDisk(root: string): Disk {
  return new NodeDisk(path.resolve(root));
}

/** Undefined on systems without it; there each write is followed by a sync instead. */
const O_DSYNC = fs.constants?.O_DSYNC as number | undefined;

class NodeDisk implements Disk {
  private readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  open(name: string, options: OpenOptions, done: Done<DiskFile>): void {
    const { O_RDONLY, O_RDWR, O_CREAT } = fs.constants;
    let flags = O_RDONLY;
    if (options.mode !== 'read') flags = O_RDWR;
    if (options.mode === 'create') flags |= O_CREAT;
    const syncsItself = options.writeThrough && O_DSYNC !== undefined;
    if (syncsItself) flags |= O_DSYNC;
    fs.open(this.at(name), flags, 0o600, (error, descriptor) => {
      const mustSync = options.writeThrough && !syncsItself;
      if (error !== null) done(diskError(error), undefined as unknown as DiskFile);
      else done(null, new NodeFile(descriptor, mustSync));
    });
  }

  list(name: string, done: Done<readonly string[]>): void {
    fs.readdir(this.at(name), (error, names) => {
      if (error !== null) done(diskError(error), []);
      else done(null, names.sort());
    });
  }

  rename(from: string, to: string, done: Done): void {
    fs.rename(this.at(from), this.at(to), plain(done));
  }

  remove(name: string, done: Done): void {
    fs.unlink(this.at(name), plain(done));
  }

  makeDirectory(name: string, done: Done): void {
    fs.mkdir(this.at(name), { recursive: true, mode: 0o700 }, (error) => plain(done)(error));
  }

  syncDirectory(name: string, done: Done): void {
    if (process.platform === 'win32') {
      // Windows has no handle that syncs a directory; NTFS journals its names itself.
      fs.stat(this.at(name), (error) => plain(done)(error));
      return;
    }
    fs.open(this.at(name), fs.constants.O_RDONLY, (error, descriptor) => {
      if (error !== null) return done(diskError(error), undefined);
      fs.fsync(descriptor, (syncError) => {
        fs.close(descriptor, (closeError) => plain(done)(syncError ?? closeError ?? null));
      });
    });
  }

  private at(name: string): string {
    return path.join(this.root, name);
  }
}

class NodeFile implements DiskFile {
  private readonly descriptor: number;
  private readonly mustSync: boolean;

  constructor(descriptor: number, mustSync: boolean) {
    this.descriptor = descriptor;
    this.mustSync = mustSync;
  }

  size(done: Done<number>): void {
    fs.fstat(this.descriptor, (error, stats) => {
      if (error !== null) done(diskError(error), 0);
      else done(null, stats.size);
    });
  }

  read(offset: number, length: number, done: Done<Uint8Array>): void {
    const bytes = new Uint8Array(length);
    const step = (filled: number): void => {
      fs.read(this.descriptor, bytes, filled, length - filled, offset + filled, (error, count) => {
        if (error !== null) done(diskError(error), bytes);
        else if (count === 0 || filled + count === length) {
          done(null, bytes.subarray(0, filled + count));
        } else step(filled + count);
      });
    };
    step(0);
  }

  write(offset: number, parts: readonly Uint8Array[], done: Done): void {
    const ended = this.mustSync ? this.thenSync(done) : done;
    writeAll(this.descriptor, offset, parts, ended);
  }

  sync(done: Done): void {
    fs.fdatasync(this.descriptor, plain(done));
  }

  truncate(length: number, done: Done): void {
    fs.ftruncate(this.descriptor, length, plain(done));
  }

  close(done: Done): void {
    fs.close(this.descriptor, plain(done));
  }

  private thenSync(done: Done): Done {
    return (error) => {
      if (error !== null) done(error, undefined);
      else this.sync(done);
    };
  }
}

/** One gathering write; the system may take less than all, so it is asked again for the rest. */
function writeAll(
  descriptor: number,
  offset: number,
  parts: readonly Uint8Array[],
  done: Done,
): void {
  fs.writev(descriptor, parts as Uint8Array[], offset, (error, written) => {
    if (error !== null) return done(diskError(error), undefined);
    const rest = partsBehind(parts, written);
    if (rest.length === 0) return done(null, undefined);
    if (written === 0) return done(new DiskError('EIO', 'a write wrote nothing'), undefined);
    writeAll(descriptor, offset + written, rest, done);
  });
}

/** What remains of `parts` behind the first `count` bytes. */
function partsBehind(parts: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skip = count;
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index] as Uint8Array;
    if (skip < part.length) return [part.subarray(skip), ...parts.slice(index + 1)];
    skip -= part.length;
  }
  return [];
}

function plain(done: Done): (error: NodeJS.ErrnoException | null | undefined) => void {
  return (error) => done(error ? diskError(error) : null, undefined);
}

function diskError(error: NodeJS.ErrnoException): DiskError {
  return new DiskError(error.code ?? 'EIO', error.message);
}
