import type {
  Clock,
  Disk,
  SnapshotDescription,
  SnapshotMeta,
  SnapshotReader,
} from '@quorate/consensus';
import type { SnapshotError } from './errors.ts';

/** Bytes of one chunk of a transfer or a restore. */
export const SNAPSHOT_CHUNK_BYTES = 256 * 1024;

/** Ends an operation of the store: an error, or null and the result. Never inside the call. */
export type SnapshotDone<T = void> = (error: SnapshotError | null, result: T) => void;

/** A SHA-256 being computed. A port, so that the store runs where `node:crypto` does not exist. */
export interface Digest {
  update(bytes: Uint8Array): void;
  /** The digest in lower-case hex; the object is spent. */
  finishHex(): string;
}

/** How a store is opened. */
export interface SnapshotStoreOptions {
  readonly disk: Disk;
  /** The store's own directory, relative to the disk's root; made if absent. */
  readonly directory: string;
  readonly clock: Clock;
  /** A new SHA-256. */
  readonly createDigest: () => Digest;
  /**
   * The meta of the last `snapshot` records of the WAL, newest last (one or two are of use). Files
   * that none of them names are orphans and are removed; the newest one must be whole.
   */
  readonly named: readonly SnapshotMeta[];
  /** Bytes asked from a `SnapshotReader` at a time. Default 256 KiB. */
  readonly sliceBytes?: number;
}

/** What opening found. */
export interface OpenedSnapshotStore {
  readonly store: SnapshotStore;
  /** The newest named snapshot, its file present, whole and verified; null when none is named. */
  readonly latest: SnapshotMeta | null;
  /** Files removed because no durable record names them. */
  readonly orphansRemoved: number;
}

/** Bytes of a snapshot file, from `offset` on. */
export interface SnapshotChunk {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** True for the chunk that ends the file. */
  readonly last: boolean;
}

/** A staged install of a peer's snapshot. One at a time; chunks in order, one after the other. */
export interface SnapshotInstall {
  readonly meta: SnapshotMeta;
  /** Where the next chunk must start: also what a resumed transfer asks the sender for. */
  readonly nextOffset: number;
  /**
   * Adds the next chunk. A chunk that was received already is ignored; a gap is
   * `SNAPSHOT_ERR_OFFSET`, from which the sender may go on at `nextOffset`.
   */
  write(offset: number, bytes: Uint8Array, done: SnapshotDone): void;
  /**
   * Verifies length and digest and makes the file durable under its final name. After null the
   * snapshot may be offered to the engine (`snapshotOffered`).
   */
  finish(done: SnapshotDone<SnapshotMeta>): void;
  /** Gives up and removes the staged file. */
  abort(): void;
}

/**
 * Durable snapshot files. A file counts only once a durable WAL record names it; until then it is
 * an orphan, which the next opening removes.
 */
export interface SnapshotStore {
  /**
   * Writes an own snapshot: slices to a temporary name, one slice a turn, sync, rename, directory
   * sync. The result is the meta for `engine.snapshotTaken`. The reader is closed in each case.
   */
  write(
    description: SnapshotDescription,
    reader: SnapshotReader,
    done: SnapshotDone<SnapshotMeta>,
  ): void;
  /** Starts to stage a peer's snapshot; an unfinished install of another one is aborted. */
  install(meta: SnapshotMeta, done: SnapshotDone<SnapshotInstall>): void;
  /** Reads one chunk of at most {@link SNAPSHOT_CHUNK_BYTES} for a transfer. */
  readChunk(meta: SnapshotMeta, offset: number, done: SnapshotDone<SnapshotChunk>): void;
  /**
   * Reads a whole snapshot in order and hands each slice to `slice`, for `StateMachine.restore`.
   * The file's digest is verified first, so that no damaged byte reaches the state machine.
   */
  restore(
    meta: SnapshotMeta,
    slice: (bytes: Uint8Array, last: boolean) => void,
    done: SnapshotDone,
  ): void;
  /** Reads a file and compares length and digest with its meta: `SNAPSHOT_ERR_CORRUPT`. */
  verify(meta: SnapshotMeta, done: SnapshotDone): void;
  /**
   * Says that the WAL record naming `meta` is durable. The store keeps this one and the one named
   * before it, and removes what is older, except files still being read.
   */
  named(meta: SnapshotMeta): void;
  /** The newest snapshot that a durable record names. */
  readonly latest: SnapshotMeta | null;
}

/** Opens a store: cleans orphans and verifies the newest named file. */
export type OpenSnapshotStore = (
  options: SnapshotStoreOptions,
  done: SnapshotDone<OpenedSnapshotStore | null>,
) => void;
