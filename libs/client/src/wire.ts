import type { ReadLevel } from '@quorate/consensus';
import { MalformedBytes, NO_BYTES, ProtoReader } from '@quorate/foundation';
import { commandBytes, type KvCommand, writeCommand } from '@quorate/kv';
import { CLIENT_ERROR_CODES, type ClientErrorCode } from './errors.ts';
import {
  bytesFieldBytes,
  type FrameBuilder,
  lengthFieldBytes,
  uintFieldBytes,
} from './frame-builder.ts';
import type { ReadAnswer, ServiceError } from './service.ts';

/** The method of the gRPC body; see `client.proto`. */
export const CLIENT_SERVICE_PATH = '/quorate.client.v1.KvStream/Exchange';

const ELEMENT = 1;
const LEVELS: readonly ReadLevel[] = ['linearizable', 'lease', 'stale'];
const UTF8 = new TextEncoder();
const UTF8_DECODER = new TextDecoder();

/** Adds a write to a request frame; `command` is an encoded `quorate.kv.v1.Command`. */
export function addWriteRequest(
  frame: FrameBuilder,
  id: number,
  command: Uint8Array,
  timeoutMicros: number,
): void {
  const body = uintFieldBytes(id) + bytesFieldBytes(command) + uintFieldBytes(timeoutMicros);
  frame.message(ELEMENT, body);
  frame.uint(1, id);
  frame.bytes(2, command);
  frame.uint(5, timeoutMicros);
}

/**
 * The same for a command that is not encoded yet: its bytes go into the frame at once, since a copy
 * of each command on the way there would be the largest cost of a client.
 */
export function addCommandRequest(
  frame: FrameBuilder,
  id: number,
  command: KvCommand,
  timeoutMicros: number,
): void {
  const length = commandBytes(command);
  const body = uintFieldBytes(id) + lengthFieldBytes(length) + uintFieldBytes(timeoutMicros);
  frame.message(ELEMENT, body);
  frame.uint(1, id);
  frame.filled(2, length, (target, offset) => writeCommand(command, target, offset));
  frame.uint(5, timeoutMicros);
}

/** Adds a read to a request frame. */
export function addReadRequest(
  frame: FrameBuilder,
  id: number,
  key: Uint8Array,
  level: ReadLevel,
  timeoutMicros: number,
): void {
  const number = LEVELS.indexOf(level);
  const body =
    uintFieldBytes(id) +
    bytesFieldBytes(key) +
    uintFieldBytes(number) +
    uintFieldBytes(timeoutMicros);
  frame.message(ELEMENT, body);
  frame.uint(1, id);
  frame.bytes(3, key);
  frame.uint(4, number);
  frame.uint(5, timeoutMicros);
}

/** Adds a status request to a request frame. */
export function addStatusRequest(frame: FrameBuilder, id: number): void {
  frame.message(ELEMENT, uintFieldBytes(id) + uintFieldBytes(1));
  frame.uint(1, id);
  frame.uint(6, 1);
}

/** Who takes the requests of a frame, in their order. */
export interface RequestSink {
  write(id: number, command: Uint8Array, timeoutMicros: number): void;
  read(id: number, key: Uint8Array, level: ReadLevel, timeoutMicros: number): void;
  status(id: number): void;
}

/** Reads a request frame into `sink`; throws `MalformedBytes` on anything else. */
export function readRequests(frame: Uint8Array, sink: RequestSink): void {
  const reader = new ProtoReader(frame);
  const element = new ProtoReader(frame);
  while (reader.next()) {
    if (reader.field !== ELEMENT) {
      reader.skip();
      continue;
    }
    const length = reader.passBytes();
    element.reset(frame, reader.bytesStart, reader.bytesStart + length);
    readRequest(element, sink);
  }
}

function readRequest(reader: ProtoReader, sink: RequestSink): void {
  let id = 0;
  let command = NO_BYTES;
  let key = NO_BYTES;
  let level = 0;
  let timeoutMicros = 0;
  let status = false;
  while (reader.next()) {
    if (reader.field === 1) id = reader.uint();
    else if (reader.field === 2) command = reader.bytes();
    else if (reader.field === 3) key = reader.bytes();
    else if (reader.field === 4) level = reader.uint();
    else if (reader.field === 5) timeoutMicros = reader.uint();
    else if (reader.field === 6) status = reader.bool();
    else reader.skip();
  }
  if (id === 0) throw new MalformedBytes('a request without an id');
  if (status) {
    sink.status(id);
    return;
  }
  if (command.length > 0) {
    sink.write(id, command, timeoutMicros);
    return;
  }
  const name = LEVELS[level];
  if (name === undefined) throw new MalformedBytes(`read level ${level} is unknown`);
  sink.read(id, key, name, timeoutMicros);
}

/** Adds a write's answer; `result` is an encoded `quorate.kv.v1.Result`, passed on as it is. */
export function addWriteAnswer(frame: FrameBuilder, id: number, result: Uint8Array): void {
  frame.message(ELEMENT, uintFieldBytes(id) + bytesFieldBytes(result));
  frame.uint(1, id);
  frame.bytes(2, result);
}

