import { assert, MalformedBytes, NO_BYTES, ProtoReader, ProtoWriter } from '@quorate/foundation';

/**
 * What must hold for a command to take effect. `revision`: the key exists with exactly this
 * revision. `absent`: the key does not exist. `value`: the key exists with exactly this value.
 */
export type KvCondition =
  | { readonly kind: 'none' }
  | { readonly kind: 'revision'; readonly revision: number }
  | { readonly kind: 'absent' }
  | { readonly kind: 'value'; readonly value: Uint8Array };

/** The condition that always holds. */
export const NO_CONDITION: KvCondition = { kind: 'none' };

/** The length of a client id in bytes: a UUID's. */
export const CLIENT_ID_BYTES = 16;

/** Names a request, so that a repetition of it changes nothing and gets the first result. */
export interface KvRequestId {
  /** {@link CLIENT_ID_BYTES} bytes. */
  readonly clientId: Uint8Array;
  /** The position of the request in its session, from 1; a client never uses one twice. */
  readonly sequence: number;
  /**
   * The client has the answers to all its requests up to this sequence and will not repeat them, so
   * the state machine may forget their results (Raft thesis, section 6.3). 0 says nothing.
   */
  readonly answeredThrough: number;
}

/** One command of the key-value state machine, the protobuf message `quorate.kv.v1.Command`. */
export interface KvCommand {
  readonly operation: 'put' | 'delete';
  readonly key: Uint8Array;
  /** The new value; empty for a delete. */
  readonly value: Uint8Array;
  readonly condition: KvCondition;
  /** Null: a repetition of this command is a new one. */
  readonly request: KvRequestId | null;
}

/** The bounds that servers and clients check at their door; they are settings. */
export interface KvLimits {
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
}

/** A key of 4 KiB and a value of 1.5 MiB, etcd's request limit. */
export const KV_LIMITS_DEFAULT: KvLimits = {
  keyBytesMax: 4096,
  valueBytesMax: 1536 * 1024,
};

/** What is wrong with a command before it is proposed; the names are the error codes of the API. */
export type KvCommandFault = 'unprocessable' | 'key_too_large' | 'value_too_large';

/**
 * The door check: null when the command may be proposed. It is made before proposing only; apply
 * does not know the limits, because its outcome must not depend on a replica's settings.
 */
export function checkCommand(command: KvCommand, limits: KvLimits): KvCommandFault | null {
  if (command.key.length === 0) return 'unprocessable';
  if (command.key.length > limits.keyBytesMax) return 'key_too_large';
  if (command.value.length > limits.valueBytesMax) return 'value_too_large';
  const { condition } = command;
  if (condition.kind === 'value' && condition.value.length > limits.valueBytesMax) {
    return 'value_too_large';
  }
  return null;
}

const OPERATION_PUT = 1;
const OPERATION_DELETE = 2;

/** Encodes a command as `quorate.kv.v1.Command`. */
export function encodeCommand(command: KvCommand): Uint8Array {
  const { condition, request } = command;
  const writer = new ProtoWriter(command.key.length + command.value.length + 96);
  writer.uint(1, command.operation === 'put' ? OPERATION_PUT : OPERATION_DELETE);
  writer.bytes(2, command.key);
  writer.bytes(3, command.value);
  if (condition.kind === 'revision') writer.always(4, condition.revision);
  else if (condition.kind === 'absent') writer.bool(5, true);
  else if (condition.kind === 'value') writer.element(6, condition.value);
  if (request !== null) {
    assert(request.clientId.length === CLIENT_ID_BYTES, 'a client id has 16 bytes');
    assert(request.sequence >= 1, 'sequences start at 1');
    writer.bytes(7, request.clientId);
    writer.uint(8, request.sequence);
    writer.uint(9, request.answeredThrough);
  }
  return writer.whole();
}

/**
 * Decodes a command; byte strings are views into `bytes`. Throws `MalformedBytes` on anything that
 * {@link encodeCommand} does not make, an unknown field included: a replica that skipped one would
 * apply a command to half and differ from the others.
 */
export function decodeCommand(bytes: Uint8Array): KvCommand {
  const reader = new ProtoReader(bytes);
  let operation = 0;
  let key = NO_BYTES;
  let value = NO_BYTES;
  let condition = NO_CONDITION;
  let clientId = NO_BYTES;
  let sequence = 0;
  let answeredThrough = 0;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        operation = reader.uint();
        break;
      case 2:
        key = reader.bytes();
        break;
      case 3:
        value = reader.bytes();
        break;
      case 4:
        condition = { kind: 'revision', revision: reader.uint() };
        break;
      case 5:
        condition = reader.bool() ? { kind: 'absent' } : NO_CONDITION;
        break;
      case 6:
        condition = { kind: 'value', value: reader.bytes() };
        break;
      case 7:
        clientId = reader.bytes();
        break;
      case 8:
        sequence = reader.uint();
        break;
      case 9:
        answeredThrough = reader.uint();
        break;
      default:
        throw new MalformedBytes(`field ${reader.field} of a command is unknown`);
    }
  }
  if (operation !== OPERATION_PUT && operation !== OPERATION_DELETE) {
    throw new MalformedBytes('a command without a known operation');
  }
  if (key.length === 0) throw new MalformedBytes('a command without a key');
  const request = decodeRequestId(clientId, sequence, answeredThrough);
  return {
    operation: operation === OPERATION_PUT ? 'put' : 'delete',
    key,
    value,
    condition,
    request,
  };
}

function decodeRequestId(
  clientId: Uint8Array,
  sequence: number,
  answeredThrough: number,
): KvRequestId | null {
  if (clientId.length === 0) {
    if (sequence !== 0 || answeredThrough !== 0)
      throw new MalformedBytes('a sequence of no client');
    return null;
  }
  if (clientId.length !== CLIENT_ID_BYTES) throw new MalformedBytes('a client id has 16 bytes');
  if (sequence === 0) throw new MalformedBytes('sequences start at 1');
  return { clientId, sequence, answeredThrough };
}
