import type { NodeId } from '@quorate/consensus';
import { crc32Table } from '@quorate/foundation';
import { acceptRecord, HARNESS_DIRECTORY, HARNESS_IDENTITY, WalHarness } from '@quorate/simulator';
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES, encodeSegmentHeader, segmentName } from './format.ts';
import type { OpenedWal, WalError } from './index.ts';
import { type LogScan, type SegmentBytes, scanLog } from './scan.ts';

const FIRST = `${HARNESS_DIRECTORY}/${segmentName(1)}`;

function indexes(opened: OpenedWal): number[] {
  return [...opened.records].map((record) => record.index);
}

function scanned(scan: LogScan): number[] {
  const batches = scan.segments.flatMap((segment) => segment.batches);
  return batches.flatMap((batch) => batch.records.map((record) => record.index));
}

/** A log of one segment: a group for each list of batches, each batch one record; then SIGKILL. */
function killedLog(seed: string, groups: readonly (readonly number[])[]): WalHarness {
  const harness = new WalHarness(seed, { segmentBytes: 64 * 1024, groupDelayMicros: 10 });
  const { wal } = harness.open();
  for (const group of groups) {
    for (const index of group) wal.append([acceptRecord(index, 40)], true, () => {});
    harness.settle();
  }
  expect(wal.stats().groups).toBe(groups.length);
  harness.disk.kill();
  return harness;
}

function scanOf(harness: WalHarness, bytes: Uint8Array): LogScan {
  const segments: SegmentBytes[] = [{ number: 1, bytes }];
  return scanLog(segments, HARNESS_IDENTITY, harness.codec);
}

