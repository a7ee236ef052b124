import { readFileSync } from 'node:fs';
import { decodeSnapshotMeta, logIndex, nodeId, type SnapshotMeta } from '@quorate/consensus';
import { concatBytes } from '@quorate/foundation';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import {
  decodeHostFrame,
  encodeHostFrame,
  firstField,
  HOST_FIELD_MIN,
  type HostFrame,
} from './host-frames.ts';

const root = protobuf.parse(
  readFileSync(new URL('../replica.proto', import.meta.url), 'utf8'),
  new protobuf.Root(),
).root;
const HostFrameType = root.lookupType('quorate.replica.v1.HostFrame');

const meta: SnapshotMeta = {
  index: logIndex(77),
  membership: {
    voters: [{ id: nodeId(1), disk: 'd', address: 'a:1' }],
    learners: [],
    witnesses: [],
  },
  digest: 'abc',
  bytes: 100_000,
  engine: Uint8Array.from([1, 2]),
};

const frames: fc.Arbitrary<HostFrame> = fc.oneof(
  fc.record({
    kind: fc.constant('chunk' as const),
    transfer: fc.nat(),
    meta: fc.constant(meta),
    offset: fc.nat(90_000),
    data: fc.uint8Array({ maxLength: 3000 }),
  }),
  fc.record({
    kind: fc.constant('ack' as const),
    transfer: fc.nat(),
    nextOffset: fc.nat(),
    state: fc.constantFrom('continue' as const, 'complete' as const, 'refused' as const),
  }),
);

describe('host frames', () => {
  it('come back as they went, and are told from the frames of engines', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        const bytes = concatBytes(encodeHostFrame(frame));
        expect(decodeHostFrame(bytes)).toEqual(frame);
        expect(firstField(bytes)).toBeGreaterThanOrEqual(HOST_FIELD_MIN);
      }),
    );
  });

  it('are what replica.proto says', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        const bytes = concatBytes(encodeHostFrame(frame));
        const decoded = HostFrameType.decode(bytes);
        const fields = HostFrameType.toObject(decoded, { longs: Number, enums: String });
        if (frame.kind === 'chunk') {
          const chunk = fields.snapshotChunk;
          expect(decodeSnapshotMeta(chunk.meta)).toEqual(meta);
          expect(Number(chunk.offset ?? 0)).toBe(frame.offset);
          expect([...(chunk.data ?? [])]).toEqual([...frame.data]);
        } else {
          expect(fields.snapshotAck.state).toBe(frame.state.toUpperCase());
          expect(Number(fields.snapshotAck.nextOffset ?? 0)).toBe(frame.nextOffset);
        }
        expect([...HostFrameType.encode(decoded).finish()]).toEqual([...bytes]);
      }),
    );
  });

  it.each([1, 4, 15])('tell engine field %i', (field) => {
    expect(firstField(Uint8Array.from([field * 8 + 2, 0]))).toBe(field);
  });

  it('never throw on whatever a peer sends', () => {
    const whole = concatBytes(
      encodeHostFrame({ kind: 'chunk', transfer: 1, meta, offset: 5, data: new Uint8Array(9) }),
    );
    for (let length = 0; length < whole.length; length++) {
      expect(decodeHostFrame(whole.subarray(0, length))).toBeNull();
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        decodeHostFrame(bytes);
        firstField(bytes);
      }),
    );
  });

  it('refuse a chunk beyond the length of its snapshot', () => {
    const data = new Uint8Array(10);
    const parts = encodeHostFrame({ kind: 'chunk', transfer: 1, meta, offset: 99_995, data });
    expect(decodeHostFrame(concatBytes(parts))).toBeNull();
  });
});
