import { crc32Table } from '@quorate/foundation';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCommandBatch, encodeCommandBatch } from './command-batch.ts';
import { logIndex, nodeId, round } from './ids.ts';
import { createRecordCodec } from './record-codec.ts';
import { EntryType, RecordKind, walRecord } from './records.ts';
import { decodeSnapshotMeta, encodeSnapshotMeta } from './snapshot.ts';

const codec = createRecordCodec(crc32Table);
const number53 = fc.nat(Number.MAX_SAFE_INTEGER);
const arbitraryRecord = fc
  .record({
    kind: fc.constantFrom(...Object.values(RecordKind)),
    entryType: fc.constantFrom(...Object.values(EntryType)),
    round: number53,
    index: number53,
    node: number53,
    counter: number53,
    payload: fc.uint8Array({ maxLength: 300 }),
  })
  .map((r) =>
    walRecord({ ...r, round: round(r.round), index: logIndex(r.index), node: nodeId(r.node) }),
  );

describe('the record codec', () => {
  it('reads back any record', () => {
    fc.assert(
      fc.property(arbitraryRecord, (record) => {
        const bytes = codec.encode(record);
        const decoded = codec.decode(bytes, 0, bytes.length);
        expect({ ...decoded, payload: [...(decoded?.payload ?? [])] }).toEqual({
          ...record,
          payload: [...record.payload],
        });
      }),
    );
  });

  it('encodes once', () => {
    const record = walRecord({ kind: RecordKind.promise, round: round(3), node: nodeId(2) });
    expect(codec.encode(record)).toBe(codec.encode(record));
  });

  it('refuses every truncation and every flipped bit', () => {
    const record = walRecord({
      kind: RecordKind.accept,
      entryType: EntryType.command,
      round: round(3),
      index: logIndex(9),
      payload: new Uint8Array([1, 2, 3]),
    });
    const bytes = codec.encode(record);
    for (let length = 0; length < bytes.length; length++) {
      expect(codec.decode(bytes, 0, length)).toBeNull();
    }
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = new Uint8Array(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(codec.decode(flipped, 0, flipped.length)).toBeNull();
    }
  });

  it('lays Length, CRC32, Term, Index and Data out as the format page says', () => {
    const record = walRecord({ kind: RecordKind.commit, index: logIndex(258) });
    const view = Buffer.from(codec.encode(record));
    expect(view.readUInt32LE(0)).toBe(view.length - 8);
    expect(view.readUInt32LE(4)).toBe(crc32Table(view.subarray(8)));
    expect(view.readBigUInt64LE(8)).toBe(0n);
    expect(view.readBigUInt64LE(16)).toBe(258n);
    expect([...view.subarray(24)]).toEqual([0x08, RecordKind.commit]);
  });
});

describe('command batches', () => {
  it('read back', () => {
    fc.assert(
      fc.property(number53, fc.array(fc.uint8Array({ maxLength: 2000 })), (stamp, commands) => {
        const bytes = encodeCommandBatch({ proposedAtMicros: stamp, commands });
        const decoded = decodeCommandBatch(bytes);
        expect(decoded.proposedAtMicros).toBe(stamp);
        expect(decoded.commands.map((c) => [...c])).toEqual(commands.map((c) => [...c]));
      }),
    );
  });
});

describe('snapshot metas', () => {
  it('read back', () => {
    const meta = {
      index: logIndex(77),
      membership: {
        voters: [{ id: nodeId(1), disk: 'd1', address: '127.0.0.1:1' }],
        learners: [{ id: nodeId(2), disk: '', address: '' }],
        witnesses: [],
      },
      digest: 'ab12',
      bytes: 1234,
      engine: new Uint8Array([7, 8]),
    };
    const decoded = decodeSnapshotMeta(encodeSnapshotMeta(meta));
    expect({ ...decoded, engine: [...decoded.engine] }).toEqual({ ...meta, engine: [7, 8] });
  });
});