describe('the recovery table, row by row', () => {
  it('W1-created: an empty directory, a new log asked for', () => {
    expect(new WalHarness('w1').open().recovery).toMatchObject({ decision: 'W1-created' });
  });

  it('W1-created: a creation that was interrupted begins anew', () => {
    for (let cutAt = 1; cutAt < 14; cutAt++) {
      const harness = new WalHarness(`w1 ${cutAt}`);
      harness.disk.onEffect = (number) => {
        if (number === cutAt) harness.disk.powerCut();
      };
      harness.tryOpen();
      harness.disk.onEffect = null;
      const { wal, recovery } = harness.open();
      expect(['W1-created', 'W6-clean', 'W7-torn']).toContain(recovery.decision);
      expect(harness.append(wal, [acceptRecord(1)])).toBe(true);
      harness.disk.powerCut();
      expect(indexes(harness.open({ create: false }))).toEqual([1]);
    }
  });

  it('W2-empty-refused: an empty directory, an existing log expected', () => {
    const { error } = new WalHarness('w2').tryOpen({ create: false });
    expect(error).toMatchObject({ code: 'WAL_ERR_EMPTY' });
    expect(error?.message).toContain('W2-empty-refused');
  });

  it('W3-foreign: another cluster, node, disk or protocol', () => {
    const harness = killedLog('w3', [[1]]);
    for (const other of [
      { clusterId: 'x' },
      { nodeId: 2 as NodeId },
      { diskId: 'x' },
      { protocol: 'x' },
    ]) {
      const { error } = harness.tryOpen({ identity: { ...HARNESS_IDENTITY, ...other } });
      expect(error).toMatchObject({ code: 'WAL_ERR_FOREIGN' });
      expect(error?.message).toContain(Object.keys(other)[0]);
    }
    expect(indexes(harness.open())).toEqual([1]);
  });

  it('W4-unknown-format: a later version', () => {
    const harness = killedLog('w4', [[1]]);
    const bytes = harness.disk.contents(FIRST);
    const header = {
      format: 2,
      identity: HARNESS_IDENTITY,
      segment: 1,
      firstBatch: 1,
      previousCrc: 0,
      checkpoint: false,
    };
    bytes.set(encodeSegmentHeader(header, crc32Table));
    harness.disk.replace(FIRST, bytes);
    expect(harness.tryOpen().error).toMatchObject({ code: 'WAL_ERR_FORMAT' });
  });

  it('W5-first-header-damaged', () => {
    const harness = killedLog('w5', [[1]]);
    harness.disk.flipBit(FIRST, 30);
    const { error } = harness.tryOpen({ create: false });
    expect(error).toMatchObject({ code: 'WAL_ERR_CORRUPT' });
    expect(error?.message).toContain('W5-first-header-damaged');
  });

  it('W6-clean: nothing behind the last batch', () => {
    const harness = killedLog('w6', [[1], [2, 3]]);
    const { recovery } = harness.open();
    expect(recovery).toMatchObject({ decision: 'W6-clean', lastBatch: 3, cutBytes: 0 });
    // The segment that was prepared and never begun is gone before anything is reported.
    expect(recovery.deletedSegments).toBe(1);
    expect(harness.disk.names(HARNESS_DIRECTORY)).toEqual([segmentName(1)]);
  });

  it('W7-torn: a cut, zeros behind it, and the log goes on', () => {
    const harness = killedLog('w7', [[1], [2, 3]]);
    const { segments } = scanOf(harness, harness.disk.contents(FIRST));
    const third = segments[0]?.batches[2];
    harness.disk.flipBit(FIRST, (third?.startOffset as number) + 30);
    const { wal, recovery, ...rest } = harness.open();
    expect(recovery).toMatchObject({ decision: 'W7-torn', lastBatch: 2 });
    expect(recovery.cutBytes).toBeGreaterThan(40);
    expect(indexes({ wal, recovery, ...rest })).toEqual([1, 2]);
    const behind = harness.disk.durableContents(FIRST).subarray(third?.startOffset);
    expect(behind.every((byte) => byte === 0)).toBe(true);
    harness.append(wal, [acceptRecord(9)]);
    harness.disk.powerCut();
    expect(indexes(harness.open())).toEqual([1, 2, 9]);
  });

  it('W8-corrupt: damage before a batch that was written after a sync', () => {
    const harness = killedLog('w8', [[1], [2], [3]]);
    harness.disk.flipBit(FIRST, 2 * BLOCK_BYTES + 30);
    const before = harness.disk.contents(FIRST);
    const { error } = harness.tryOpen();
    expect(error).toMatchObject({ code: 'WAL_ERR_CORRUPT' });
    expect(error?.message).toContain('W8-corrupt');
    expect(harness.disk.contents(FIRST)).toEqual(before); // Nothing was changed.
  });

  it('W8-corrupt: a whole segment is gone from the middle', () => {
    const harness = new WalHarness('gap', { segmentBytes: 16 * 1024 });
    const { wal } = harness.open();
    for (let index = 1; index <= 12; index++) harness.append(wal, [acceptRecord(index, 3000)]);
    expect(wal.stats().rolls).toBeGreaterThan(2);
    harness.close(wal);
    const empty = new Uint8Array(16 * 1024);
    harness.disk.replace(`${HARNESS_DIRECTORY}/${segmentName(2)}`, empty);
    expect(harness.tryOpen().error).toMatchObject({ code: 'WAL_ERR_CORRUPT' });
  });

  it('W8-corrupt: after a clean close even damage to the last batch is seen', () => {
    const harness = new WalHarness('mark');
    const { wal } = harness.open();
    harness.append(wal, [acceptRecord(1)]);
    harness.close(wal);
    harness.disk.flipBit(FIRST, BLOCK_BYTES + 30);
    expect(harness.tryOpen().error).toMatchObject({ code: 'WAL_ERR_CORRUPT' });
  });

  it('closing again and again writes no more than one mark', () => {
    const harness = new WalHarness('marks');
    const first = harness.open();
    harness.append(first.wal, [acceptRecord(1)]);
    harness.close(first.wal);
    const { lastBatch } = harness.open().recovery;
    harness.close(harness.open().wal);
    expect(harness.open().recovery.lastBatch).toBe(lastBatch);
  });
});

