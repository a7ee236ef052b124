import type { Instant } from './ids.ts';

/** Ends what a port started; calling it again does nothing. */
export type Cancel = () => void;

/** The time of one replica. */
export interface Clock {
  /** Monotonic microseconds; never goes back. */
  now(): Instant;
  /** Microseconds since the Unix epoch, for stamps inside commands; may jump. */
  wallMicros(): number;
  /** Calls back once at or after `at`; at once means "in a later turn", never inside this call. */
  schedule(at: Instant, callback: () => void): Cancel;
  /** Calls back at the end of this turn of the event loop, after what is already queued. */
  defer(callback: () => void): void;
}

/** A failed disk operation. `code` is the operating system's: ENOENT, EEXIST, ENOSPC, EIO ... */
export class DiskError extends Error {
  override readonly name = 'DiskError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Ends an operation: an error, or null and the result. Called once, never inside the call. */
export type Done<T = void> = (error: DiskError | null, result: T) => void;

/** How a file is opened. */
export interface OpenOptions {
  /** `read`: must exist. `write`: read and write, must exist. `create`: `write`, made if absent. */
  readonly mode: 'read' | 'write' | 'create';
  /** Every write returns only when it is durable (O_DSYNC). */
  readonly writeThrough: boolean;
}

/** An open file. Writes may overlap in time; `sync` covers those that ended before it. */
export interface DiskFile {
  size(done: Done<number>): void;
  /** Reads up to `length` bytes; fewer only at the end of the file. */
  read(offset: number, length: number, done: Done<Uint8Array>): void;
  /** Writes all parts, one behind the other, starting at `offset`. */
  write(offset: number, parts: readonly Uint8Array[], done: Done): void;
  /** Makes every write that has ended durable (fdatasync). */
  sync(done: Done): void;
  truncate(length: number, done: Done): void;
  close(done: Done): void;
}

/**
 * A directory tree. Paths are relative to its root, with forward slashes. A file's content is
 * durable after `sync`; its *name* only after `syncDirectory` of the directory it stands in.
 * Results of failed operations are unspecified; look at the error first.
 */
export interface Disk {
  open(path: string, options: OpenOptions, done: Done<DiskFile>): void;
  /** The names in a directory, sorted; ENOENT when it does not exist. */
  list(path: string, done: Done<readonly string[]>): void;
  rename(from: string, to: string, done: Done): void;
  remove(path: string, done: Done): void;
  /** Makes the directory and its parents; no error when it exists. */
  makeDirectory(path: string, done: Done): void;
  syncDirectory(path: string, done: Done): void;
}

/** What a connection tells its owner. None is called after `closed`, and none inside a call. */
export interface ConnectionHandlers {
  /** Bytes arrived; they belong to the receiver. */
  data(bytes: Uint8Array): void;
  /** Everything written has left this process. */
  drained(): void;
  /** The end: the peer closed, the network failed, or `close` was called here. */
  closed(reason: string): void;
}

/** A duplex stream of bytes, in order. */
export interface Connection {
  readonly remote: string;
  /** Sets who is told; called once, in the turn in which the connection was given. */
  attach(handlers: ConnectionHandlers): void;
  /** Queues the parts; they leave together. False when the queue is beyond its high-water mark. */
  write(parts: readonly Uint8Array[]): boolean;
  /** Bytes queued here and not yet taken by the operating system. */
  readonly queuedBytes: number;
  pause(): void;
  resume(): void;
  /** Ends the connection; what is queued may be lost. */
  close(): void;
}

/** A failed network operation; `code` is the operating system's: EADDRINUSE, ECONNREFUSED ... */
export class NetError extends Error {
  override readonly name = 'NetError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** An open listener. */
export interface Listener {
  /** Where it listens, `host:port`, with the real port where 0 was asked. */
  readonly address: string;
  close(): void;
}

/** A network of byte streams. Addresses are `host:port`. */
export interface Net {
  listen(
    address: string,
    accept: (connection: Connection) => void,
    done: (error: NetError | null, listener: Listener | null) => void,
  ): void;
  /** Dials; returns how to give up. `done` is called at most once, and not after giving up. */
  dial(
    address: string,
    done: (error: NetError | null, connection: Connection | null) => void,
  ): Cancel;
}
