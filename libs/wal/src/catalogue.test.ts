import { acceptRecord, HARNESS_DIRECTORY, WalHarness } from '@quorate/simulator';
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES, segmentName } from './format.ts';
import type { OpenedWal } from './index.ts';

// Stories of damaged disks in more than one replica. The ids are those of
// docs/internals/bug-catalogue.md.

const FIRST = `${HARNESS_DIRECTORY}/${segmentName(1)}`;
const indexes = (opened: OpenedWal): number[] => [...opened.records].map(({ index }) => index);

/** A log of four entries, each synced on its own; stopped cleanly, or killed. */
function logOfFour(seed: string, stop: 'close' | 'kill'): WalHarness {
  const harness = new WalHarness(seed);
  const { wal } = harness.open();
  for (const index of [1, 2, 3, 4]) expect(harness.append(wal, [acceptRecord(index)])).toBe(true);
  if (stop === 'close') expect(harness.close(wal)).toBeNull();
  else harness.disk.kill();
  return harness;
}

/** The block of the entry `index`: each group has one of its own. */
const blockOf = (index: number): number => index * BLOCK_BYTES;

describe('damage in several replicas', () => {
  it('ST-03: the same entry damaged on all: each refuses, none invents or drops it', () => {
    for (const stop of ['close', 'kill'] as const) {
      for (const id of [1, 2, 3]) {
        const harness = logOfFour(`st-03 ${id} ${stop}`, stop);
        harness.disk.flipBit(FIRST, blockOf(2) + 70 + id, id);
        for (let attempt = 0; attempt < 2; attempt++) {
          const { error, opened } = harness.tryOpen();
          expect(opened).toBeNull();
          expect(error).toMatchObject({ code: 'WAL_ERR_CORRUPT' });
        }
        // Nothing was repaired on the way: with the bit back, everything is there.
        harness.disk.flipBit(FIRST, blockOf(2) + 70 + id, id);
        expect(indexes(harness.open())).toEqual([1, 2, 3, 4]);
      }
    }
  });

  it('ST-04: a replica that stopped does not come back as one that lacks its last entry', () => {
    for (let at = 0; at < 90; at += 7) {
      const harness = logOfFour(`st-04 ${at}`, 'close');
      harness.disk.flipBit(FIRST, blockOf(4) + at, at % 8);
      // It may not answer "absent" to a candidate, so it does not answer at all.
      expect(harness.tryOpen().error, `byte ${at}`).toMatchObject({ code: 'WAL_ERR_CORRUPT' });
    }
  });

  it('ST-04: without a clean stop all is proven but the last group', () => {
    const harness = logOfFour('st-04 killed', 'kill');
    harness.disk.flipBit(FIRST, blockOf(3) + 70);
    expect(harness.tryOpen().error).toMatchObject({ code: 'WAL_ERR_CORRUPT' });
    const last = logOfFour('st-04 killed last', 'kill');
    last.disk.flipBit(FIRST, blockOf(4) + 70);
    // Not to be told from a torn write of a group that nobody was told of.
    expect(indexes(last.open())).toEqual([1, 2, 3]);
  });
});
