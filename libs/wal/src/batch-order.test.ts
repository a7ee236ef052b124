import { acceptRecord, HARNESS_DIRECTORY, HARNESS_IDENTITY, WalHarness } from '@quorate/simulator';
import { describe, expect, it } from 'vitest';
import { segmentName } from './format.ts';
import { scanLog } from './scan.ts';

const FIRST = `${HARNESS_DIRECTORY}/${segmentName(1)}`;

// Written because a planted bug passed every other script.
describe('the CRC of a whole batch', () => {
  it('S3: finds whole records in another order, each of which has a good CRC', () => {
    const harness = new WalHarness('order', { segmentBytes: 64 * 1024 });
    const { wal } = harness.open();
    harness.append(wal, [acceptRecord(1, 40), acceptRecord(2, 40)]);
    harness.disk.kill();
    const bytes = harness.disk.contents(FIRST).slice();
    const scan = (): ReturnType<typeof scanLog> =>
      scanLog([{ number: 1, bytes }], HARNESS_IDENTITY, harness.codec);
    const batch = scan().segments[0]?.batches[0];
    const [one, two] = batch?.records ?? [];
    if (batch === undefined || !one?.encoded || !two?.encoded) throw new Error('two records');
    expect(one.encoded.length).toBe(two.encoded.length);
    const swapped = [...two.encoded, ...one.encoded];
    bytes.set(swapped, batch.startOffset);
    const { decision, segments } = scan();
    expect(segments[0]?.batches).toEqual([]);
    expect(decision).toBe('W7-torn');
  });
});
