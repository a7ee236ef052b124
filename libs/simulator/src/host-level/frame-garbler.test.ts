import { type MessageCodec, nodeId } from '@quorate/consensus';
import { concatBytes, ProtoWriter } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { FrameGarbler } from './frame-garbler.ts';

const [one, two] = [nodeId(1), nodeId(2)];
/** Knows messages of four bytes whose first is 8. */
const CODEC: MessageCodec<unknown> = {
  encode: () => [],
  decode: (bytes) => (bytes.length === 4 && bytes[0] === 8 ? bytes : null),
};
const FRAME = Uint8Array.of(8, 1, 2, 3);

describe('FrameGarbler', () => {
  it('damages the next frame of one direction, once', () => {
    const garbler = new FrameGarbler(CODEC);
    expect(garbler.arrives(one, two, FRAME)).toBeNull();
    garbler.arm(one, two, 1);
    expect(garbler.arrives(two, one, FRAME)).toBeNull();
    expect(garbler.arrives(one, two, FRAME)).toEqual({
      damage: 'found',
      bytes: Uint8Array.of(10, 1, 2, 3),
    });
    expect(garbler.arrives(one, two, FRAME)).toBeNull();
    expect(FRAME[0]).toBe(8);
  });

  it('tells what the decoder cannot find from what it can', () => {
    const garbler = new FrameGarbler(CODEC);
    const damage = (bits: number): string | undefined => {
      garbler.arm(one, two, bits);
      return garbler.arrives(one, two, FRAME)?.damage;
    };
    expect([damage(1), damage(8 + 1), damage(4)]).toEqual(['found', 'hidden', 'found']);
  });

  it('of a host frame only the content of a snapshot is damaged', () => {
    const garbler = new FrameGarbler(CODEC);
    const data = Uint8Array.of(7, 7, 7, 7);
    const body = new ProtoWriter().uint(1, 5).bytes(4, data).finish();
    const chunk = concatBytes(new ProtoWriter().message(100, body).finish());
    garbler.arm(one, two, 2);
    const damaged = garbler.arrives(one, two, chunk);
    expect(damaged?.damage).toBe('foundInChunk');
    expect([...(damaged?.bytes ?? [])]).toEqual([...chunk.slice(0, -4), 3, 7, 7, 7]);
    garbler.armChunk(2);
    expect(garbler.arrives(two, one, FRAME)).toBeNull();
    expect(garbler.arrives(two, one, chunk)?.damage).toBe('foundInChunk');
    garbler.armChunk(2);
    garbler.arm(one, two, 2);
    garbler.disarm();
    expect(garbler.arrives(one, two, chunk)).toBeNull();
    const ack = concatBytes(new ProtoWriter().message(101, body).finish());
    garbler.arm(one, two, 2);
    expect(garbler.arrives(one, two, ack)?.damage).toBe('hidden');
  });
});
