/**
 * What can go wrong with a log or a data directory. Each code is listed in
 * `docs/reference/errors.md`:
 *
 * - `WAL_ERR_IO`: a disk operation failed; after a failed write or sync the log is dead for good.
 * - `WAL_ERR_CORRUPT`: bytes that were once durable are damaged or gone; never cut silently.
 * - `WAL_ERR_FOREIGN`: the log belongs to another cluster, node, disk or protocol.
 * - `WAL_ERR_FORMAT`: written by a format version that this build does not read.
 * - `WAL_ERR_EMPTY`: an existing log was expected and none is there (a lost disk must not vote).
 * - `WAL_ERR_USED`: a new directory was asked for and this one is in use.
 * - `WAL_ERR_LOCKED`: another live process holds the directory.
 * - `WAL_ERR_PERMISSION`: the directory cannot be written, or anybody may write into it.
 * - `WAL_ERR_IDENTITY`: `identity.json` cannot be understood.
 * - `WAL_ERR_QUEUE_FULL`: more batches wait than `queuedBatchesMax` allows.
 * - `WAL_ERR_CLOSED`: the log was closed before this append became durable.
 */
export type WalErrorCode =
  | 'WAL_ERR_IO'
  | 'WAL_ERR_CORRUPT'
  | 'WAL_ERR_FOREIGN'
  | 'WAL_ERR_FORMAT'
  | 'WAL_ERR_EMPTY'
  | 'WAL_ERR_USED'
  | 'WAL_ERR_LOCKED'
  | 'WAL_ERR_PERMISSION'
  | 'WAL_ERR_IDENTITY'
  | 'WAL_ERR_QUEUE_FULL'
  | 'WAL_ERR_CLOSED';

/** A failure of the log; the message says where it happened and what a person can do about it. */
export class WalError extends Error {
  override readonly name = 'WalError';
  readonly code: WalErrorCode;
  /** The operating system's code (EIO, ENOSPC ...) when a disk operation was the cause. */
  readonly causeCode: string | null;

  constructor(code: WalErrorCode, message: string, causeCode: string | null = null) {
    super(message);
    this.code = code;
    this.causeCode = causeCode;
  }
}