/** Adds a read's answer. */
export function addReadAnswer(frame: FrameBuilder, id: number, answer: ReadAnswer): void {
  const value = answer.value ?? NO_BYTES;
  const found = answer.value === null ? 0 : 1;
  const body =
    uintFieldBytes(id) +
    uintFieldBytes(found) +
    bytesFieldBytes(value) +
    uintFieldBytes(answer.revision) +
    uintFieldBytes(answer.appliedIndex);
  frame.message(ELEMENT, body);
  frame.uint(1, id);
  frame.uint(3, found);
  frame.bytes(4, value);
  frame.uint(5, answer.revision);
  frame.uint(6, answer.appliedIndex);
}

/** Adds a status' answer. */
export function addStatusAnswer(frame: FrameBuilder, id: number, json: string): void {
  const bytes = UTF8.encode(json);
  frame.message(ELEMENT, uintFieldBytes(id) + bytesFieldBytes(bytes));
  frame.uint(1, id);
  frame.bytes(12, bytes);
}

/** Adds the answer of a failed request. */
export function addErrorAnswer(frame: FrameBuilder, id: number, error: ServiceError): void {
  const code = CLIENT_ERROR_CODES.indexOf(error.code) + 1;
  const unknown = error.outcome === 'unknown' ? 1 : 0;
  const message = UTF8.encode(error.message);
  const leaderId = error.leader?.id ?? 0;
  const address = UTF8.encode(error.leader?.address ?? '');
  const body =
    uintFieldBytes(id) +
    uintFieldBytes(code) +
    uintFieldBytes(unknown) +
    bytesFieldBytes(message) +
    uintFieldBytes(leaderId) +
    bytesFieldBytes(address);
  frame.message(ELEMENT, body);
  frame.uint(1, id);
  frame.uint(7, code);
  frame.uint(8, unknown);
  frame.bytes(9, message);
  frame.uint(10, leaderId);
  frame.bytes(11, address);
}

/** One answer as it stands in a frame; a reader uses one object for all answers of a frame. */
export interface Answer {
  id: number;
  result: Uint8Array;
  found: boolean;
  value: Uint8Array;
  revision: number;
  appliedIndex: number;
  /** Null when the request did not fail. */
  error: ClientErrorCode | null;
  outcomeUnknown: boolean;
  message: string;
  leaderAddress: string;
  statusJson: Uint8Array;
}

/**
 * Reads an answer frame, calling `take` for each answer in turn; the object is reused. Throws
 * `MalformedBytes` on anything else.
 */
export function readAnswers(frame: Uint8Array, take: (answer: Answer) => void): void {
  const reader = new ProtoReader(frame);
  const element = new ProtoReader(frame);
  const answer = emptyAnswer();
  while (reader.next()) {
    if (reader.field !== ELEMENT) {
      reader.skip();
      continue;
    }
    const length = reader.passBytes();
    element.reset(frame, reader.bytesStart, reader.bytesStart + length);
    readAnswer(element, answer);
    take(answer);
  }
}

function emptyAnswer(): Answer {
  return {
    id: 0,
    result: NO_BYTES,
    found: false,
    value: NO_BYTES,
    revision: 0,
    appliedIndex: 0,
    error: null,
    outcomeUnknown: false,
    message: '',
    leaderAddress: '',
    statusJson: NO_BYTES,
  };
}

function clear(answer: Answer): void {
  answer.id = 0;
  answer.result = NO_BYTES;
  answer.found = false;
  answer.value = NO_BYTES;
  answer.revision = 0;
  answer.appliedIndex = 0;
  answer.error = null;
  answer.outcomeUnknown = false;
  answer.message = '';
  answer.leaderAddress = '';
  answer.statusJson = NO_BYTES;
}

function readAnswer(reader: ProtoReader, answer: Answer): void {
  clear(answer);
  while (reader.next()) {
    if (reader.field === 1) answer.id = reader.uint();
    else if (reader.field === 2) answer.result = reader.bytes();
    else if (reader.field === 3) answer.found = reader.bool();
    else if (reader.field === 4) answer.value = reader.bytes();
    else if (reader.field === 5) answer.revision = reader.uint();
    else if (reader.field === 6) answer.appliedIndex = reader.uint();
    else if (reader.field === 7) answer.error = codeOf(reader.uint());
    else if (reader.field === 8) answer.outcomeUnknown = reader.bool();
    else if (reader.field === 9) answer.message = UTF8_DECODER.decode(reader.bytes());
    else if (reader.field === 11) answer.leaderAddress = UTF8_DECODER.decode(reader.bytes());
    else if (reader.field === 12) answer.statusJson = reader.bytes();
    else reader.skip();
  }
  if (answer.id === 0) throw new MalformedBytes('an answer without an id');
  // A newer server may know more errors; this client cannot tell what they promise.
  if (answer.error === 'internal') answer.outcomeUnknown = true;
}

function codeOf(number: number): ClientErrorCode | null {
  return number === 0 ? null : (CLIENT_ERROR_CODES[number - 1] ?? 'internal');
}