describe('ST-01 every offset of a small log', () => {
  const groups = [[1], [2, 3], [4], [5, 6, 7]];
  const harness = killedLog('st-01', groups);
  const judged = scanOf(harness, harness.disk.contents(FIRST));
  const whole = harness.disk.contents(FIRST).slice(0, judged.endOffset + 2 * BLOCK_BYTES);
  const batches = judged.segments[0]?.batches ?? [];
  const used = judged.endOffset;
  /** Batches of all groups but the last: their durability is on record. */
  const provenEnd = batches[3]?.endOffset as number;

  it('cut: a prefix that ends at a batch boundary, or refused when proven batches are gone', () => {
    expect(batches.length).toBe(7);
    for (let length = 0; length <= used; length++) {
      if (length > 64 && length % 37 !== 0 && whole[length] === 0) continue; // Padding: fewer.
      const cut = whole.slice();
      cut.fill(0, length);
      const scan = scanOf(harness, cut);
      const survivors = batches.filter((batch) => batch.endOffset <= length).length;
      const header = cut.subarray(0, length).some((byte) => byte !== 0) && length >= 100;
      if (!header) {
        expect(['W5-first-header-damaged', 'W6-clean']).toContain(scan.decision);
        continue;
      }
      // The file ends here for good, so nothing later can prove anything: a prefix is right.
      expect(scanned(scan), `cut at ${length}`).toEqual([1, 2, 3, 4, 5, 6, 7].slice(0, survivors));
      expect(['W6-clean', 'W7-torn']).toContain(scan.decision);
    }
  });

  it('flip: refused inside what was proven durable, cut at a batch boundary behind it', () => {
    for (let at = 0; at < used; at++) {
      const isPadding = whole[at] === 0 && whole[at - 1] === 0 && whole[at + 1] === 0;
      if (isPadding && at % 61 !== 0) continue;
      const flipped = whole.slice();
      flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
      const scan = scanOf(harness, flipped);
      const hit = batches.findIndex((batch) => at >= batch.startOffset && at < batch.endOffset);
      const label = `flip at ${at}, batch ${hit + 1}: ${scan.decision}`;
      if (at < BLOCK_BYTES) {
        // A header is refused, its padding is no part of the log.
        const intact = scan.decision === 'W6-clean';
        expect(intact || scan.decision === 'W5-first-header-damaged', label).toBe(true);
        if (intact) expect(whole[at]).toBe(0);
      } else if (hit === -1) {
        expect(scanned(scan), label).toEqual([1, 2, 3, 4, 5, 6, 7]);
      } else if (at < provenEnd) {
        expect(scan.decision, label).toBe('W8-corrupt');
      } else {
        expect(scan.decision, label).toBe('W7-torn');
        expect(scanned(scan), label).toEqual([1, 2, 3, 4, 5, 6, 7].slice(0, hit));
      }
    }
  });

  it('splice: a block of another place or another log is never taken for the next one', () => {
    const blocks = used / BLOCK_BYTES;
    for (let from = 1; from < blocks; from++) {
      for (let to = 1; to < blocks; to++) {
        if (from === to) continue;
        const spliced = whole.slice();
        const block = whole.subarray(from * BLOCK_BYTES, (from + 1) * BLOCK_BYTES);
        spliced.set(block, to * BLOCK_BYTES);
        const survivors = scanned(scanOf(harness, spliced));
        expect(survivors).toEqual([1, 2, 3, 4, 5, 6, 7].slice(0, survivors.length));
      }
    }
  });
});

