import { MalformedBytes, ProtoReader, ProtoWriter } from '@quorate/foundation';

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
const RESULT_BYTES_EXPECTED = 64;

/** Encodes a result as `quorate.kv.v1.Result`. */
export function encodeResult(result: KvResult): Uint8Array {
  return new ProtoWriter(RESULT_BYTES_EXPECTED)
    .uint(1, STATUSES.indexOf(result.status) + 1)
    .uint(2, result.revision)
    .bool(3, result.created)
    .bool(4, result.deleted)
    .uint(5, result.currentRevision)
    .bool(6, result.replayed)
    .whole();
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
