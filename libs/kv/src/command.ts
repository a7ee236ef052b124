import { assert } from '@quorate/foundation';
import { CLIENT_ID_BYTES, CommandScan, OPERATION_DELETE, OPERATION_PUT } from './command-scan.ts';

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
  const { condition, key, value } = command;
  const expectedBytes = condition.kind === 'value' ? condition.value.length : 0;
  return faultOf(key.length, value.length, expectedBytes, limits);
}

/**
 * The same check of an encoded command, without decoding it: the leader's door sees every command.
 * Throws `MalformedBytes` where {@link decodeCommand} does.
 */
export function checkEncodedCommand(bytes: Uint8Array, limits: KvLimits): KvCommandFault | null {
  const scan = new CommandScan();
  scan.read(bytes, 0, bytes.length);
  const expectedBytes = scan.condition === 'value' ? scan.expectedEnd - scan.expectedStart : 0;
  const keyBytes = scan.keyEnd - scan.keyStart;
  return faultOf(keyBytes, scan.valueEnd - scan.valueStart, expectedBytes, limits);
}

function faultOf(
  keyBytes: number,
  valueBytes: number,
  expectedBytes: number,
  limits: KvLimits,
): KvCommandFault | null {
  if (keyBytes === 0) return 'unprocessable';
  if (keyBytes > limits.keyBytesMax) return 'key_too_large';
  if (valueBytes > limits.valueBytesMax) return 'value_too_large';
  return expectedBytes > limits.valueBytesMax ? 'value_too_large' : null;
}

/** Encodes a command as `quorate.kv.v1.Command`. */
export function encodeCommand(command: KvCommand): Uint8Array {
  const bytes = new Uint8Array(commandBytes(command));
  writeCommand(command, bytes, 0);
  return bytes;
}

/** The length of what {@link encodeCommand} makes of a command. */
export function commandBytes(command: KvCommand): number {
  const { condition, request } = command;
  let bytes = 2 + bytesField(command.key.length) + bytesField(command.value.length);
  if (condition.kind === 'revision') bytes += 1 + varintBytes(condition.revision);
  else if (condition.kind === 'absent') bytes += 2;
  else if (condition.kind === 'value') {
    const { length } = condition.value;
    bytes += 1 + varintBytes(length) + length;
  }
  if (request === null) return bytes;
  return (
    bytes +
    bytesField(CLIENT_ID_BYTES) +
    (1 + varintBytes(request.sequence)) +
    (request.answeredThrough === 0 ? 0 : 1 + varintBytes(request.answeredThrough))
  );
}

/**
 * Encodes a command into `target` from `offset` on, where {@link commandBytes} bytes have room: for
 * a client that builds a frame of many commands without an object for each. Returns the offset
 * behind it.
 */
export function writeCommand(command: KvCommand, target: Uint8Array, offset: number): number {
  const { condition, request, key, value } = command;
  target[offset] = 0x08;
  target[offset + 1] = command.operation === 'put' ? OPERATION_PUT : OPERATION_DELETE;
  let at = offset + 2;
  if (key.length > 0) at = putBytes(target, at, 0x12, key);
  if (value.length > 0) at = putBytes(target, at, 0x1a, value);
  if (condition.kind === 'revision') at = putUint(target, at, 0x20, condition.revision);
  else if (condition.kind === 'absent') at = putUint(target, at, 0x28, 1);
  else if (condition.kind === 'value') at = putBytes(target, at, 0x32, condition.value);
  if (request !== null) {
    assert(request.clientId.length === CLIENT_ID_BYTES, 'a client id has 16 bytes');
    assert(request.sequence >= 1, 'sequences start at 1');
    at = putBytes(target, at, 0x3a, request.clientId);
    at = putUint(target, at, 0x40, request.sequence);
    if (request.answeredThrough > 0) at = putUint(target, at, 0x48, request.answeredThrough);
  }
  assert(at - offset === commandBytes(command), 'a command is as long as was counted');
  return at;
}

function bytesField(length: number): number {
  return length === 0 ? 0 : 1 + varintBytes(length) + length;
}

function putBytes(target: Uint8Array, offset: number, tag: number, value: Uint8Array): number {
  const at = putUint(target, offset, tag, value.length);
  target.set(value, at);
  return at + value.length;
}

function putUint(target: Uint8Array, offset: number, tag: number, value: number): number {
  target[offset] = tag;
  let at = offset + 1;
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) target[at++] = (rest % 128) | 0x80;
  target[at++] = rest;
  return at;
}

function varintBytes(value: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, 'a varint holds 0 to 2^53 - 1');
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/**
 * Decodes a command; byte strings are views into `bytes`. Throws `MalformedBytes` on anything that
 * {@link encodeCommand} does not make.
 */
export function decodeCommand(bytes: Uint8Array): KvCommand {
  const scan = new CommandScan();
  scan.read(bytes, 0, bytes.length);
  return {
    operation: scan.isPut ? 'put' : 'delete',
    key: bytes.subarray(scan.keyStart, scan.keyEnd),
    value: bytes.subarray(scan.valueStart, scan.valueEnd),
    condition: conditionOf(scan),
    request: scan.hasRequest ? requestOf(scan) : null,
  };
}

function conditionOf(scan: CommandScan): KvCondition {
  switch (scan.condition) {
    case 'none':
      return NO_CONDITION;
    case 'absent':
      return { kind: 'absent' };
    case 'revision':
      return { kind: 'revision', revision: scan.conditionRevision };
    case 'value':
      return { kind: 'value', value: scan.bytes.subarray(scan.expectedStart, scan.expectedEnd) };
  }
}

function requestOf(scan: CommandScan): KvRequestId {
  return {
    clientId: scan.bytes.subarray(scan.clientStart, scan.clientStart + CLIENT_ID_BYTES),
    sequence: scan.sequence,
    answeredThrough: scan.answeredThrough,
  };
}
