import type { Disk, DiskFile, Done } from '@quorate/consensus';
import { fillWithZeros } from './segment-supply.ts';
import { inTurn } from './sequence.ts';

/** Left by a process whose write or sync failed. */
export const FAILURE_MARK_NAME = 'wal-failed';
const REWRITE_NAME = 'wal-rewrite.tmp';

/**
 * Leaves a file that tells the next process of this boot not to trust the system's cache. After a
 * failed sync Linux marks the pages clean: the next process reads them, its own sync succeeds, and
 * a power cut then loses them all the same ("Can Applications Recover from fsync Failures?", ATC
 * 2020). The mark needs no sync: a power cut that loses it also loses the cache that it warns of.
 * `then` follows the attempt: who is told of the failure may end the process at once, and must not
 * be told before the mark is there (SIM-02).
 */
export function leaveFailureMark(disk: Disk, directory: string, then: () => void): void {
  disk.open(`${directory}/${FAILURE_MARK_NAME}`, MARK_OPTIONS, (error, file) => {
    // Best effort: a directory that takes no file lets no log be opened either.
    if (error === null) file.close(() => {});
    then();
  });
}

const MARK_OPTIONS = { mode: 'create', writeThrough: false } as const;

/** The end of a log to be written anew. */
export interface RewriteTarget {
  readonly disk: Disk;
  readonly directory: string;
  /** The name of the last segment. */
  readonly name: string;
  /** What survives of it. */
  readonly bytes: Uint8Array;
  readonly fileBytes: number;
}

/**
 * Writes the last segment anew under another name, syncs it, and renames it over the old one: each
 * page is dirty again and really reaches the disk, and no crash leaves less than there was. Then
 * the mark goes. Earlier segments were synced without an error before the log went on behind them.
 */
export function rewriteSegment(target: RewriteTarget, done: Done): void {
  const { disk, directory, bytes, fileBytes } = target;
  const temporary = `${directory}/${REWRITE_NAME}`;
  const steps: ((next: Done, file: DiskFile) => void)[] = [
    (next, file) => file.truncate(0, next),
    (next, file) => file.write(0, [bytes], next),
    (next, file) => fillWithZeros(file, bytes.length, fileBytes, next),
    (next, file) => file.sync(next),
    (next, file) => file.close(next),
    (next) => disk.rename(temporary, `${directory}/${target.name}`, next),
    (next) => disk.syncDirectory(directory, next),
    (next) => disk.remove(`${directory}/${FAILURE_MARK_NAME}`, next),
    (next) => disk.syncDirectory(directory, next),
  ];
  disk.open(temporary, MARK_OPTIONS, (error, file) => {
    if (error !== null) return done(error, undefined);
    inTurn(steps, (step, next) => step(next, file), done);
  });
}
