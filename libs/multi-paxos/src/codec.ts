import type { MessageCodec, NodeId, RecordCodec, Round, WalRecord } from '@quorate/consensus';
import { MalformedBytes, ProtoReader, ProtoWriter, unreachable } from '@quorate/foundation';
import { type Ballot, NO_BALLOT } from './ballot.ts';
import type { PaxosMessage, SlotRange } from './messages.ts';

/** The field of the top-level message in which each kind stands, as in `multi-paxos.proto`. */
const FIELD = {
  probe: 1,
  probeReply: 2,
  prepare: 3,
  promise: 4,
  preempted: 5,
  accept: 6,
  accepted: 7,
  chosen: 8,
  heartbeat: 9,
  heartbeatReply: 10,
  catchUpRequest: 11,
  catchUpReply: 12,
  snapshotOffer: 13,
  readRequest: 14,
  readReply: 15,
} as const;

const SMALL_BYTES = 64;

/**
 * The published wire format of `multi-paxos.proto`. Records travel as their WAL encoding, uncopied,
 * and their CRC is verified on arrival. Decoding gives null on anything that is not whole.
 */
export function createPaxosCodec(records: RecordCodec): MessageCodec<PaxosMessage> {
  return {
    encode(message) {
      const body = new ProtoWriter(SMALL_BYTES);
      writeBody(body, message, records);
      return new ProtoWriter(SMALL_BYTES).message(FIELD[message.kind], body.finish()).finish();
    },
    decode(bytes) {
      try {
        return decodeFrame(bytes, records);
      } catch (error) {
        if (error instanceof MalformedBytes) return null;
        throw error;
      }
    },
  };
}

function writeBody(body: ProtoWriter, message: PaxosMessage, records: RecordCodec): void {
  switch (message.kind) {
    case 'probe':
      putBallot(body, 1, message.ballot);
      return;
    case 'probeReply':
      putBallot(body, 1, message.ballot);
      body.bool(2, message.willing);
      putBallot(body, 3, message.promised);
      return;
    case 'prepare':
      putBallot(body, 1, message.ballot);
      body.uint(2, message.fromSlot);
      return;
    case 'promise':
      putBallot(body, 1, message.ballot);
      body.uint(2, message.fromSlot).uint(3, message.throughSlot).bool(4, message.last);
      body.uint(5, message.trimMark).uint(6, message.chosenPrefix);
      putRecords(body, 7, message.accepted, records);
      return;
    case 'preempted':
      putBallot(body, 1, message.ballot);
      putBallot(body, 2, message.promised);
      return;
    case 'accept':
      putBallot(body, 1, message.ballot);
      body.uint(2, message.firstSlot).uint(3, message.chosenPrefix);
      putRecords(body, 4, message.proposals, records);
      return;
    case 'accepted':
      putBallot(body, 1, message.ballot);
      body.uint(2, message.chosenPrefix);
      for (const range of message.ranges) {
        const pair = new ProtoWriter(SMALL_BYTES).uint(1, range.first).uint(2, range.last);
        body.message(3, pair.finish());
      }
      return;
    default:
      writeSmallBody(body, message, records);
  }
}

type SmallMessage = Exclude<
  PaxosMessage,
  {
    kind: 'probe' | 'probeReply' | 'prepare' | 'promise' | 'preempted' | 'accept' | 'accepted';
  }
>;

function writeSmallBody(body: ProtoWriter, message: SmallMessage, records: RecordCodec): void {
  switch (message.kind) {
    case 'chosen':
      putBallot(body, 1, message.ballot);
      body.uint(2, message.chosenPrefix);
      return;
    case 'heartbeat':
    case 'heartbeatReply':
      putBallot(body, 1, message.ballot);
      body.uint(2, message.sequence).uint(3, message.chosenPrefix);
      return;
    case 'catchUpRequest':
      body.uint(1, message.fromSlot);
      return;
    case 'catchUpReply':
      body.uint(1, message.firstSlot).uint(2, message.chosenPrefix);
      putRecords(body, 3, message.chosen, records);
      return;
    case 'snapshotOffer':
      putBallot(body, 1, message.promised);
      body.uint(2, message.slot).text(3, message.digest).uint(4, message.bytes);
      return;
    case 'readRequest':
      putBallot(body, 1, message.ballot);
      body.uint(2, message.request);
      return;
    case 'readReply':
      putBallot(body, 1, message.ballot);
      body.uint(2, message.request).uint(3, message.slot);
      return;
    default:
      unreachable(message, 'a message kind without an encoding');
  }
}

function putBallot(writer: ProtoWriter, field: number, ballot: Ballot): void {
  const body = new ProtoWriter(SMALL_BYTES).uint(1, ballot.round).uint(2, ballot.node);
  writer.message(field, body.finish());
}

function putRecords(
  writer: ProtoWriter,
  field: number,
  list: readonly WalRecord[],
  records: RecordCodec,
): void {
  for (const record of list) writer.element(field, records.encode(record));
}

/** What a body may hold, by field number; the message kinds name the fields. */
interface Fields {
  readonly ballots: ReadonlyMap<number, Ballot>;
  readonly numbers: ReadonlyMap<number, number>;
  readonly text: string;
  readonly records: readonly WalRecord[];
  readonly ranges: readonly SlotRange[];
}

/** Which fields of a kind are not plain numbers. */
interface Layout {
  readonly ballots: readonly number[];
  readonly text?: number;
  readonly records?: number;
  readonly ranges?: number;
}

