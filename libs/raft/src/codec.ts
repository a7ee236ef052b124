import {
  decodeSnapshotMeta,
  encodeSnapshotMeta,
  type LogIndex,
  type MessageCodec,
  type NodeId,
  type RecordCodec,
  type SnapshotMeta,
  type WalRecord,
} from '@quorate/consensus';
import { MalformedBytes, ProtoReader, ProtoWriter } from '@quorate/foundation';
import type {
  AppendEntries,
  AppendEntriesResponse,
  Heartbeat,
  HeartbeatResponse,
  InstallSnapshot,
  RaftMessage,
  ReadIndexRequest,
  ReadIndexResponse,
  RequestVote,
  RequestVoteResponse,
  Term,
} from './messages.ts';

/** The field of the top-level message that holds each kind; `raft.proto` publishes them. */
const FIELD = {
  requestVote: 1,
  requestVoteResponse: 2,
  appendEntries: 3,
  appendEntriesResponse: 4,
  heartbeat: 5,
  heartbeatResponse: 6,
  installSnapshot: 7,
  readIndex: 8,
  readIndexResponse: 9,
} as const;

/** What an entry costs in a frame beyond its payload, about; sizes the first buffer. */
const ENTRY_OVERHEAD_BYTES = 48;
const HEADER_BYTES = 96;
/** Entries from this many bytes on are referred to by the writer instead of being copied. */
const COPIED_BYTES_MAX = 1024;

/**
 * Raft's messages as protobuf, laid out by `raft.proto`. Entries travel as the record bytes that
 * the WAL holds, encoded once and checked by their CRC on arrival; a message with a damaged entry,
 * like any other malformed input, decodes to null as a whole.
 */
export function createCodec(records: RecordCodec): MessageCodec<RaftMessage> {
  return {
    encode: (message) => encode(message, records),
    decode(bytes) {
      try {
        return decode(bytes, records);
      } catch (error) {
        if (error instanceof MalformedBytes) return null;
        throw error;
      }
    },
  };
}

function encode(message: RaftMessage, records: RecordCodec): Uint8Array[] {
  const body =
    message.kind === 'appendEntries' ? appendEntriesBody(message, records) : bodyOf(message);
  return new ProtoWriter(HEADER_BYTES + copiedBytes(body))
    .message(FIELD[message.kind], body)
    .finish();
}

function copiedBytes(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) if (part.length < COPIED_BYTES_MAX) bytes += part.length;
  return bytes;
}

function appendEntriesBody(message: AppendEntries, records: RecordCodec): Uint8Array[] {
  let bytes = HEADER_BYTES;
  for (const { payload } of message.entries) {
    bytes += payload.length < COPIED_BYTES_MAX ? payload.length + ENTRY_OVERHEAD_BYTES : 16;
  }
  const writer = new ProtoWriter(bytes)
    .uint(1, message.term)
    .uint(2, message.leaderId)
    .uint(3, message.prevLogIndex)
    .uint(4, message.prevLogTerm)
    .uint(6, message.leaderCommit);
  for (const entry of message.entries) writer.element(5, records.encode(entry));
  return writer.finish();
}

function bodyOf(message: Exclude<RaftMessage, AppendEntries>): Uint8Array[] {
  const writer = new ProtoWriter(HEADER_BYTES).uint(1, message.term);
  switch (message.kind) {
    case 'requestVote':
      writer.uint(2, message.candidateId).uint(3, message.lastLogIndex);
      writer.uint(4, message.lastLogTerm).bool(5, message.preVote);
      break;
    case 'requestVoteResponse':
      writer.uint(2, message.requestTerm).bool(3, message.voteGranted).bool(4, message.preVote);
      break;
    case 'appendEntriesResponse':
      writer.bool(2, message.success).uint(3, message.matchIndex).uint(4, message.rejectedIndex);
      writer.uint(5, message.conflictIndex).uint(6, message.conflictTerm);
      break;
    case 'heartbeat':
      writer.uint(2, message.leaderId).uint(3, message.leaderCommit).uint(4, message.confirmation);
      break;
    case 'heartbeatResponse':
      writer.uint(2, message.confirmation);
      break;
    case 'installSnapshot':
      writer.uint(2, message.leaderId).uint(3, message.lastIncludedIndex);
      writer.uint(4, message.lastIncludedTerm).bytes(5, encodeSnapshotMeta(message.meta));
      break;
    case 'readIndex':
      writer.uint(2, message.context);
      break;
    case 'readIndexResponse':
      writer.uint(2, message.context).uint(3, message.readIndex);
      break;
  }
  return writer.finish();
}

