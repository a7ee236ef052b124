import { readdirSync, readFileSync } from 'node:fs';
import { concatBytes, crc32Table } from '@quorate/foundation';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { encodeHostFrame } from '../../replica/src/host-frames.ts';
import { encodeHello } from '../../transport/src/hello.ts';
import { encodeBatchEnd, encodeSegmentHeader, identityTag } from '../../wal/src/format.ts';
import { encodeCommandBatch } from './command-batch.ts';
import { logIndex, nodeId, round } from './ids.ts';
import { createRecordCodec, RECORD_HEADER_BYTES } from './record-codec.ts';
import { EntryType, RecordKind, walRecord } from './records.ts';
import { encodeMembership, encodeSnapshotMeta, type SnapshotMeta } from './snapshot.ts';

protobuf.util.Long = null as never;
protobuf.configure();

const ROOT = new URL('../../../', import.meta.url);
const parse = (path: string): protobuf.Root =>
  protobuf.parse(readFileSync(new URL(path, ROOT), 'utf8')).root;
const published = parse('docs/reference/quorate.proto');
const records = createRecordCodec(crc32Table);

/** What the published file makes of bytes; zero and empty fields appear with their defaults. */
function decode(message: string, bytes: Uint8Array): Record<string, unknown> {
  const type = published.lookupType(`quorate.${message}`);
  return type.toObject(type.decode(bytes), { defaults: true, bytes: Array, enums: Number });
}

const LARGE = Number.MAX_SAFE_INTEGER;
const meta: SnapshotMeta = {
  index: logIndex(LARGE),
  membership: {
    voters: [1, 2].map((id) => ({ id: nodeId(id), disk: `d${id}`, address: `h:${id}` })),
    learners: [{ id: nodeId(3), disk: '', address: '' }],
    witnesses: [{ id: nodeId(4), disk: 'd4', address: 'h:4' }],
  },
  digest: 'ab'.repeat(32),
  bytes: 1234,
  engine: new Uint8Array([8, 7]),
};
const shownMember = (id: number) => ({ id, disk: `d${id}`, address: `h:${id}` });
const shownMembership = {
  voters: [shownMember(1), shownMember(2)],
  learners: [{ id: 3, disk: '', address: '' }],
  witnesses: [shownMember(4)],
};
const shownMeta = {
  index: LARGE,
  membership: shownMembership,
  digest: meta.digest,
  bytes: 1234,
  engine: [8, 7],
};
const identity = { clusterId: 'c', nodeId: nodeId(2), diskId: 'd2', protocol: 'zab' };

