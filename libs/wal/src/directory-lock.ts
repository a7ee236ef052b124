import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { WalError } from './errors.ts';

/** A held lock; `release` ends it. The end of the process, also by SIGKILL, ends it too. */
export interface DirectoryLock {
  release(done: () => void): void;
}

type LockDone = (error: WalError | null, lock: DirectoryLock | null) => void;

const LOCK_NAME = 'lock';
/** How often a lock of a dead owner is taken over before giving up. */
const TAKEOVERS_MAX = 5;

/**
 * Locks a directory against a second process (or a second replica in this one). The lock is a
 * listening Unix socket: the kernel answers for its owner, so a paused owner still holds it and a
 * killed one does not, also across containers, where process ids say nothing.
 */
export function lockDirectory(directory: string, done: LockDone): void {
  attempt(directory, TAKEOVERS_MAX, done);
}

function attempt(directory: string, takeoversLeft: number, done: LockDone): void {
  bind(directory, (error, lock) => {
    if (lock !== null) return done(null, lock);
    if (error?.code !== 'EADDRINUSE') return done(cannotLock(directory, error), null);
    probe(directory, LOCK_NAME, (alive) => {
      if (alive) return done(lockedBy(directory), null);
      if (takeoversLeft === 0) return done(cannotLock(directory, error), null);
      setAside(directory, (wasAlive) => {
        if (wasAlive) return done(lockedBy(directory), null);
        attempt(directory, takeoversLeft - 1, done);
      });
    });
  });
}

/**
 * Moves a dead lock out of the way. Between the probe and the move another process may have taken
 * over, so what was moved is probed again, and put back when it lives.
 */
function setAside(directory: string, done: (wasAlive: boolean) => void): void {
  const aside = `${LOCK_NAME}.${randomUUID().slice(0, 8)}`;
  const asidePath = path.join(directory, aside);
  try {
    fs.renameSync(path.join(directory, LOCK_NAME), asidePath);
  } catch {
    done(false); // Somebody else moved it; the next attempt shows who won.
    return;
  }
  probe(directory, aside, (alive) => {
    if (alive) fs.renameSync(asidePath, path.join(directory, LOCK_NAME));
    else fs.rmSync(asidePath, { force: true });
    done(alive);
  });
}

function bind(
  directory: string,
  done: (error: NodeJS.ErrnoException | null, lock: DirectoryLock | null) => void,
): void {
  const place = openPlace(directory, LOCK_NAME);
  const server = net.createServer((socket) => socket.destroy());
  server.once('error', (error: NodeJS.ErrnoException) => {
    place.close();
    done(error, null);
  });
  server.listen(place.socketPath, () => {
    server.unref(); // A lock alone does not keep a process alive.
    const release = (released: () => void): void => {
      server.close(() => {
        place.close();
        released();
      });
    };
    done(null, { release });
  });
}

/** True when a process listens behind the socket. */
function probe(directory: string, name: string, done: (alive: boolean) => void): void {
  const place = openPlace(directory, name);
  const socket = net.connect(place.socketPath);
  const end = (alive: boolean): void => {
    socket.destroy();
    place.close();
    done(alive);
  };
  socket.once('connect', () => end(true));
  socket.once('error', (error: NodeJS.ErrnoException) => {
    // A full backlog is a sign of life; refused, absent or no socket at all are not.
    end(error.code === 'EAGAIN' || error.code === 'ETIMEDOUT' || error.code === 'EACCES');
  });
}

/** A path to a socket that fits the 107 bytes of `sun_path`: long ones go by a descriptor. */
function openPlace(directory: string, name: string): { socketPath: string; close: () => void } {
  const direct = path.join(directory, name);
  if (Buffer.byteLength(direct) <= 100 || process.platform !== 'linux') {
    return { socketPath: direct, close: () => {} };
  }
  const descriptor = fs.openSync(directory, fs.constants.O_RDONLY);
  const socketPath = `/proc/self/fd/${descriptor}/${name}`;
  return { socketPath, close: () => fs.closeSync(descriptor) };
}

function lockedBy(directory: string): WalError {
  const message = `${directory} is in use by another process; stop it, or take another directory.`;
  return new WalError('WAL_ERR_LOCKED', message, 'EADDRINUSE');
}

function cannotLock(directory: string, error: NodeJS.ErrnoException | null): WalError {
  const code = error?.code ?? 'EIO';
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') {
    const message = `${directory} cannot be written: ${code}. Check its owner and mode.`;
    return new WalError('WAL_ERR_PERMISSION', message, code);
  }
  const message = `${directory} cannot be locked (${code}); its file system must allow sockets.`;
  return new WalError('WAL_ERR_LOCKED', message, code);
}