/** Exactly one field of the one-of may stand in a frame; others are no frame of this version. */
function decode(bytes: Uint8Array, records: RecordCodec): RaftMessage | null {
  const reader = new ProtoReader(bytes);
  if (!reader.next()) return null;
  const { field } = reader;
  const body = reader.message();
  if (reader.next()) return null;
  if (field === FIELD.appendEntries) return decodeAppendEntries(body, records);
  if (field === FIELD.installSnapshot) return decodeInstallSnapshot(body);
  const fields = readFields(body);
  switch (field) {
    case FIELD.requestVote:
      return requestVote(fields);
    case FIELD.requestVoteResponse:
      return requestVoteResponse(fields);
    case FIELD.appendEntriesResponse:
      return appendEntriesResponse(fields);
    case FIELD.heartbeat:
      return heartbeat(fields);
    case FIELD.heartbeatResponse:
      return heartbeatResponse(fields);
    case FIELD.readIndex:
      return readIndex(fields);
    case FIELD.readIndexResponse:
      return readIndexResponse(fields);
    default:
      return null;
  }
}

const FIELDS_MAX = 6;

/** The numeric fields 1 to 6 of a message that has no others; absent ones are 0. */
function readFields(reader: ProtoReader): readonly number[] {
  const values = [0, 0, 0, 0, 0, 0, 0];
  while (reader.next()) {
    if (reader.field <= FIELDS_MAX) values[reader.field] = reader.uint();
    else reader.skip();
  }
  return values;
}

const term = (fields: readonly number[], field: number): Term => fields[field] as Term;
const index = (fields: readonly number[], field: number): LogIndex => fields[field] as LogIndex;
const node = (fields: readonly number[], field: number): NodeId => fields[field] as NodeId;
const count = (fields: readonly number[], field: number): number => fields[field] as number;
const flag = (fields: readonly number[], field: number): boolean => fields[field] !== 0;

const requestVote = (f: readonly number[]): RequestVote => ({
  kind: 'requestVote',
  term: term(f, 1),
  candidateId: node(f, 2),
  lastLogIndex: index(f, 3),
  lastLogTerm: term(f, 4),
  preVote: flag(f, 5),
});

const requestVoteResponse = (f: readonly number[]): RequestVoteResponse => ({
  kind: 'requestVoteResponse',
  term: term(f, 1),
  requestTerm: term(f, 2),
  voteGranted: flag(f, 3),
  preVote: flag(f, 4),
});

const appendEntriesResponse = (f: readonly number[]): AppendEntriesResponse => ({
  kind: 'appendEntriesResponse',
  term: term(f, 1),
  success: flag(f, 2),
  matchIndex: index(f, 3),
  rejectedIndex: index(f, 4),
  conflictIndex: index(f, 5),
  conflictTerm: term(f, 6),
});

const heartbeat = (f: readonly number[]): Heartbeat => ({
  kind: 'heartbeat',
  term: term(f, 1),
  leaderId: node(f, 2),
  leaderCommit: index(f, 3),
  confirmation: count(f, 4),
});

const heartbeatResponse = (f: readonly number[]): HeartbeatResponse => ({
  kind: 'heartbeatResponse',
  term: term(f, 1),
  confirmation: count(f, 2),
});

const readIndex = (f: readonly number[]): ReadIndexRequest => ({
  kind: 'readIndex',
  term: term(f, 1),
  context: count(f, 2),
});

const readIndexResponse = (f: readonly number[]): ReadIndexResponse => ({
  kind: 'readIndexResponse',
  term: term(f, 1),
  context: count(f, 2),
  readIndex: index(f, 3),
});

function decodeAppendEntries(reader: ProtoReader, records: RecordCodec): AppendEntries | null {
  const fields = [0, 0, 0, 0, 0, 0, 0];
  const entries: WalRecord[] = [];
  while (reader.next()) {
    if (reader.field === 5) {
      const bytes = reader.bytes();
      const entry = records.decode(bytes, 0, bytes.length);
      if (entry === null || entry.encoded?.length !== bytes.length) return null;
      entries.push(entry);
    } else if (reader.field <= FIELDS_MAX) fields[reader.field] = reader.uint();
    else reader.skip();
  }
  return {
    kind: 'appendEntries',
    term: term(fields, 1),
    leaderId: node(fields, 2),
    prevLogIndex: index(fields, 3),
    prevLogTerm: term(fields, 4),
    leaderCommit: index(fields, 6),
    entries,
  };
}

function decodeInstallSnapshot(reader: ProtoReader): InstallSnapshot | null {
  const fields = [0, 0, 0, 0, 0, 0, 0];
  let meta: SnapshotMeta | null = null;
  while (reader.next()) {
    if (reader.field === 5) meta = decodeSnapshotMeta(reader.bytes());
    else if (reader.field <= FIELDS_MAX) fields[reader.field] = reader.uint();
    else reader.skip();
  }
  if (meta === null) return null;
  return {
    kind: 'installSnapshot',
    term: term(fields, 1),
    leaderId: node(fields, 2),
    lastIncludedIndex: index(fields, 3),
    lastIncludedTerm: term(fields, 4),
    meta,
  };
}
