import {
  encodeSnapshotMeta,
  type LogIndex,
  type MessageCodec,
  type NodeId,
  RECORD_HEADER_BYTES,
  type RecordCodec,
  type SnapshotMeta,
  type WalRecord,
} from '@quorate/consensus';
import { MalformedBytes, ProtoReader, ProtoWriter } from '@quorate/foundation';
import type { ElectionState, ZabMessage } from './messages.ts';
import { NO_SNAPSHOT, parseSnapshotMeta } from './records.ts';
import { COUNTER_MAX, NO_ZXID, type Zxid } from './zxid.ts';

/** The field of `zab.proto`'s `Message` that holds each kind: the first tag of every frame. */
const FIELD: Readonly<Record<ZabMessage['kind'], number>> = {
  notification: 1,
  followerInfo: 2,
  newEpoch: 3,
  ackEpoch: 4,
  trunc: 5,
  snap: 6,
  diff: 7,
  syncAck: 8,
  newLeader: 9,
  upToDate: 10,
  propose: 11,
  commit: 12,
  ack: 13,
  ping: 14,
  read: 15,
};

const STATES: readonly ElectionState[] = ['looking', 'following', 'leading'];

/** The codec of `zab.proto`; transactions travel as the records that stand in every log. */
export function createZabCodec(records: RecordCodec): MessageCodec<ZabMessage> {
  return {
    encode(message) {
      const body = encodeBody(message, records).finish();
      return new ProtoWriter(32).message(FIELD[message.kind], body).finish();
    },
    decode(bytes) {
      try {
        return decodeMessage(bytes, records);
      } catch (error) {
        if (error instanceof MalformedBytes) return null;
        throw error;
      }
    },
  };
}

function encodeBody(message: ZabMessage, records: RecordCodec): ProtoWriter {
  const body = new ProtoWriter(64);
  switch (message.kind) {
    case 'notification': {
      const { state, round, vote } = message;
      body.uint(1, STATES.indexOf(state)).uint(2, round).uint(3, vote.leader).uint(4, vote.epoch);
      return putZxid(body, 5, vote.zxid);
    }
    case 'followerInfo':
      return body.uint(1, message.nonce).uint(2, message.acceptedEpoch);
    case 'newEpoch':
      return body.uint(1, message.nonce).uint(2, message.epoch);
    case 'ackEpoch': {
      const { nonce, epoch, counted, currentEpoch, zxid, index } = message;
      body.uint(1, nonce).uint(2, epoch).bool(3, counted).uint(4, currentEpoch);
      return putZxid(body, 5, zxid).uint(6, index);
    }
    case 'trunc':
    case 'newLeader':
      body.uint(1, message.nonce).uint(2, message.epoch);
      return putZxid(body, 3, message.zxid).uint(4, message.index);
    case 'snap':
      body.uint(1, message.nonce).uint(2, message.epoch);
      return body.bytes(3, encodeSnapshotMeta(message.meta));
    case 'diff':
      body.uint(1, message.nonce).uint(2, message.epoch);
      return putRecords(body, 3, message.records, records);
    case 'syncAck':
    case 'ack':
      return body.uint(1, message.nonce).uint(2, message.epoch).uint(3, message.index);
    case 'upToDate':
      return body.uint(1, message.nonce).uint(2, message.epoch).uint(3, message.committed);
    case 'propose':
      body.uint(1, message.epoch).uint(2, message.committed);
      return putRecords(body, 3, message.records, records);
    case 'commit':
      return body.uint(1, message.epoch).uint(2, message.committed);
    case 'ping':
      return body.uint(1, message.epoch).uint(2, message.token);
    case 'read': {
      const { epoch, token, index, refused } = message;
      return body.uint(1, epoch).uint(2, token).uint(3, index).bool(4, refused);
    }
  }
}

function putZxid(writer: ProtoWriter, field: number, zxid: Zxid): ProtoWriter {
  const body = new ProtoWriter(20).uint(1, zxid.epoch).uint(2, zxid.counter);
  return writer.message(field, body.finish());
}

function putRecords(
  writer: ProtoWriter,
  field: number,
  entries: readonly WalRecord[],
  records: RecordCodec,
): ProtoWriter {
  for (const entry of entries) writer.element(field, records.encode(entry));
  return writer;
}

