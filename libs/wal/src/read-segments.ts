import type { Disk, DiskError, Done } from '@quorate/consensus';
import { segmentName } from './format.ts';
import type { SegmentBytes } from './scan.ts';
import { inTurn } from './sequence.ts';

/** Reads whole segments, one after the other; the numbers are sorted. */
export function readSegments(
  disk: Disk,
  directory: string,
  numbers: readonly number[],
  done: Done<readonly SegmentBytes[]>,
): void {
  const segments: SegmentBytes[] = [];
  inTurn(
    numbers,
    (number, next) => {
      readWhole(disk, `${directory}/${segmentName(number)}`, (error, bytes) => {
        if (error === null) segments.push({ number, bytes });
        next(error, undefined);
      });
    },
    (error) => done(error, segments),
  );
}

/** Reads one file to its end. */
export function readWhole(disk: Disk, path: string, done: Done<Uint8Array>): void {
  const nothing = new Uint8Array(0);
  disk.open(path, { mode: 'read', writeThrough: false }, (error, file) => {
    if (error !== null) return done(error, nothing);
    const end = (failure: DiskError | null, bytes: Uint8Array): void => {
      file.close((closeError) => done(failure ?? closeError, bytes));
    };
    file.size((sizeError, size) => {
      if (sizeError !== null) return end(sizeError, nothing);
      if (size === 0) return end(null, nothing);
      file.read(0, size, end);
    });
  });
}
