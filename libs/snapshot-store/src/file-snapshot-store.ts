import type {
  Clock,
  DiskFile,
  SnapshotDescription,
  SnapshotMeta,
  SnapshotReader,
} from '@quorate/consensus';
import { SnapshotError } from './errors.ts';
import { refuseMeta, type SnapshotFiles, snapshotName, storeError } from './snapshot-files.ts';
import { StagedInstall } from './staged-install.ts';
import {
  SNAPSHOT_CHUNK_BYTES,
  type SnapshotChunk,
  type SnapshotDone,
  type SnapshotInstall,
  type SnapshotStore,
} from './types.ts';

/** Named snapshots that are kept: the newest, and the one before it for transfers under way. */
const NAMED_MAX = 2;

/** The store on a disk; made by `openSnapshotStore`. */
export class FileSnapshotStore implements SnapshotStore {
  private readonly files: SnapshotFiles;
  private readonly clock: Clock;
  private readonly sliceBytes: number;
  /** Oldest first, at most {@link NAMED_MAX}. */
  private kept: SnapshotMeta[];
  /** Published files that no record names yet, with their index. */
  private readonly unnamed: Map<string, number> = new Map();
  /** How many operations read each file now, and which files go when the last one ends. */
  private readonly readers: Map<string, number> = new Map();
  private readonly doomed: Set<string> = new Set();
  private isWriting = false;
  private staged: StagedInstall | null = null;

  constructor(
    files: SnapshotFiles,
    options: { readonly clock: Clock; readonly sliceBytes: number },
    kept: readonly SnapshotMeta[],
  ) {
    this.files = files;
    this.clock = options.clock;
    this.sliceBytes = options.sliceBytes;
    this.kept = [...kept];
  }

  get latest(): SnapshotMeta | null {
    return this.kept.at(-1) ?? null;
  }

  write(
    description: SnapshotDescription,
    reader: SnapshotReader,
    done: SnapshotDone<SnapshotMeta>,
  ): void {
    const unfinished: SnapshotMeta = { ...description, digest: '', bytes: 0 };
    if (this.isWriting) {
      reader.close();
      const busy = new SnapshotError('SNAPSHOT_ERR_BUSY', 'a snapshot is being written already');
      this.clock.defer(() => done(busy, unfinished));
      return;
    }
    this.isWriting = true;
    const end = (error: SnapshotError | null, meta: SnapshotMeta): void => {
      this.isWriting = false;
      reader.close();
      done(error, meta);
    };
    this.files.createTemporary('write', (error, temporary) => {
      if (error !== null || temporary === null) return end(error, unfinished);
      this.writeSlices(temporary, reader, unfinished, (writeError, meta) => {
        if (writeError !== null) {
          this.files.discard(temporary.name, temporary.file, () => end(writeError, unfinished));
          return;
        }
        const name = snapshotName(meta);
        this.files.publish(temporary.name, temporary.file, name, (publishError) => {
          if (publishError === null) this.addUnnamed(meta);
          end(publishError, meta);
        });
      });
    });
  }

  install(meta: SnapshotMeta, done: SnapshotDone<SnapshotInstall>): void {
    const { staged } = this;
    const nothing = undefined as unknown as SnapshotInstall;
    const refusal = refuseMeta(meta);
    if (refusal !== null) {
      this.clock.defer(() => done(refusal, nothing));
      return;
    }
    if (staged !== null && snapshotName(staged.meta) === snapshotName(meta)) {
      this.clock.defer(() => done(null, staged)); // A transfer that was interrupted goes on.
      return;
    }
    staged?.abort();
    this.files.createTemporary('install', (error, temporary) => {
      if (error !== null || temporary === null) return done(error, nothing);
      this.staged?.abort(); // Another install may have begun meanwhile; the newer one wins.
      const install = new StagedInstall(
        meta,
        { files: this.files, clock: this.clock },
        temporary,
        (published) => {
          if (this.staged === install) this.staged = null;
          if (published) this.addUnnamed(meta);
        },
      );
      this.staged = install;
      done(null, install);
    });
  }