/**
 * The fields of any message body: numbers, and what is length-delimited, by field number. All
 * kinds have few fields, so one reader serves them all.
 */
interface Body {
  readonly numbers: number[];
  zxid: Zxid;
  meta: SnapshotMeta;
  readonly records: WalRecord[];
}

const FIELDS_MAX = 8;

function decodeMessage(bytes: Uint8Array, records: RecordCodec): ZabMessage | null {
  const outer = new ProtoReader(bytes);
  if (!outer.next()) return null;
  const kind = KINDS[outer.field];
  if (kind === undefined) return null;
  const body = decodeBody(outer.message(), kind, records);
  if (body === null || outer.next()) return null;
  return build(kind, body);
}

const KINDS: readonly (ZabMessage['kind'] | undefined)[] = [
  undefined,
  ...(Object.keys(FIELD) as ZabMessage['kind'][]),
];

function decodeBody(
  reader: ProtoReader,
  kind: ZabMessage['kind'],
  records: RecordCodec,
): Body | null {
  const zxidField = kind === 'notification' || kind === 'ackEpoch' ? 5 : 3;
  const hasZxid = kind === 'trunc' || kind === 'newLeader' || zxidField === 5;
  const hasRecords = kind === 'diff' || kind === 'propose';
  const numbers = [0, 0, 0, 0, 0, 0, 0, 0];
  const body: Body = { numbers, zxid: NO_ZXID, meta: NO_SNAPSHOT, records: [] };
  while (reader.next()) {
    const { field } = reader;
    if (hasZxid && field === zxidField) body.zxid = decodeZxid(reader.message());
    else if (hasRecords && field === 3) {
      const record = decodeRecord(reader.bytes(), records);
      if (record === null) return null;
      body.records.push(record);
    } else if (kind === 'snap' && field === 3) {
      const meta = parseSnapshotMeta(reader.bytes());
      if (meta === null) return null;
      body.meta = meta;
    } else if (field < FIELDS_MAX) body.numbers[field] = reader.uint();
    else reader.skip();
  }
  return body;
}

function decodeZxid(reader: ProtoReader): Zxid {
  let epoch = 0;
  let counter = 0;
  while (reader.next()) {
    if (reader.field === 1) epoch = reader.uint();
    else if (reader.field === 2) counter = reader.uint();
    else reader.skip();
  }
  if (counter > COUNTER_MAX) throw new MalformedBytes('a zxid counter has 32 bits');
  return { epoch, counter };
}

function decodeRecord(bytes: Uint8Array, records: RecordCodec): WalRecord | null {
  if (bytes.length < RECORD_HEADER_BYTES) return null;
  const record = records.decode(bytes, 0, bytes.length);
  return record?.encoded?.length === bytes.length ? record : null;
}

function build(kind: ZabMessage['kind'], body: Body): ZabMessage | null {
  const { numbers, zxid, meta, records } = body;
  const [, a = 0, b = 0, c = 0, d = 0, , f = 0] = numbers;
  const index = (value: number): LogIndex => value as LogIndex;
  switch (kind) {
    case 'notification': {
      const state = STATES[a];
      if (state === undefined || c === 0) return null;
      return { kind, state, round: b, vote: { leader: c as NodeId, epoch: d, zxid } };
    }
    case 'followerInfo':
      return { kind, nonce: a, acceptedEpoch: b };
    case 'newEpoch':
      return { kind, nonce: a, epoch: b };
    case 'ackEpoch': {
      const counted = c !== 0;
      return { kind, nonce: a, epoch: b, counted, currentEpoch: d, zxid, index: index(f) };
    }
    case 'trunc':
    case 'newLeader':
      return { kind, nonce: a, epoch: b, zxid, index: index(d) };
    case 'snap':
      return { kind, nonce: a, epoch: b, meta };
    case 'diff':
      return { kind, nonce: a, epoch: b, records };
    case 'syncAck':
    case 'ack':
      return { kind, nonce: a, epoch: b, index: index(c) };
    case 'upToDate':
      return { kind, nonce: a, epoch: b, committed: index(c) };
    case 'propose':
      return { kind, epoch: a, committed: index(b), records };
    case 'commit':
      return { kind, epoch: a, committed: index(b) };
    case 'ping':
      return { kind, epoch: a, token: b };
    case 'read':
      return { kind, epoch: a, token: b, index: index(c), refused: d !== 0 };
  }
}
