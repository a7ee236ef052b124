import type { Disk, DiskError, DiskFile, SnapshotMeta } from '@quorate/consensus';
import { SnapshotError } from './errors.ts';
import { type Digest, SNAPSHOT_CHUNK_BYTES, type SnapshotDone } from './types.ts';

const DIGEST = /^[0-9a-f]{64}$/;
const OWN_NAME = /^(snapshot-\d{12,}-[0-9a-f]{16}\.bin|(write|install)-\d+\.tmp)$/;

/** True for names that a store makes; other files in its directory are left alone. */
export function isStoreName(name: string): boolean {
  return OWN_NAME.test(name);
}

/**
 * The file name of a snapshot, `snapshot-000000000042-<16 hex of the digest>.bin`: two snapshots of
 * one index may differ in their bytes (own and received), so the index alone is no name.
 */
export function snapshotName(meta: SnapshotMeta): string {
  return `snapshot-${String(meta.index).padStart(12, '0')}-${meta.digest.slice(0, 16)}.bin`;
}

/** What is wrong with a meta that came from outside, or null: it must never become a path as is. */
export function refuseMeta(meta: SnapshotMeta): SnapshotError | null {
  const sound = DIGEST.test(meta.digest) && Number.isSafeInteger(meta.bytes) && meta.bytes >= 0;
  if (sound) return null;
  return new SnapshotError('SNAPSHOT_ERR_CORRUPT', 'a snapshot meta without a SHA-256 or length');
}

/** Turns the disk's error into the store's. */
export function storeError(error: DiskError, name: string): SnapshotError {
  const message = `${name}: ${error.code}: ${error.message}`;
  if (error.code === 'ENOENT') {
    return new SnapshotError('SNAPSHOT_ERR_MISSING', message, error.code);
  }
  const full = error.code === 'ENOSPC' || error.code === 'EDQUOT';
  return new SnapshotError(full ? 'SNAPSHOT_ERR_NO_SPACE' : 'SNAPSHOT_ERR_IO', message, error.code);
}

/** The disk operations of a store, in its one directory. */
export class SnapshotFiles {
  readonly disk: Disk;
  readonly directory: string;
  private readonly createDigest: () => Digest;
  private temporaries = 0;

  constructor(disk: Disk, directory: string, createDigest: () => Digest) {
    this.disk = disk;
    this.directory = directory;
    this.createDigest = createDigest;
  }

  newDigest(): Digest {
    return this.createDigest();
  }

  path(name: string): string {
    return `${this.directory}/${name}`;
  }

  /** Makes an empty file under a temporary name that no other operation uses. */
  createTemporary(
    kind: 'write' | 'install',
    done: SnapshotDone<{ readonly name: string; readonly file: DiskFile } | null>,
  ): void {
    const name = `${kind}-${++this.temporaries}.tmp`;
    this.disk.open(this.path(name), { mode: 'create', writeThrough: false }, (error, file) => {
      if (error !== null) return done(storeError(error, name), null);
      file.truncate(0, (truncateError) => {
        if (truncateError === null) return done(null, { name, file });
        this.discard(name, file, () => done(storeError(truncateError, name), null));
      });
    });
  }

  /**
   * Makes a finished file durable under its final name: sync, close, rename, directory sync, in
   * this order, so that the final name never leads to unsynced bytes.
   */
  publish(temporary: string, file: DiskFile, final: string, done: SnapshotDone): void {
    const fail = (error: DiskError): void => {
      this.discard(temporary, null, () => done(storeError(error, temporary), undefined));
    };
    file.sync((syncError) => {
      file.close((closeError) => {
        const failed = syncError ?? closeError;
        if (failed !== null) return fail(failed);
        this.disk.rename(this.path(temporary), this.path(final), (renameError) => {
          if (renameError !== null) return fail(renameError);
          this.disk.syncDirectory(this.directory, (nameError) => {
            if (nameError !== null) return done(storeError(nameError, final), undefined);
            done(null, undefined);
          });
        });
      });
    });
  }

  /** Closes (when open) and removes a file; what stays all the same goes at the next start. */
  discard(name: string, file: DiskFile | null, done: () => void): void {
    const remove = (): void => this.disk.remove(this.path(name), () => done());
    if (file === null) remove();
    else file.close(remove);
  }

  /** Reads up to `length` bytes at `offset` of a snapshot. */
  readAt(meta: SnapshotMeta, offset: number, length: number, done: SnapshotDone<Uint8Array>): void {
    const name = snapshotName(meta);
    const nothing = new Uint8Array(0);
    this.disk.open(this.path(name), { mode: 'read', writeThrough: false }, (error, file) => {
      if (error !== null) return done(storeError(error, name), nothing);
      file.read(offset, length, (readError, bytes) => {
        file.close((closeError) => {
          const failed = readError ?? closeError;
          done(failed === null ? null : storeError(failed, name), bytes);
        });
      });
    });
  }

  /** Reads a whole snapshot in order; ends with SNAPSHOT_ERR_CORRUPT unless it fits its meta. */
  readThrough(
    meta: SnapshotMeta,
    slice: (bytes: Uint8Array, last: boolean) => void,
    done: SnapshotDone,
  ): void {
    const name = snapshotName(meta);
    const digest = this.newDigest();
    this.disk.open(this.path(name), { mode: 'read', writeThrough: false }, (error, file) => {
      if (error !== null) return done(storeError(error, name), undefined);
      const end = (failure: SnapshotError | null): void => {
        file.close(() => done(failure, undefined));
      };
      const step = (offset: number): void => {
        file.read(offset, SNAPSHOT_CHUNK_BYTES, (readError, bytes) => {
          if (readError !== null) return end(storeError(readError, name));
          const next = offset + bytes.length;
          // One read behind the last byte finds a file that is too long.
          if (next > meta.bytes || (bytes.length === 0 && next < meta.bytes)) {
            return end(corruptLength(name, meta));
          }
          digest.update(bytes);
          if (bytes.length > 0 || meta.bytes === 0) slice(bytes, next === meta.bytes);
          if (bytes.length > 0) step(next);
          else end(digest.finishHex() === meta.digest ? null : corruptDigest(name));
        });
      };
      step(0);
    });
  }
}

function corruptLength(name: string, meta: SnapshotMeta): SnapshotError {
  const message = `${name} should be ${meta.bytes} bytes long and is not. ${WAY_OUT}`;
  return new SnapshotError('SNAPSHOT_ERR_CORRUPT', message);
}

/** The error for bytes that do not have the digest of their meta. */
export function corruptDigest(name: string): SnapshotError {
  return new SnapshotError('SNAPSHOT_ERR_CORRUPT', `${name} is damaged (SHA-256). ${WAY_OUT}`);
}

const WAY_OUT =
  'The log before it is gone, so this replica cannot be restored from here: start it with an ' +
  'empty data directory as a new member.';