describe('damage by name', () => {
  it('ST-02 a bit flipped mid-log is found, not cut, and the error names the way out', () => {
    const harness = killedLog('st-02', [[1], [2], [3], [4]]);
    harness.disk.flipBit(FIRST, 2 * BLOCK_BYTES + 70);
    const error = harness.tryOpen().error as WalError;
    expect(error.code).toBe('WAL_ERR_CORRUPT');
    expect(error.message).toMatch(/batch 2 .*offset.*new member/);
  });

  it('ST-09 a misdirected write is found by its place', () => {
    const harness = new WalHarness('st-09');
    const { wal } = harness.open();
    harness.append(wal, [acceptRecord(1)]);
    harness.disk.inject({ operation: 'write', path: 'segment-00001', effect: 'misdirected' });
    harness.append(wal, [acceptRecord(2)]);
    harness.append(wal, [acceptRecord(3)]); // Overwrites the stray one and proves batch 2.
    harness.disk.kill();
    expect(harness.tryOpen().error).toMatchObject({ code: 'WAL_ERR_CORRUPT' });
  });

  it('ST-09 a lost write is found likewise', () => {
    const harness = new WalHarness('lost');
    const { wal } = harness.open();
    harness.disk.inject({ operation: 'write', path: 'segment-00001', effect: 'lost' });
    harness.append(wal, [acceptRecord(1)]);
    harness.append(wal, [acceptRecord(2)]);
    harness.disk.kill();
    expect(harness.tryOpen().error).toMatchObject({ code: 'WAL_ERR_CORRUPT' });
  });

  it('ST-16 a torn middle of a group: cut there, start normally', () => {
    const harness = killedLog('st-16', [[1], [2, 3, 4]]);
    const { segments } = scanOf(harness, harness.disk.contents(FIRST));
    const torn = segments[0]?.batches[2];
    harness.disk.flipBit(FIRST, (torn?.startOffset as number) + 9);
    const opened = harness.open();
    expect(opened.recovery).toMatchObject({ decision: 'W7-torn', lastBatch: 2 });
    expect(indexes(opened)).toEqual([1, 2]);
    expect(harness.append(opened.wal, [acceptRecord(3, 40)])).toBe(true);
  });

  it('ST-17 a flipped Length mid-log is corrupt', () => {
    for (let byte = 0; byte < 4; byte++) {
      const harness = killedLog(`st-17 ${byte}`, [[1], [2], [3]]);
      harness.disk.flipBit(FIRST, 2 * BLOCK_BYTES + byte, 6);
      expect(harness.tryOpen().error, `byte ${byte}`).toMatchObject({ code: 'WAL_ERR_CORRUPT' });
    }
  });

  it('ST-18 a stale batch behind a cut is never revived', () => {
    const harness = killedLog('st-18', [[1], [2, 3, 4]]);
    const stale = harness.disk.contents(FIRST);
    const second = scanOf(harness, stale).segments[0]?.batches[1];
    harness.disk.flipBit(FIRST, (second?.startOffset as number) + 9);
    const opened = harness.open();
    expect(indexes(opened)).toEqual([1]);
    harness.append(opened.wal, [acceptRecord(22, 40)]); // Of the same size as batch 2 was.
    harness.disk.powerCut();
    expect(indexes(harness.open())).toEqual([1, 22]);
    // Even where the zeros behind the cut had never been written, the chain breaks.
    const zeroed = harness.disk.contents(FIRST);
    const unzeroed = stale.slice();
    const end = second?.endOffset as number;
    unzeroed.set(zeroed.subarray(0, end));
    const scan = scanOf(harness, unzeroed);
    expect(scanned(scan)).toEqual([1, 22]);
    expect(scan.decision).toBe('W7-torn');
  });

  it('ST-18 the chain alone keeps a whole batch of another history out', () => {
    const old = killedLog('st-18 old', [[1], [2], [3]]).disk.contents(FIRST);
    const harness = killedLog('st-18 new', [[1], [22]]);
    const bytes = harness.disk.contents(FIRST);
    const third = old.subarray(3 * BLOCK_BYTES, 4 * BLOCK_BYTES);
    bytes.set(third, 3 * BLOCK_BYTES);
    const scan = scanOf(harness, bytes);
    expect(scanned(scan)).toEqual([1, 22]);
    expect(scan.decision).toBe('W7-torn');
  });

  it('ST-08 batches count only in the segment that they were written for', () => {
    const harness = killedLog('st-08', [[1], [2]]);
    const bytes = harness.disk.contents(FIRST);
    const header = {
      format: 1,
      identity: HARNESS_IDENTITY,
      segment: 2,
      firstBatch: 1,
      previousCrc: 0,
      checkpoint: false,
    };
    bytes.set(encodeSegmentHeader(header, crc32Table));
    const scan = scanLog([{ number: 2, bytes }], HARNESS_IDENTITY, harness.codec);
    expect(scanned(scan)).toEqual([]);
    expect(scan.decision).toBe('W7-torn'); // Nor do they prove anything here.
  });

  it('W8-corrupt: a later header is a proof, even where its first batch tore', () => {
    const harness = new WalHarness('rolled', { segmentBytes: 16 * 1024 });
    const { wal } = harness.open();
    let index = 0;
    while (wal.stats().rolls === 0) harness.append(wal, [acceptRecord(++index, 3000)]);
    harness.disk.kill();
    const segments = [1, 2].map((number) => {
      const bytes = harness.disk.contents(`${HARNESS_DIRECTORY}/${segmentName(number)}`);
      return { number, bytes };
    }) as [SegmentBytes, SegmentBytes];
    segments[1].bytes.fill(0, BLOCK_BYTES);
    const torn = scanLog(segments, HARNESS_IDENTITY, harness.codec);
    expect(torn.decision).toBe('W7-torn');
    expect(torn.segments.length).toBe(1);
    const last = torn.segments[0]?.batches.at(-1)?.startOffset as number;
    segments[0].bytes[last + 40] = 99;
    expect(scanLog(segments, HARNESS_IDENTITY, harness.codec).decision).toBe('W8-corrupt');
  });
});
