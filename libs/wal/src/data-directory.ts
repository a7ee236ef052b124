import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { NodeId } from '@quorate/consensus';
import { lockDirectory } from './directory-lock.ts';
import { WalError } from './errors.ts';
import { type StorageKind, storageKind } from './storage-kind.ts';
import type { WalIdentity } from './types.ts';

/** What a data directory is opened for. */
export interface DataDirectoryOptions {
  readonly root: string;
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly protocol: string;
  /**
   * `new` makes a directory or takes an empty one; `existing` refuses an empty one, because a
   * replica that lost its disk must not vote under its old id. Default: `existing` once the
   * directory exists, else `new`.
   */
  readonly bootstrap?: 'new' | 'existing';
}

/** An open data directory: locked and identified. */
export interface DataDirectory {
  readonly root: string;
  readonly identity: WalIdentity;
  /** True until `markInitialized`: pass it to `openWal` as `create`. */
  readonly fresh: boolean;
  readonly storage: StorageKind;
  /**
   * Call it once a fresh log was created and before the replica speaks to anybody: from then on a
   * missing log is a lost log. Synchronous, durable when it returns.
   */
  markInitialized(): void;
  /** Gives up the lock. */
  release(done: () => void): void;
}

type Bootstrap = 'new' | 'existing';

const IDENTITY_NAME = 'identity.json';
const IDENTITY_FORMAT = 1;
/** A longer identity file is not one of ours. */
const IDENTITY_BYTES_MAX = 64 * 1024;

interface IdentityFile extends WalIdentity {
  readonly format: number;
  /** False until the log exists: until then a start may begin anew. */
  readonly initialized: boolean;
}

/**
 * Opens a data directory: checks its mode, locks it, then reads or makes `identity.json`. Each
 * refusal says what is wrong and what can be done. `done` is called once, never inside this call.
 */
export function openDataDirectory(
  options: DataDirectoryOptions,
  done: (error: WalError | null, directory: DataDirectory | null) => void,
): void {
  const root = path.resolve(options.root);
  const bootstrap = options.bootstrap ?? (fs.existsSync(root) ? 'existing' : 'new');
  try {
    prepareRoot(root, bootstrap);
  } catch (error) {
    setImmediate(() => done(asWalError(root, error), null));
    return;
  }
  lockDirectory(root, (error, lock) => {
    if (error !== null || lock === null) return done(error, null);
    try {
      const file = identify(root, options, bootstrap);
      done(null, opened(root, file, lock.release));
    } catch (failure) {
      lock.release(() => done(asWalError(root, failure), null));
    }
  });
}

function opened(
  root: string,
  file: IdentityFile,
  release: (done: () => void) => void,
): DataDirectory {
  const { clusterId, nodeId, diskId, protocol } = file;
  return {
    root,
    identity: { clusterId, nodeId, diskId, protocol },
    fresh: !file.initialized,
    storage: storageKind(root),
    markInitialized: () => writeIdentity(root, { ...file, initialized: true }),
    release,
  };
}

/**
 * Makes a directory and its parents, one by one: below a directory that takes no entries at all,
 * such as /proc, Node's own recursive mkdir never returns (seen with Node 20).
 */
function makeDirectories(directory: string): void {
  if (fs.existsSync(directory)) return;
  makeDirectories(path.dirname(directory));
  fs.mkdirSync(directory, { mode: 0o700 });
}

