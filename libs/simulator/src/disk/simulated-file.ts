import type { Disk, DiskFile, Done, OpenOptions } from '@quorate/consensus';
import { DiskError } from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import type { SectorContent } from './sector-content.ts';
import type { SimulatedDisk } from './simulated-disk.ts';

/** An open file of one incarnation; it is dead when its process is. */
export class SimulatedFile implements DiskFile {
  private readonly disk: SimulatedDisk;
  private readonly incarnation: number;
  private readonly path: string;
  private readonly content: SectorContent;
  private readonly options: OpenOptions;
  private open = true;

  constructor(
    disk: SimulatedDisk,
    incarnation: number,
    path: string,
    content: SectorContent,
    options: OpenOptions,
  ) {
    this.disk = disk;
    this.incarnation = incarnation;
    this.path = path;
    this.content = content;
    this.options = options;
  }

  size(done: Done<number>): void {
    const delay = this.disk.delays.readMicros;
    this.disk.run(this.incarnation, 'size', this.path, delay, done, () => this.content.length);
  }

  read(offset: number, length: number, done: Done<Uint8Array>): void {
    const delay = this.disk.delays.readMicros;
    this.disk.run(this.incarnation, 'read', this.path, delay, done, () => {
      return this.content.read(offset, length);
    });
  }

  write(offset: number, parts: readonly Uint8Array[], done: Done): void {
    assert(this.open, 'a closed file is not written');
    assert(this.options.mode !== 'read', 'a file opened for reading is not written');
    const target = { content: this.content, offset };
    const through = this.options.writeThrough;
    this.disk.writeIn(this.incarnation, this.path, target, parts, through, done);
  }

  sync(done: Done): void {
    assert(this.open, 'a closed file is not synced');
    if (this.incarnation !== this.disk.currentIncarnation) return;
    const ticket = this.content.beginSync();
    const delay = this.disk.delays.syncMicros;
    this.disk.run(this.incarnation, 'sync', this.path, delay, done, (lies, fault) => {
      if (fault?.effect === 'error') {
        this.content.failSync(ticket);
        throw new DiskError(fault.code ?? 'EIO', `sync ${this.path}: injected`);
      }
      if (lies) this.content.ignoreSync(ticket);
      else this.content.endSync(ticket);
    });
  }

  truncate(length: number, done: Done): void {
    assert(this.options.mode !== 'read', 'a file opened for reading is not truncated');
    const delay = this.disk.delays.writeMicros;
    this.disk.run(this.incarnation, 'truncate', this.path, delay, done, () => {
      this.disk.requireSpace(this.content, length, this.path);
      this.content.truncate(length);
    });
  }

  close(done: Done): void {
    this.open = false;
    this.disk.run(this.incarnation, 'close', this.path, 0, done, () => {});
  }
}

/** The disk as one process sees it: nothing happens once that process is dead. */
export class MountedDisk implements Disk {
  private readonly disk: SimulatedDisk;
  private readonly incarnation: number;

  constructor(disk: SimulatedDisk, incarnation: number) {
    this.disk = disk;
    this.incarnation = incarnation;
  }

  private get alive(): boolean {
    return this.incarnation === this.disk.currentIncarnation;
  }

  open(path: string, options: OpenOptions, done: Done<DiskFile>): void {
    this.disk.openIn(this.incarnation, path, options, done);
  }

  list(path: string, done: Done<readonly string[]>): void {
    if (this.alive) this.disk.list(path, done);
  }

  rename(from: string, to: string, done: Done): void {
    if (this.alive) this.disk.rename(from, to, done);
  }

  remove(path: string, done: Done): void {
    if (this.alive) this.disk.remove(path, done);
  }

  makeDirectory(path: string, done: Done): void {
    if (this.alive) this.disk.makeDirectory(path, done);
  }

  syncDirectory(path: string, done: Done): void {
    if (this.alive) this.disk.syncDirectory(path, done);
  }
}
