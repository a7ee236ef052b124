import { readFileSync } from 'node:fs';
import { createRecordCodec, EntryType, logIndex, nodeId, round } from '@quorate/consensus';
import { concatBytes, crc32Table, createRandom } from '@quorate/foundation';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { createZabCodec } from './codec.ts';
import type { ZabMessage } from './messages.ts';
import { acceptedEpochRecord, encodeSnapshotZxid, transactionRecord } from './records.ts';

protobuf.util.Long = null as never;
protobuf.configure();
const schema = protobuf.parse(readFileSync(new URL('../zab.proto', import.meta.url), 'utf8'), {
  keepCase: false,
}).root;
const Message = schema.lookupType('quorate.zab.v1.Message');

const records = createRecordCodec(crc32Table);
const codec = createZabCodec(records);
const payload = Uint8Array.from([1, 2, 3]);
const first = transactionRecord({ epoch: 3, counter: 1 }, logIndex(8), EntryType.command, payload);
const big = new Uint8Array(3000).fill(7);
const second = transactionRecord({ epoch: 3, counter: 2 }, logIndex(9), EntryType.command, big);
const zxid = { epoch: 3, counter: 0xffff_ffff };
const epoch = 2 ** 40;
const nonce = 0xfedc_ba98;
const index = logIndex(2 ** 50);
const meta = {
  index: logIndex(7),
  membership: {
    voters: [{ id: nodeId(1), disk: 'd', address: 'a:1' }],
    learners: [],
    witnesses: [],
  },
  digest: 'ab',
  bytes: 9,
  engine: encodeSnapshotZxid(zxid),
};

/** One message of each kind, no field at its default. */
const MESSAGES: readonly ZabMessage[] = [
  {
    kind: 'notification',
    state: 'leading',
    round: 4,
    vote: { leader: nodeId(2), epoch, zxid },
  },
  { kind: 'followerInfo', nonce, acceptedEpoch: epoch },
  { kind: 'newEpoch', nonce, epoch },
  { kind: 'ackEpoch', nonce, epoch, counted: true, currentEpoch: 6, zxid, index },
  { kind: 'trunc', nonce, epoch, zxid, index },
  { kind: 'snap', nonce, epoch, meta },
  { kind: 'diff', nonce, epoch, records: [first, second] },
  { kind: 'syncAck', nonce, epoch, index },
  { kind: 'newLeader', nonce, epoch, zxid, index },
  { kind: 'upToDate', nonce, epoch, committed: index },
  { kind: 'propose', epoch, committed: index, records: [first] },
  { kind: 'commit', epoch, committed: index },
  { kind: 'ack', nonce, epoch, index },
  { kind: 'ping', epoch, token: 12 },
  { kind: 'read', epoch, token: 12, index, refused: true },
];

function encode(message: ZabMessage): Uint8Array {
  return concatBytes(codec.encode(message));
}

/** A message as protobufjs shows it, in the schema's names. */
function asSchema(message: ZabMessage): Record<string, unknown> {
  const { kind, ...fields } = message as ZabMessage & Record<string, unknown>;
  const body: Record<string, unknown> = { ...fields };
  if (message.kind === 'notification') {
    const { vote } = message;
    body.state = ['looking', 'following', 'leading'].indexOf(message.state);
    delete body.vote;
    Object.assign(body, { leader: vote.leader, epoch: vote.epoch, zxid: vote.zxid });
  }
  if (message.kind === 'diff' || message.kind === 'propose') {
    body.records = message.records.map((record) => [...records.encode(record)]);
  }
  return { [kind]: body };
}

describe('the codec', () => {
  it.each(MESSAGES)('$kind comes back as it went', (message) => {
    const decoded = codec.decode(encode(message));
    expect(decoded).toEqual(message);
  });

  it.each(MESSAGES)('$kind is what the published schema says', (message) => {
    const decoded = Message.toObject(Message.decode(encode(message)), { arrays: false });
    const { meta: metaBytes, ...expected } = Object.values(asSchema(message))[0] as Record<
      string,
      unknown
    >;
    const shown = decoded[message.kind];
    if (Array.isArray(shown.records))
      shown.records = shown.records.map((one: Uint8Array) => [...one]);
    if (metaBytes !== undefined) expect(shown.meta.length).toBeGreaterThan(10);
    delete shown.meta;
    expect(shown).toEqual(expected);
  });

  it.each(MESSAGES)('$kind written by another protobuf library is read', (message) => {
    const foreign = Message.encode(Message.decode(encode(message))).finish();
    expect(codec.decode(Uint8Array.from(foreign))).toEqual(message);
  });

  it('keeps long payloads out of copies', () => {
    const parts = codec.encode(MESSAGES[6] as ZabMessage);
    expect(parts.some((part) => part === records.encode(second))).toBe(true);
  });

  it('refuses the whole message when one record fails its CRC', () => {
    const bytes = encode(MESSAGES[10] as ZabMessage);
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
    expect(codec.decode(bytes)).toBeNull();
  });

  it('answers null or a message to any cut, flip or random bytes, and never throws', () => {
    const random = createRandom('zab codec');
    for (const message of MESSAGES) {
      const whole = encode(message);
      for (let cut = 0; cut < Math.min(whole.length, 200); cut++) {
        codec.decode(whole.slice(0, cut));
      }
      for (let flip = 0; flip < 300; flip++) {
        const bytes = whole.slice();
        const at = random.below(bytes.length);
        bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
        codec.decode(bytes);
      }
    }
    for (let i = 0; i < 3000; i++) {
      const bytes = Uint8Array.from({ length: random.below(60) }, () => random.below(256));
      codec.decode(bytes);
    }
    expect(codec.decode(new Uint8Array(0))).toBeNull();
  });

  it('refuses a zxid counter beyond 32 bits and an unknown state (ZB-28)', () => {
    const newLeader = MESSAGES[8] as ZabMessage & { zxid: object };
    const wide = { ...newLeader, zxid: { epoch: 1, counter: 2 ** 32 } } as ZabMessage;
    expect(codec.decode(encode(wide))).toBeNull();
    const state = Message.encode(
      Message.fromObject({ notification: { state: 7, round: 1, leader: 1 } }),
    ).finish();
    expect(codec.decode(Uint8Array.from(state))).toBeNull();
  });

  it('carries any record kind; the engine judges what it is', () => {
    const odd = acceptedEpochRecord(round(3), nodeId(1));
    const message: ZabMessage = {
      kind: 'propose',
      epoch: 1,
      committed: logIndex(0),
      records: [odd],
    };
    expect(codec.decode(encode(message))).toMatchObject({ records: [{ kind: 1 }] });
  });
});
