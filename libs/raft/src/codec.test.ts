import { readFileSync } from 'node:fs';
import {
  createRecordCodec,
  decodeSnapshotMeta,
  EntryType,
  logIndex,
  nodeId,
  round,
  type SnapshotMeta,
  type WalRecord,
} from '@quorate/consensus';
import { concatBytes, crc32Table, createRandom } from '@quorate/foundation';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { createCodec } from './codec.ts';
import { describeMessage } from './describe.ts';
import { flawOf, type RaftMessage } from './messages.ts';
import { encodeSnapshotEngine, entryRecord } from './records.ts';

protobuf.util.Long = null as never;
protobuf.configure();

const records = createRecordCodec(crc32Table);
const codec = createCodec(records);
const schema = readFileSync(new URL('../raft.proto', import.meta.url), 'utf8');
const published = protobuf.parse(schema).root.lookupType('quorate.raft.v1.RaftMessage');

const entry = (index: number, bytes: number): WalRecord =>
  entryRecord({
    term: round(7),
    index: logIndex(index),
    type: EntryType.command,
    payload: new Uint8Array(bytes).fill(index),
  });
const meta: SnapshotMeta = {
  index: logIndex(90),
  membership: {
    voters: [{ id: nodeId(1), disk: 'd1', address: 'n1:1' }],
    learners: [],
    witnesses: [],
  },
  digest: 'ab'.repeat(32),
  bytes: 4096,
  engine: encodeSnapshotEngine(round(6)),
};
const term = round(2 ** 40 + 7);
const leaderId = nodeId(2);

const messages: RaftMessage[] = [
  {
    kind: 'requestVote',
    term,
    candidateId: leaderId,
    lastLogIndex: logIndex(2 ** 45),
    lastLogTerm: round(6),
    preVote: true,
  },
  { kind: 'requestVoteResponse', term, requestTerm: round(8), voteGranted: true, preVote: true },
  {
    kind: 'appendEntries',
    term,
    leaderId,
    prevLogIndex: logIndex(9),
    prevLogTerm: round(7),
    leaderCommit: logIndex(8),
    entries: [entry(10, 5), entry(11, 3000), entry(12, 0)],
  },
  {
    kind: 'appendEntriesResponse',
    term,
    success: false,
    matchIndex: logIndex(1),
    rejectedIndex: logIndex(2),
    conflictIndex: logIndex(3),
    conflictTerm: round(4),
  },
  { kind: 'heartbeat', term, leaderId, leaderCommit: logIndex(300), confirmation: 12_345 },
  { kind: 'heartbeatResponse', term, confirmation: 12_345 },
  {
    kind: 'installSnapshot',
    term,
    leaderId,
    lastIncludedIndex: meta.index,
    lastIncludedTerm: round(6),
    meta,
  },
  { kind: 'readIndex', term, context: 2 ** 50 },
  { kind: 'readIndexResponse', term, context: 2 ** 50, readIndex: logIndex(77) },
];

const bytesOf = (message: RaftMessage): Uint8Array => concatBytes(codec.encode(message));

describe('codec', () => {
  it.each(messages)('carries $kind there and back', (message) => {
    expect(codec.decode(bytesOf(message))).toEqual(message);
  });

  it.each(messages)('writes $kind as raft.proto says, and reads what others write', (message) => {
    const bytes = bytesOf(message);
    const decoded = published.decode(bytes);
    const plain = published.toObject(decoded, { defaults: true, oneofs: true });
    const body = plain[plain.kind as string] as Record<string, unknown>;
    expect(plain.kind).toBe(message.kind);
    for (const [name, value] of Object.entries(message)) {
      if (name === 'kind') continue;
      if (name === 'entries') {
        const encoded = (value as WalRecord[]).map((one) => records.encode(one));
        expect((body[name] as Uint8Array[]).map((b) => [...b])).toEqual(encoded.map((b) => [...b]));
      } else if (name === 'meta') {
        expect(decodeSnapshotMeta(body[name] as Uint8Array)).toEqual(value);
      } else expect(body[name]).toBe(value);
    }
    // protobufjs gives a Buffer; its bytes as a plain array compare equal to ours.
    const theirs = new Uint8Array(published.encode(decoded).finish());
    expect(codec.decode(theirs)).toEqual(message);
  });

  it('answers null to every truncation but the whole, and to a flipped entry', () => {
    for (const message of messages) {
      const bytes = bytesOf(message);
      for (let end = 0; end < Math.min(bytes.length, 200); end++) {
        expect(codec.decode(bytes.subarray(0, end))).toBeNull();
      }
    }
    const bytes = bytesOf(messages[2] as RaftMessage).slice();
    bytes[bytes.length - 1500] = 0xff;
    expect(codec.decode(bytes)).toBeNull();
  });

  it('never throws on damaged or random bytes, nor do the checks behind it', () => {
    const random = createRandom('raft codec');
    for (let run = 0; run < 4000; run++) {
      const source = bytesOf(messages[random.below(messages.length)] as RaftMessage);
      const bytes = run % 4 === 0 ? new Uint8Array(random.below(64)) : source.slice(0, 256);
      const flips = run % 4 === 0 ? bytes.length : 1 + random.below(3);
      for (let i = 0; i < flips && bytes.length > 0; i++) {
        bytes[random.below(bytes.length)] = random.below(256);
      }
      const message = codec.decode(bytes);
      if (message === null) continue;
      flawOf(message, leaderId);
      expect(describeMessage(message)).toContain(message.kind);
    }
  });
});
