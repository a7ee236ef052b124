import { readFileSync } from 'node:fs';
import { nodeId } from '@quorate/consensus';
import { concatBytes, createRandom } from '@quorate/foundation';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { TransportError } from './errors.ts';
import { FrameGather } from './frame-gather.ts';
import { FrameSplitter } from './frame-splitter.ts';
import { decodeHello, encodeHello, FORMAT_VERSION } from './hello.ts';
import { parseAddress } from './node-net.ts';

describe('frames on a byte stream', () => {
  test('gathered frames come out whole, however the stream is cut', () => {
    const random = createRandom('cuts');
    for (let round = 0; round < 200; round++) {
      const gather = new FrameGather();
      const sent: Uint8Array[] = [];
      for (let i = random.between(1, 20); i > 0; i--) {
        const parts = Array.from({ length: random.below(4) }, () => {
          const size = random.below(10) === 0 ? random.below(40_000) : random.below(50);
          return new Uint8Array(size).fill(random.below(256));
        });
        const frame = concatBytes(parts);
        gather.add(parts, frame.length);
        sent.push(frame);
      }
      const queued = gather.queuedBytes;
      const stream = new Uint8Array(concatBytes(gather.take()));
      expect(stream.length).toBe(queued);
      expect(gather.queuedBytes).toBe(0);
      const received: Uint8Array[] = [];
      const splitter = new FrameSplitter(1 << 20, (frame) => received.push(frame) > 0);
      for (let offset = 0; offset < stream.length; ) {
        const end = offset + random.between(1, random.below(3) === 0 ? 7 : stream.length);
        expect(splitter.push(stream.slice(offset, end))).toBeNull();
        offset = Math.min(end, stream.length);
      }
      expect(received.map((frame) => Buffer.from(frame).toString('latin1'))).toEqual(
        sent.map((frame) => Buffer.from(frame).toString('latin1')),
      );
    }
  });

  test('frames of several takes do not disturb each other', () => {
    const gather = new FrameGather();
    gather.add([new Uint8Array([1, 2])], 2);
    const first = concatBytes(gather.take());
    gather.add([new Uint8Array([3])], 1);
    const second = concatBytes(gather.take());
    expect([...first]).toEqual([2, 0, 0, 0, 1, 2]);
    expect([...second]).toEqual([1, 0, 0, 0, 3]);
  });

  test('a length beyond the limit is an error before any of its bytes are kept', () => {
    const splitter = new FrameSplitter(100, () => true);
    const error = splitter.push(new Uint8Array([101, 0, 0, 0, 1]));
    expect(error).toBeInstanceOf(TransportError);
    expect(error?.code).toBe('TRANSPORT_ERR_FRAME_TOO_LARGE');
  });
});

describe('hello', () => {
  const me = { clusterId: 'demo', nodeId: nodeId(2), diskId: 'd-2', protocol: 'zab' };

  test('follows the published schema', () => {
    const source = readFileSync(new URL('../peer.proto', import.meta.url), 'utf8');
    const type = protobuf.parse(source).root.lookupType('quorate.transport.v1.HelloFrame');
    const refusal = new TransportError('TRANSPORT_ERR_FOREIGN_DISK', 'no');
    const frame = encodeHello(me, { node: 3, disk: 'd-3' }, refusal);
    expect(type.toObject(type.decode(frame), { longs: Number })).toEqual({
      hello: {
        clusterId: 'demo',
        nodeId: 2,
        diskId: 'd-2',
        protocol: 'zab',
        formatVersion: FORMAT_VERSION,
        refusal: 'TRANSPORT_ERR_FOREIGN_DISK',
        refusalText: 'no',
        expectedNodeId: 3,
        expectedDiskId: 'd-3',
      },
    });
    expect(decodeHello(frame)).toMatchObject({ ...me, expectedNode: 3, expectedDisk: 'd-3' });
  });

  test('bytes that are no hello decode to null, never to an exception', () => {
    const random = createRandom('hello');
    const good = encodeHello(me, null, null);
    for (let i = 0; i < 2000; i++) {
      const bad = good.slice(0, random.between(0, good.length));
      if (bad.length > 0) bad[random.below(bad.length)] = random.below(256);
      expect(() => decodeHello(bad)).not.toThrow();
    }
    expect(decodeHello(new Uint8Array([8, 1]))).toBeNull();
  });
});

test.each([
  ['127.0.0.1:80', { host: '127.0.0.1', port: 80 }],
  ['localhost:0', { host: 'localhost', port: 0 }],
  ['[::1]:65535', { host: '::1', port: 65535 }],
  ['localhost', null],
  [':80', null],
  ['a:b', null],
  ['a:65536', null],
  ['a:-1', null],
])('the address %s', (address, expected) => {
  expect(parseAddress(address)).toEqual(expected);
});
