import type { Clock, DiskFile, SnapshotMeta } from '@quorate/consensus';
import { SnapshotError } from './errors.ts';
import { corruptDigest, type SnapshotFiles, snapshotName, storeError } from './snapshot-files.ts';
import type { Digest, SnapshotDone, SnapshotInstall } from './types.ts';

/** A peer's snapshot on its way into the store; see {@link SnapshotInstall}. */
export class StagedInstall implements SnapshotInstall {
  readonly meta: SnapshotMeta;
  private readonly files: SnapshotFiles;
  private readonly clock: Clock;
  private readonly name: string;
  private readonly file: DiskFile;
  private readonly digest: Digest;
  private readonly ended: (published: boolean) => void;
  private received = 0;
  private working = false;
  private phase: 'open' | 'finishing' | 'ended' = 'open';

  constructor(
    meta: SnapshotMeta,
    context: { readonly files: SnapshotFiles; readonly clock: Clock },
    staged: { readonly name: string; readonly file: DiskFile },
    ended: (published: boolean) => void,
  ) {
    this.meta = meta;
    this.files = context.files;
    this.clock = context.clock;
    this.name = staged.name;
    this.file = staged.file;
    this.digest = context.files.newDigest();
    this.ended = ended;
  }

  get nextOffset(): number {
    return this.received;
  }

  write(offset: number, bytes: Uint8Array, done: SnapshotDone): void {
    const refusal = this.refuse() ?? this.refuseChunk(offset, bytes);
    const fresh = bytes.subarray(Math.min(bytes.length, this.received - offset));
    if (refusal !== null || fresh.length === 0) {
      this.clock.defer(() => done(refusal, undefined));
      return;
    }
    this.working = true;
    this.digest.update(fresh);
    this.file.write(this.received, [fresh], (error) => {
      this.working = false;
      if (this.phase === 'ended') {
        this.remove();
        done(aborted(this.name), undefined);
      } else if (error !== null) {
        this.end();
        done(storeError(error, this.name), undefined);
      } else {
        this.received += fresh.length;
        done(null, undefined);
      }
    });
  }

  finish(done: SnapshotDone<SnapshotMeta>): void {
    const refusal = this.refuse() ?? this.refuseContent();
    if (refusal !== null) {
      if (refusal.code === 'SNAPSHOT_ERR_CORRUPT') this.end();
      this.clock.defer(() => done(refusal, this.meta));
      return;
    }
    this.phase = 'finishing';
    this.files.publish(this.name, this.file, snapshotName(this.meta), (error) => {
      this.phase = 'ended';
      this.ended(error === null);
      done(error, this.meta);
    });
  }

  abort(): void {
    if (this.phase === 'open') this.end();
  }

  private end(): void {
    this.phase = 'ended';
    this.ended(false);
    // A write in flight ends first and removes the file then.
    if (!this.working) this.remove();
  }

  private remove(): void {
    this.files.discard(this.name, this.file, () => {});
  }

  private refuse(): SnapshotError | null {
    if (this.phase !== 'open') return aborted(this.name);
    if (!this.working) return null;
    return new SnapshotError('SNAPSHOT_ERR_BUSY', `${this.name}: a chunk is being written`);
  }

  private refuseChunk(offset: number, bytes: Uint8Array): SnapshotError | null {
    if (offset > this.received || offset < 0) {
      const message = `${this.name}: a chunk at ${offset}, expected one at ${this.received}`;
      return new SnapshotError('SNAPSHOT_ERR_OFFSET', message);
    }
    if (offset + bytes.length <= this.meta.bytes) return null;
    const message = `${this.name}: a chunk goes beyond the ${this.meta.bytes} bytes announced`;
    return new SnapshotError('SNAPSHOT_ERR_OFFSET', message);
  }

  private refuseContent(): SnapshotError | null {
    if (this.received < this.meta.bytes) {
      const message = `${this.name}: ${this.received} of ${this.meta.bytes} bytes received`;
      return new SnapshotError('SNAPSHOT_ERR_OFFSET', message);
    }
    return this.digest.finishHex() === this.meta.digest ? null : corruptDigest(this.name);
  }
}

function aborted(name: string): SnapshotError {
  return new SnapshotError('SNAPSHOT_ERR_ABORTED', `${name}: the install has ended`);
}
