import { acceptRecord, HARNESS_DIRECTORY, WalHarness } from '@quorate/simulator';
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES, segmentName } from './format.ts';
import { dumpWal, verifyWal, type WalVerdict } from './index.ts';

function logOfThree(seed: string): WalHarness {
  const harness = new WalHarness(seed);
  const { wal } = harness.open();
  harness.append(wal, [acceptRecord(1), acceptRecord(2)]);
  harness.append(wal, [acceptRecord(3)]);
  harness.close(wal);
  return harness;
}

function verify(harness: WalHarness): WalVerdict | null {
  let verdict: WalVerdict | null = null;
  const location = { disk: harness.disk, directory: HARNESS_DIRECTORY, records: harness.codec };
  verifyWal(location, (_error, found) => {
    verdict = found;
  });
  harness.settle();
  return verdict;
}

describe('tools', () => {
  it('dumpWal shows segments, batches, records and the verdict', () => {
    const harness = logOfThree('dump');
    let lines: string[] = [];
    const location = { disk: harness.disk, directory: HARNESS_DIRECTORY, records: harness.codec };
    dumpWal(location, (error, found) => {
      expect(error).toBeNull();
      lines = [...(found ?? [])];
    });
    harness.settle();
    expect(lines[0]).toContain(`${segmentName(1)} 65536 bytes, format 1, cluster harness, node 1`);
    expect(lines.slice(1, 5)).toEqual([
      '  batch 1 at 4096..4217, 2 records, 76 bytes, durable through 0',
      '    accept command index 1 round 1 8 bytes',
      '    accept command index 2 round 1 8 bytes',
      expect.stringMatching(/^ {2}batch 2 at 8192\.\.\d+, 1 records, 38 bytes, durable through 1$/),
    ]);
    expect(lines.at(-2)).toContain('segment-00002.log 65536 bytes, not begun');
    expect(lines.at(-1)).toContain('W6-clean: 3 is the last batch');
  });

  it('verifyWal judges and changes nothing', () => {
    const harness = logOfThree('verify');
    expect(verify(harness)).toMatchObject({ sound: true, decision: 'W6-clean', records: 3 });
    const path = `${HARNESS_DIRECTORY}/${segmentName(1)}`;
    harness.disk.flipBit(path, BLOCK_BYTES + 30);
    const before = harness.disk.contents(path);
    expect(verify(harness)).toMatchObject({ sound: false, decision: 'W8-corrupt', records: 0 });
    expect(harness.disk.contents(path)).toEqual(before);
  });

  it('says so when there is no log', () => {
    const harness = new WalHarness('none');
    let code: string | undefined;
    const location = { disk: harness.disk, directory: 'nowhere', records: harness.codec };
    verifyWal(location, (error) => {
      code = error?.code;
    });
    harness.settle();
    expect(code).toBe('WAL_ERR_IO');
  });
});