const LAYOUT: Readonly<Record<number, Layout>> = {
  [FIELD.probe]: { ballots: [1] },
  [FIELD.probeReply]: { ballots: [1, 3] },
  [FIELD.prepare]: { ballots: [1] },
  [FIELD.promise]: { ballots: [1], records: 7 },
  [FIELD.preempted]: { ballots: [1, 2] },
  [FIELD.accept]: { ballots: [1], records: 4 },
  [FIELD.accepted]: { ballots: [1], ranges: 3 },
  [FIELD.chosen]: { ballots: [1] },
  [FIELD.heartbeat]: { ballots: [1] },
  [FIELD.heartbeatReply]: { ballots: [1] },
  [FIELD.catchUpRequest]: { ballots: [] },
  [FIELD.catchUpReply]: { ballots: [], records: 3 },
  [FIELD.snapshotOffer]: { ballots: [1], text: 3 },
  [FIELD.readRequest]: { ballots: [1] },
  [FIELD.readReply]: { ballots: [1] },
};

function decodeFrame(bytes: Uint8Array, records: RecordCodec): PaxosMessage | null {
  const frame = new ProtoReader(bytes);
  if (!frame.next()) return null;
  const kind = frame.field;
  const layout = LAYOUT[kind];
  if (layout === undefined) return null;
  const fields = decodeFields(frame.message(), layout, records);
  // One frame is one message: a second one behind it would be dropped silently.
  if (frame.next()) return null;
  return buildMessage(kind, fields);
}

function decodeFields(reader: ProtoReader, layout: Layout, records: RecordCodec): Fields {
  const ballots = new Map<number, Ballot>();
  const numbers = new Map<number, number>();
  const list: WalRecord[] = [];
  const ranges: SlotRange[] = [];
  let text = '';
  while (reader.next()) {
    const { field } = reader;
    if (field > 15) reader.skip();
    else if (layout.ballots.includes(field)) ballots.set(field, decodeBallot(reader.message()));
    else if (field === layout.records) list.push(decodeRecord(reader.bytes(), records));
    else if (field === layout.ranges) ranges.push(decodeRange(reader.message()));
    else if (field === layout.text) text = reader.text();
    else numbers.set(field, reader.uint());
  }
  return { ballots, numbers, text, records: list, ranges };
}

function decodeBallot(reader: ProtoReader): Ballot {
  let round = 0;
  let node = 0;
  while (reader.next()) {
    if (reader.field === 1) round = reader.uint();
    else if (reader.field === 2) node = reader.uint();
    else reader.skip();
  }
  return { round: round as Round, node: node as NodeId | 0 };
}

function decodeRange(reader: ProtoReader): SlotRange {
  let first = 0;
  let last = 0;
  while (reader.next()) {
    if (reader.field === 1) first = reader.uint();
    else if (reader.field === 2) last = reader.uint();
    else reader.skip();
  }
  return { first, last };
}

function decodeRecord(bytes: Uint8Array, records: RecordCodec): WalRecord {
  const record = records.decode(bytes, 0, bytes.length);
  if (record === null || record.encoded === null || record.encoded.length !== bytes.length) {
    throw new MalformedBytes('a record whose CRC or length is wrong');
  }
  return record;
}

function buildMessage(kind: number, fields: Fields): PaxosMessage | null {
  const { records, ranges } = fields;
  const number = (field: number): number => fields.numbers.get(field) ?? 0;
  const ballot = fields.ballots.get(1) ?? NO_BALLOT;
  switch (kind) {
    case FIELD.promise:
      return {
        kind: 'promise',
        ballot,
        fromSlot: number(2),
        throughSlot: number(3),
        last: number(4) !== 0,
        trimMark: number(5),
        chosenPrefix: number(6),
        accepted: records,
      };
    case FIELD.accept: {
      const [firstSlot, chosenPrefix] = [number(2), number(3)];
      return { kind: 'accept', ballot, firstSlot, chosenPrefix, proposals: records };
    }
    case FIELD.accepted:
      return { kind: 'accepted', ballot, chosenPrefix: number(2), ranges };
    case FIELD.catchUpReply: {
      const [firstSlot, chosenPrefix] = [number(1), number(2)];
      return { kind: 'catchUpReply', firstSlot, chosenPrefix, chosen: records };
    }
    case FIELD.snapshotOffer: {
      const { text } = fields;
      const [slot, bytes] = [number(2), number(4)];
      return { kind: 'snapshotOffer', promised: ballot, slot, digest: text, bytes };
    }
    default:
      return buildSmallMessage(kind, ballot, fields, number);
  }
}

function buildSmallMessage(
  kind: number,
  ballot: Ballot,
  fields: Fields,
  number: (field: number) => number,
): PaxosMessage | null {
  switch (kind) {
    case FIELD.probe:
      return { kind: 'probe', ballot };
    case FIELD.probeReply: {
      const promised = fields.ballots.get(3) ?? NO_BALLOT;
      return { kind: 'probeReply', ballot, willing: number(2) !== 0, promised };
    }
    case FIELD.prepare:
      return { kind: 'prepare', ballot, fromSlot: number(2) };
    case FIELD.preempted:
      return { kind: 'preempted', ballot, promised: fields.ballots.get(2) ?? NO_BALLOT };
    case FIELD.chosen:
      return { kind: 'chosen', ballot, chosenPrefix: number(2) };
    case FIELD.heartbeat:
      return { kind: 'heartbeat', ballot, sequence: number(2), chosenPrefix: number(3) };
    case FIELD.heartbeatReply:
      return { kind: 'heartbeatReply', ballot, sequence: number(2), chosenPrefix: number(3) };
    case FIELD.catchUpRequest:
      return { kind: 'catchUpRequest', fromSlot: number(1) };
    case FIELD.readRequest:
      return { kind: 'readRequest', ballot, request: number(2) };
    case FIELD.readReply:
      return { kind: 'readReply', ballot, request: number(2), slot: number(3) };
    default:
      return null;
  }
}