  readChunk(meta: SnapshotMeta, offset: number, done: SnapshotDone<SnapshotChunk>): void {
    const length = Math.min(SNAPSHOT_CHUNK_BYTES, meta.bytes - offset);
    const name = snapshotName(meta);
    const nothing: SnapshotChunk = { offset, bytes: new Uint8Array(0), last: false };
    const refusal = refuseMeta(meta) ?? refuseOffset(meta, offset);
    if (refusal !== null) {
      this.clock.defer(() => done(refusal, nothing));
      return;
    }
    this.hold(name);
    this.files.readAt(meta, offset, length, (error, bytes) => {
      this.letGo(name);
      if (error !== null) return done(error, nothing);
      if (bytes.length < length) {
        const message = `${name} ends at ${offset + bytes.length} of ${meta.bytes} bytes`;
        return done(new SnapshotError('SNAPSHOT_ERR_CORRUPT', message), nothing);
      }
      done(null, { offset, bytes, last: offset + length === meta.bytes });
    });
  }

  restore(
    meta: SnapshotMeta,
    slice: (bytes: Uint8Array, last: boolean) => void,
    done: SnapshotDone,
  ): void {
    const name = snapshotName(meta);
    this.hold(name);
    this.verify(meta, (error) => {
      if (error !== null) {
        this.letGo(name);
        done(error, undefined);
        return;
      }
      this.files.readThrough(meta, slice, (readError) => {
        this.letGo(name);
        done(readError, undefined);
      });
    });
  }

  verify(meta: SnapshotMeta, done: SnapshotDone): void {
    const name = snapshotName(meta);
    const refusal = refuseMeta(meta);
    if (refusal !== null) {
      this.clock.defer(() => done(refusal, undefined));
      return;
    }
    this.hold(name);
    this.files.readThrough(
      meta,
      () => {},
      (error) => {
        this.letGo(name);
        done(error, undefined);
      },
    );
  }

  named(meta: SnapshotMeta): void {
    const name = snapshotName(meta);
    if (this.latest !== null && snapshotName(this.latest) === name) return;
    this.unnamed.delete(name);
    this.kept = this.kept.filter((other) => snapshotName(other) !== name);
    this.kept.push(meta);
    while (this.kept.length > NAMED_MAX) {
      const oldest = this.kept.shift();
      if (oldest !== undefined) this.removeUnread(snapshotName(oldest));
    }
    for (const [other, index] of this.unnamed) {
      if (index > meta.index) continue;
      this.unnamed.delete(other);
      this.removeUnread(other);
    }
  }

  /** Feeds the reader's slices into the file, one a turn, so that a large state stalls nobody. */
  private writeSlices(
    temporary: { readonly name: string; readonly file: DiskFile },
    reader: SnapshotReader,
    unfinished: SnapshotMeta,
    done: SnapshotDone<SnapshotMeta>,
  ): void {
    const digest = this.files.newDigest();
    const step = (bytes: number): void => {
      const slice = reader.next(this.sliceBytes);
      if (slice === null) {
        done(null, { ...unfinished, digest: digest.finishHex(), bytes });
        return;
      }
      digest.update(slice);
      temporary.file.write(bytes, [slice], (error) => {
        if (error !== null) done(storeError(error, temporary.name), unfinished);
        else step(bytes + slice.length);
      });
    };
    step(0);
  }

  private addUnnamed(meta: SnapshotMeta): void {
    const name = snapshotName(meta);
    const isNamed = this.kept.some((other) => snapshotName(other) === name);
    if (!isNamed) this.unnamed.set(name, meta.index);
    this.doomed.delete(name);
  }

  private hold(name: string): void {
    this.readers.set(name, (this.readers.get(name) ?? 0) + 1);
  }

  private letGo(name: string): void {
    const left = (this.readers.get(name) ?? 0) - 1;
    if (left > 0) {
      this.readers.set(name, left);
      return;
    }
    this.readers.delete(name);
    if (this.doomed.delete(name)) this.removeUnread(name);
  }

  private removeUnread(name: string): void {
    if (this.readers.has(name)) {
      this.doomed.add(name);
      return;
    }
    // A removal that fails leaves an orphan, which the next opening removes.
    this.files.disk.remove(this.files.path(name), () => {});
  }
}

function refuseOffset(meta: SnapshotMeta, offset: number): SnapshotError | null {
  const inside = Number.isSafeInteger(offset) && offset >= 0 && offset <= meta.bytes;
  if (inside) return null;
  const message = `offset ${offset} lies outside the ${meta.bytes} bytes of the snapshot`;
  return new SnapshotError('SNAPSHOT_ERR_OFFSET', message);
}
