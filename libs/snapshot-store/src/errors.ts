/**
 * What can go wrong with snapshot files. Each code is listed in `docs/reference/errors.md`:
 *
 * - `SNAPSHOT_ERR_IO`: a disk operation failed.
 * - `SNAPSHOT_ERR_NO_SPACE`: the disk is full; the unfinished file was removed, try again later.
 * - `SNAPSHOT_ERR_MISSING`: no file belongs to this snapshot.
 * - `SNAPSHOT_ERR_CORRUPT`: length or digest differ from the snapshot's meta.
 * - `SNAPSHOT_ERR_OFFSET`: a chunk does not continue the bytes received so far.
 * - `SNAPSHOT_ERR_BUSY`: a snapshot is being written or installed already.
 * - `SNAPSHOT_ERR_ABORTED`: the writing or the install was given up.
 */
export type SnapshotErrorCode =
  | 'SNAPSHOT_ERR_IO'
  | 'SNAPSHOT_ERR_NO_SPACE'
  | 'SNAPSHOT_ERR_MISSING'
  | 'SNAPSHOT_ERR_CORRUPT'
  | 'SNAPSHOT_ERR_OFFSET'
  | 'SNAPSHOT_ERR_BUSY'
  | 'SNAPSHOT_ERR_ABORTED';

/** A failure of the snapshot store; the message names the file. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  readonly code: SnapshotErrorCode;
  /** The operating system's code (EIO, ENOSPC ...) when a disk operation was the cause. */
  readonly causeCode: string | null;

  constructor(code: SnapshotErrorCode, message: string, causeCode: string | null = null) {
    super(message);
    this.code = code;
    this.causeCode = causeCode;
  }
}
