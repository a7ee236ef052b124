import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoundedQueue } from './bounded-queue.ts';
import { compareBytes, concatBytes, readUint64, writeUint64 } from './bytes.ts';
import { crc32Table } from './crc32.ts';
import { MalformedBytes, ProtoReader, ProtoWriter } from './protobuf.ts';
import { createRandom } from './random.ts';

describe('crc32Table', () => {
  it('equals zlib for any bytes, whole and in parts', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        const whole = zlibCrc32(concatBytes([a, b])) >>> 0;
        expect(crc32Table(b, crc32Table(a))).toBe(whole);
      }),
    );
  });

  it('gives the check value of the standard', () => {
    expect(crc32Table(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });
});

describe('createRandom', () => {
  it('repeats for equal seeds and differs for others', () => {
    const draw = (seed: number | string): number[] => {
      const random = createRandom(seed);
      return Array.from({ length: 20 }, () => random.nextUint32());
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it('splits streams that do not shift each other', () => {
    const once = createRandom(1).split('disk').nextUint32();
    const random = createRandom(1);
    random.nextUint32();
    random.split('net').nextUint32();
    expect(random.split('disk').nextUint32()).toBe(once);
  });

  it('draws every value of a small range about equally often', () => {
    const random = createRandom('fair');
    const counts = [0, 0, 0, 0, 0];
    for (let i = 0; i < 50_000; i++) counts[random.between(0, 4)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });
});

describe('64-bit fields', () => {
  it('hold every safe whole number', () => {
    fc.assert(
      fc.property(fc.nat(Number.MAX_SAFE_INTEGER), (value) => {
        const bytes = new Uint8Array(8);
        writeUint64(bytes, 0, value);
        expect(readUint64(bytes, 0)).toBe(value);
      }),
    );
  });
});

describe('protobuf', () => {
  it('reads back what it wrote, long byte strings uncopied', () => {
    const arbitrary = fc.record({
      number: fc.nat(Number.MAX_SAFE_INTEGER),
      text: fc.string(),
      list: fc.array(fc.uint8Array({ maxLength: 3000 })),
    });
    fc.assert(
      fc.property(arbitrary, ({ number, text, list }) => {
        const writer = new ProtoWriter(4).uint(1, number).text(2, text);
        for (const element of list) writer.element(3, element);
        const reader = new ProtoReader(concatBytes(writer.finish()));
        const seen = { number: 0, text: '', list: [] as Uint8Array[] };
        while (reader.next()) {
          if (reader.field === 1) seen.number = reader.uint();
          else if (reader.field === 2) seen.text = reader.text();
          else seen.list.push(new Uint8Array(reader.bytes()));
        }
        expect(seen).toEqual({ number, text, list });
      }),
    );
  });

  it('raises only MalformedBytes on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const reader = new ProtoReader(bytes);
        try {
          while (reader.next()) reader.skip();
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedBytes);
        }
      }),
    );
  });
});

describe('BoundedQueue', () => {
  it('refuses beyond its limit and keeps the order', () => {
    const queue = new BoundedQueue<number>(2);
    expect([queue.push(1), queue.push(2), queue.push(3)]).toEqual([true, true, false]);
    expect([queue.shift(), queue.peek(), queue.length]).toEqual([1, 2, 1]);
  });

  it('gives back every item through many rounds', () => {
    const queue = new BoundedQueue<number>(5000);
    let next = 0;
    let expected = 0;
    for (let round = 0; round < 200; round++) {
      for (let i = 0; i < 100; i++) queue.push(next++);
      for (let i = 0; i < 95; i++) expect(queue.shift()).toBe(expected++);
    }
    expect(queue.drain()[0]).toBe(expected);
  });
});

describe('compareBytes', () => {
  it('orders a prefix first and bytes as unsigned', () => {
    const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);
    expect(compareBytes(bytes(1), bytes(1, 0))).toBeLessThan(0);
    expect(compareBytes(bytes(200), bytes(100))).toBeGreaterThan(0);
    expect(compareBytes(bytes(5, 6), bytes(5, 6))).toBe(0);
  });
});
