import { readFileSync } from 'node:fs';
import {
  createRecordCodec,
  EntryType,
  type NodeId,
  type Round,
  type WalRecord,
} from '@quorate/consensus';
import { concatBytes, crc32Table, createRandom } from '@quorate/foundation';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import type { Ballot } from './ballot.ts';
import { createPaxosCodec } from './codec.ts';
import { describeMessage } from './describe.ts';
import type { PaxosMessage } from './messages.ts';
import { acceptRecord, chosenRecord } from './records.ts';

protobuf.util.Long = null as never;
protobuf.configure();
const schema = protobuf
  .parse(readFileSync(new URL('../multi-paxos.proto', import.meta.url), 'utf8'))
  .root.lookupType('quorate.multi_paxos.v1.PaxosMessage');

const records = createRecordCodec(crc32Table);
const codec = createPaxosCodec(records);
const b = (round: number, node: number): Ballot => ({
  round: round as Round,
  node: node as NodeId,
});
const accept = (slot: number, bytes: number): WalRecord =>
  acceptRecord(b(7, 2), slot, EntryType.command, new Uint8Array(bytes).fill(slot));

const MESSAGES: readonly PaxosMessage[] = [
  { kind: 'probe', ballot: b(3, 1) },
  { kind: 'probeReply', ballot: b(3, 1), willing: true, promised: b(2, 2) },
  { kind: 'probeReply', ballot: b(3, 1), willing: false, promised: b(0, 0) },
  { kind: 'prepare', ballot: b(2 ** 48, 3), fromSlot: 2 ** 40 },
  {
    kind: 'promise',
    ballot: b(8, 1),
    fromSlot: 5,
    throughSlot: 7,
    last: true,
    trimMark: 4,
    chosenPrefix: 6,
    accepted: [accept(5, 3), chosenRecord(accept(7, 2000))],
  },
  { kind: 'preempted', ballot: b(3, 1), promised: b(4, 2) },
  {
    kind: 'accept',
    ballot: b(7, 2),
    firstSlot: 9,
    chosenPrefix: 8,
    proposals: [accept(9, 0), accept(10, 100), accept(11, 5000)],
  },
  {
    kind: 'accepted',
    ballot: b(7, 2),
    chosenPrefix: 0,
    ranges: [
      { first: 9, last: 11 },
      { first: 20, last: 20 },
    ],
  },
  { kind: 'chosen', ballot: b(7, 2), chosenPrefix: 11 },
  { kind: 'heartbeat', ballot: b(7, 2), sequence: 12, chosenPrefix: 11 },
  { kind: 'heartbeatReply', ballot: b(7, 2), sequence: 12, chosenPrefix: 10 },
  { kind: 'catchUpRequest', fromSlot: 3 },
  { kind: 'catchUpReply', firstSlot: 3, chosenPrefix: 9, chosen: [chosenRecord(accept(3, 10))] },
  { kind: 'snapshotOffer', promised: b(7, 2), slot: 100, digest: 'ab12', bytes: 2 ** 33 },
  { kind: 'readRequest', ballot: b(7, 2), request: 2 ** 47 },
  { kind: 'readReply', ballot: b(7, 2), request: 2 ** 47, slot: 99 },
];

const encode = (message: PaxosMessage): Uint8Array => concatBytes(codec.encode(message));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** A message as protobufjs shows it: records as bytes, defaults left out. */
function published(message: PaxosMessage): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(message)) {
    if (name === 'kind' || value === 0 || value === false) continue;
    if (!Array.isArray(value)) body[name] = typeof value === 'object' ? ballotOf(value) : value;
    else if (value.length > 0) {
      body[name] = value.map((one) =>
        'index' in one ? Uint8Array.from(records.encode(one as WalRecord)) : one,
      );
    }
  }
  return { [message.kind]: body };
}

function ballotOf({ round, node }: Ballot): object {
  return { ...(round === 0 ? {} : { round }), ...(node === 0 ? {} : { node }) };
}

describe('the codec', () => {
  for (const message of MESSAGES) {
    it(`keeps ${describeMessage(message)}`, () => {
      const bytes = encode(message);
      const decoded = codec.decode(bytes);
      expect(decoded).not.toBeNull();
      expect(describeMessage(decoded as PaxosMessage)).toBe(describeMessage(message));
      expect(hex(encode(decoded as PaxosMessage))).toBe(hex(bytes));
    });

    it(`writes ${message.kind} as the published schema says`, () => {
      const decoded = schema.decode(encode(message));
      const plain = JSON.stringify(schema.toObject(decoded, { bytes: String }));
      const expected = schema.toObject(schema.fromObject(published(message)), { bytes: String });
      expect(JSON.parse(plain)).toEqual(JSON.parse(JSON.stringify(expected)));
    });

    it(`reads ${message.kind} as protobufjs writes it`, () => {
      const bytes = schema.encode(schema.fromObject(published(message))).finish();
      const decoded = codec.decode(bytes);
      expect(decoded).not.toBeNull();
      expect(hex(encode(decoded as PaxosMessage))).toBe(hex(encode(message)));
    });
  }

  it('gives null for every truncation, and never throws', () => {
    for (const message of MESSAGES) {
      const bytes = encode(message);
      for (let length = 0; length < Math.min(bytes.length, 300); length++) {
        expect(codec.decode(bytes.subarray(0, length))).toBeNull();
      }
    }
  });

  it('never throws on flipped bits and random bytes, and catches flips in records', () => {
    const random = createRandom('codec');
    for (let run = 0; run < 4_000; run++) {
      const bytes = encode(MESSAGES[run % MESSAGES.length] as PaxosMessage).slice();
      bytes[random.below(bytes.length)] = (random.below(255) + 1) ^ random.below(256);
      codec.decode(bytes);
      codec.decode(Uint8Array.from({ length: random.below(40) }, () => random.below(256)));
    }
    const proposals = [accept(9, 100)];
    const whole: PaxosMessage = {
      kind: 'accept',
      ballot: b(7, 2),
      firstSlot: 9,
      chosenPrefix: 8,
      proposals,
    };
    const bytes = encode(whole).slice();
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
    expect(codec.decode(bytes)).toBeNull();
  });

  it('refuses a frame of no known kind and one with a second message behind it', () => {
    const bytes = encode(MESSAGES[0] as PaxosMessage);
    expect(codec.decode(concatBytes([bytes, bytes]))).toBeNull();
    expect(codec.decode(Uint8Array.of(0x82, 0x01, 0x00))).toBeNull();
  });
});