/** Makes the directory where that is asked for, and refuses one that others may write into. */
function prepareRoot(root: string, bootstrap: Bootstrap): void {
  if (!fs.existsSync(root)) {
    if (bootstrap === 'existing') throw emptyError(root);
    makeDirectories(root);
    syncDirectory(path.dirname(root));
  }
  const { mode } = fs.statSync(root);
  if (process.platform !== 'win32' && (mode & 0o002) !== 0) {
    const message = `${root} can be written by anybody; make it yours with chmod 700.`;
    throw new WalError('WAL_ERR_PERMISSION', message);
  }
  fs.accessSync(root, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
}

function identify(root: string, options: DataDirectoryOptions, bootstrap: Bootstrap): IdentityFile {
  const found = readIdentity(root);
  if (found === null) {
    if (bootstrap === 'existing') throw emptyError(root);
    const other = fs.readdirSync(root).find((name) => !/^(lock|identity\.json)/.test(name));
    if (other !== undefined) throw usedError(root, other);
    return writeIdentity(root, newIdentity(options));
  }
  if (bootstrap === 'new' && found.initialized) throw usedError(root, IDENTITY_NAME);
  for (const key of ['clusterId', 'nodeId', 'protocol'] as const) {
    if (found[key] === options[key]) continue;
    const message = `${root} belongs to ${key} ${found[key]}, not ${options[key]}.`;
    throw new WalError('WAL_ERR_FOREIGN', message);
  }
  return found;
}

function newIdentity(options: DataDirectoryOptions): IdentityFile {
  const { clusterId, nodeId, protocol } = options;
  const diskId = randomUUID();
  return { format: IDENTITY_FORMAT, clusterId, nodeId, diskId, protocol, initialized: false };
}

function readIdentity(root: string): IdentityFile | null {
  const file = path.join(root, IDENTITY_NAME);
  if (!fs.existsSync(file)) return null;
  if (fs.statSync(file).size > IDENTITY_BYTES_MAX) throw identityError(file, 'it is too long');
  let value: unknown;
  try {
    value = JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw identityError(file, error.message);
  }
  if (!isIdentityFile(value)) throw identityError(file, 'a field is missing or of another type');
  if (value.format !== IDENTITY_FORMAT) {
    const message = `${file} has format ${value.format}; this build reads ${IDENTITY_FORMAT}.`;
    throw new WalError('WAL_ERR_FORMAT', message);
  }
  return value;
}

function isIdentityFile(value: unknown): value is IdentityFile {
  if (typeof value !== 'object' || value === null) return false;
  const { format, clusterId, nodeId, diskId, protocol, initialized } = value as IdentityFile;
  const numbers = typeof format === 'number' && Number.isSafeInteger(nodeId) && nodeId > 0;
  const texts = [clusterId, diskId, protocol].every((text) => typeof text === 'string');
  return numbers && texts && typeof initialized === 'boolean';
}

/** Temporary name, sync, rename, directory sync: the file is whole or absent after any crash. */
function writeIdentity(root: string, file: IdentityFile): IdentityFile {
  const target = path.join(root, IDENTITY_NAME);
  const temporary = `${target}.tmp`;
  const descriptor = fs.openSync(temporary, 'w', 0o600);
  try {
    fs.writeFileSync(descriptor, `${JSON.stringify(file, null, 2)}\n`);
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
  fs.renameSync(temporary, target);
  syncDirectory(root);
  return file;
}

function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return;
  const descriptor = fs.openSync(directory, fs.constants.O_RDONLY);
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function emptyError(root: string): WalError {
  const message =
    `${root} holds no replica. If it lost its disk, remove it from the cluster and add it as a ` +
    'new member; for a new cluster start with --bootstrap new.';
  return new WalError('WAL_ERR_EMPTY', message);
}

function usedError(root: string, name: string): WalError {
  const message = `${root} is not empty (${name}); --bootstrap new needs an empty directory.`;
  return new WalError('WAL_ERR_USED', message);
}

function identityError(file: string, reason: string): WalError {
  return new WalError('WAL_ERR_IDENTITY', `${file} cannot be understood: ${reason}.`);
}

function asWalError(root: string, error: unknown): WalError {
  if (error instanceof WalError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? 'EIO';
  // ENOENT: a file system without entries of its own, such as /proc, answers so to mkdir.
  if (['EACCES', 'EROFS', 'EPERM', 'ENOENT', 'ENOTDIR'].includes(code)) {
    const message = `${root} cannot be written: ${code}. Check its owner and mode.`;
    return new WalError('WAL_ERR_PERMISSION', message, code);
  }
  return new WalError('WAL_ERR_IO', `${root}: ${String((error as Error).message)}`, code);
}
