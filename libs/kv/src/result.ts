import { assert, MalformedBytes, ProtoReader } from '@quorate/foundation';

/**
 * How a command ended; the names are the error codes of the API. All but `ok` changed nothing.
 * After `sequence_forgotten` nobody can tell whether the request took effect the first time.
 */
export type KvStatus =
  | 'ok'
  | 'cas_mismatch'
  | 'duplicate_request'
  | 'sequence_forgotten'
  | 'invalid_command';

/** What a command did, the protobuf message `quorate.kv.v1.Result`. */
export interface KvResult {
  readonly status: KvStatus;
  /** The store's revision after the command; for a put that took effect also the key's. */
  readonly revision: number;
  /** A put made a key that did not exist. */
  readonly created: boolean;
  /** A delete removed a key that existed. */
  readonly deleted: boolean;
  /** With `cas_mismatch`: the key's revision, 0 when it does not exist. */
  readonly currentRevision: number;
  /** The command was a repetition; this is the result of the first time. */
  readonly replayed: boolean;
}

const STATUSES: readonly KvStatus[] = [
  'ok',
  'cas_mismatch',
  'duplicate_request',
  'sequence_forgotten',
  'invalid_command',
];
/**
 * Encodes a result as `quorate.kv.v1.Result`. By hand and of the exact size: a result of every
 * command passes here, and an array of at most 64 bytes that nobody slices stays inside the heap.
 */
export function encodeResult(result: KvResult): Uint8Array {
  const { revision, currentRevision } = result;
  const flags = (result.created ? 2 : 0) + (result.deleted ? 2 : 0) + (result.replayed ? 2 : 0);
  const bytes = new Uint8Array(2 + flags + fieldBytes(revision) + fieldBytes(currentRevision));
  bytes[0] = 0x08;
  bytes[1] = STATUSES.indexOf(result.status) + 1;
  let at = putField(bytes, 2, 0x10, revision);
  if (result.created) at = putField(bytes, at, 0x18, 1);
  if (result.deleted) at = putField(bytes, at, 0x20, 1);
  at = putField(bytes, at, 0x28, currentRevision);
  if (result.replayed) at = putField(bytes, at, 0x30, 1);
  assert(at === bytes.length, 'a result is as long as was counted');
  return bytes;
}

function fieldBytes(value: number): number {
  if (value === 0) return 0;
  let bytes = 2;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

function putField(bytes: Uint8Array, offset: number, tag: number, value: number): number {
  if (value === 0) return offset;
  bytes[offset] = tag;
  let at = offset + 1;
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 0x80;
  bytes[at++] = rest;
  return at;
}

/** Decodes a result; throws `MalformedBytes` on bytes that hold no known status. */
export function decodeResult(bytes: Uint8Array): KvResult {
  const reader = new ProtoReader(bytes);
  let status = 0;
  let revision = 0;
  let created = false;
  let deleted = false;
  let currentRevision = 0;
  let replayed = false;
  while (reader.next()) {
    if (reader.field === 1) status = reader.uint();
    else if (reader.field === 2) revision = reader.uint();
    else if (reader.field === 3) created = reader.bool();
    else if (reader.field === 4) deleted = reader.bool();
    else if (reader.field === 5) currentRevision = reader.uint();
    else if (reader.field === 6) replayed = reader.bool();
    else reader.skip();
  }
  const name = STATUSES[status - 1];
  if (name === undefined) throw new MalformedBytes(`status ${status} is unknown`);
  return { status: name, revision, created, deleted, currentRevision, replayed };
}
