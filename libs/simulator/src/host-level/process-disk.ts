import type { Disk, DiskError, DiskFile, Done, OpenOptions } from '@quorate/consensus';
import type { SimulatedProcess } from '../ports/simulated-process.ts';

/** Told of each failed operation that a process hears of; `path` is the file's. */
export type DiskErrorSeen = (error: DiskError, path: string) => void;

/**
 * A mounted disk as a process uses it: the hardware goes on while the process is paused, its
 * completions wait for the process.
 */
export class ProcessDisk implements Disk {
  private readonly disk: Disk;
  private readonly process: SimulatedProcess;
  private readonly onError: DiskErrorSeen;

  constructor(disk: Disk, process: SimulatedProcess, onError: DiskErrorSeen) {
    this.disk = disk;
    this.process = process;
    this.onError = onError;
  }

  open(path: string, options: OpenOptions, done: Done<DiskFile>): void {
    const enter = this.entering<DiskFile>(path, (error, file) => {
      done(error, error === null ? new ProcessFile(file, path, this) : file);
    });
    this.disk.open(path, options, enter);
  }

  list(path: string, done: Done<readonly string[]>): void {
    this.disk.list(path, this.entering(path, done));
  }

  rename(from: string, to: string, done: Done): void {
    this.disk.rename(from, to, this.entering(from, done));
  }

  remove(path: string, done: Done): void {
    this.disk.remove(path, this.entering(path, done));
  }

  makeDirectory(path: string, done: Done): void {
    this.disk.makeDirectory(path, this.entering(path, done));
  }

  syncDirectory(path: string, done: Done): void {
    this.disk.syncDirectory(path, this.entering(path, done));
  }

  /** Wraps a completion so that it comes inside the process. */
  entering<T>(path: string, done: Done<T>): Done<T> {
    return (error, result) => {
      this.process.enter(() => {
        if (error !== null) this.onError(error, path);
        done(error, result);
      });
    };
  }
}

class ProcessFile implements DiskFile {
  private readonly file: DiskFile;
  private readonly path: string;
  private readonly disk: ProcessDisk;

  constructor(file: DiskFile, path: string, disk: ProcessDisk) {
    this.file = file;
    this.path = path;
    this.disk = disk;
  }

  size(done: Done<number>): void {
    this.file.size(this.disk.entering(this.path, done));
  }

  read(offset: number, length: number, done: Done<Uint8Array>): void {
    this.file.read(offset, length, this.disk.entering(this.path, done));
  }

  write(offset: number, parts: readonly Uint8Array[], done: Done): void {
    this.file.write(offset, parts, this.disk.entering(this.path, done));
  }

  sync(done: Done): void {
    this.file.sync(this.disk.entering(this.path, done));
  }

  truncate(length: number, done: Done): void {
    this.file.truncate(length, this.disk.entering(this.path, done));
  }

  close(done: Done): void {
    this.file.close(this.disk.entering(this.path, done));
  }
}