describe('docs/reference/quorate.proto', () => {
  it('reads the Data of every kind of record', () => {
    for (const kind of Object.values(RecordKind)) {
      const payload = new Uint8Array([1, 2, 3]);
      const fields = { kind, entryType: EntryType.command, node: nodeId(9), counter: 2 ** 40 };
      const record = walRecord({ ...fields, round: round(5), index: logIndex(6), payload });
      const shown = { kind, entryType: 1, node: 9, counter: 2 ** 40, payload: [1, 2, 3] };
      expect(decode('RecordData', records.encode(record).subarray(RECORD_HEADER_BYTES))).toEqual(
        shown,
      );
    }
    const bare = records.encode(walRecord({ kind: RecordKind.truncate, index: logIndex(6) }));
    const shown = { kind: RecordKind.truncate, entryType: 0, node: 0, counter: 0, payload: [] };
    expect(decode('RecordData', bare.subarray(RECORD_HEADER_BYTES))).toEqual(shown);
  });

  it('names the kinds and entry types as the code does', () => {
    const values = (name: string) => published.lookupEnum(`quorate.${name}`).values;
    const upper = (object: Record<string, number>) =>
      Object.fromEntries(
        Object.entries(object).map(([name, value]) => [name.toUpperCase(), value]),
      );
    expect(values('RecordKind')).toEqual({ RECORD_KIND_UNSPECIFIED: 0, ...upper(RecordKind) });
    expect(values('EntryType')).toEqual(upper(EntryType));
  });

  it('reads command batches, memberships and snapshot metas', () => {
    const commands = [new Uint8Array([7]), new Uint8Array(0), new Uint8Array(2000).fill(1)];
    const batch = encodeCommandBatch({ proposedAtMicros: LARGE, commands });
    const shown = { proposedAtMicros: LARGE, commands: commands.map((bytes) => [...bytes]) };
    expect(decode('CommandBatch', batch)).toEqual(shown);
    expect(decode('Membership', encodeMembership(meta.membership))).toEqual(shownMembership);
    expect(decode('SnapshotMeta', encodeSnapshotMeta(meta))).toEqual(shownMeta);
  });

  it('reads the local records of the log', () => {
    const rest = { segment: 42, firstBatch: 7, previousCrc: 0xffff_ffff, checkpoint: true };
    const header = encodeSegmentHeader({ format: 1, identity, ...rest }, crc32Table);
    const shown = { kind: 64, format: 1, identity: { ...identity, nodeId: 2 }, ...rest };
    expect(decode('SegmentHeader', header.subarray(RECORD_HEADER_BYTES))).toEqual(shown);

    const counts = {
      group: 0,
      batch: LARGE,
      recordCount: 3,
      byteCount: 99,
      crc: 5,
      previousCrc: 6,
    };
    const end = {
      ...counts,
      segment: 42,
      durableThrough: 8,
      tag: identityTag(identity, crc32Table),
    };
    const bytes = encodeBatchEnd(end, crc32Table);
    expect(decode('BatchEnd', bytes.subarray(RECORD_HEADER_BYTES))).toEqual({ kind: 65, ...end });
  });

  it('reads the frames between hosts', () => {
    const data = new Uint8Array(3000).fill(4);
    const chunk = { kind: 'chunk', transfer: 3, meta, offset: 256, data } as const;
    expect(decode('HostFrame', concatBytes(encodeHostFrame(chunk)))).toEqual({
      snapshotChunk: { transfer: 3, meta: shownMeta, offset: 256, data: [...data] },
    });
    for (const [place, state] of (['continue', 'complete', 'refused'] as const).entries()) {
      const ack = encodeHostFrame({ kind: 'ack', transfer: 3, nextOffset: 512, state });
      expect(decode('HostFrame', concatBytes(ack))).toEqual({
        snapshotAck: { transfer: 3, nextOffset: 512, state: place + 1 },
      });
    }
    expect(decode('HostFrame', encodeHello(identity, { node: 3, disk: 'd3' }, null))).toEqual({
      hello: {
        ...{ ...identity, nodeId: 2, formatVersion: 1, refusal: '', refusalText: '' },
        ...{ expectedNodeId: 3, expectedDiskId: 'd3' },
      },
    });
  });

  it('agrees with the files that stand beside the code', () => {
    const pairs = [
      ['libs/replica/replica.proto', 'quorate.replica.v1', ['SnapshotChunk', 'SnapshotAck']],
      ['libs/transport/peer.proto', 'quorate.transport.v1', ['Hello']],
    ] as const;
    for (const [path, space, messages] of pairs) {
      const beside = parse(path);
      for (const name of messages) {
        const numbers = (type: protobuf.Type) =>
          Object.fromEntries(type.fieldsArray.map((field) => [field.name, field.id]));
        const here = numbers(published.lookupType(`quorate.${name}`));
        expect(numbers(beside.lookupType(`${space}.${name}`))).toEqual(here);
      }
    }
  });

  it('parses every published file of the libraries', () => {
    const libraries = readdirSync(new URL('libs', ROOT));
    const files = libraries.flatMap((library) =>
      readdirSync(new URL(`libs/${library}`, ROOT))
        .filter((name) => name.endsWith('.proto'))
        .map((name) => `libs/${library}/${name}`),
    );
    expect(files.length).toBeGreaterThanOrEqual(7);
    for (const file of files) expect(() => parse(file), file).not.toThrow();
  });
});
