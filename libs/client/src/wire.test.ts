import { readFileSync } from 'node:fs';
import { createRandom, MalformedBytes } from '@quorate/foundation';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { CLIENT_ERROR_CODES, CLIENT_ERRORS, TRANSIENT_ERRORS } from './errors.ts';
import { FrameBuilder } from './frame-builder.ts';
import {
  addErrorAnswer,
  addReadAnswer,
  addReadRequest,
  addStatusAnswer,
  addStatusRequest,
  addWriteAnswer,
  addWriteRequest,
  CLIENT_SERVICE_PATH,
  readAnswers,
  readRequests,
} from './wire.ts';

/** The hand-written codec against the published schema, decoded by protobufjs. */

const source = readFileSync(new URL('../client.proto', import.meta.url), 'utf8');
const { root } = protobuf.parse(source);
const RequestFrame = root.lookupType('quorate.client.v1.RequestFrame');
const AnswerFrame = root.lookupType('quorate.client.v1.AnswerFrame');
const options = { longs: Number, enums: String, bytes: Array, defaults: false } as const;

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);
const LARGE = 2 ** 40 + 5;

function requestFrame(): Uint8Array {
  const frame = new FrameBuilder();
  addWriteRequest(frame, 1, bytes(1, 2, 3), 5_000_000);
  addReadRequest(frame, 300, bytes(7), 'stale', LARGE);
  addReadRequest(frame, 301, bytes(7), 'linearizable', 1);
  addStatusRequest(frame, 2 ** 21);
  return frame.take();
}

function answerFrame(): Uint8Array {
  const frame = new FrameBuilder();
  addWriteAnswer(frame, 1, bytes(8, 1));
  addReadAnswer(frame, 2, { value: bytes(1, 2), revision: LARGE, appliedIndex: 9 });
  addReadAnswer(frame, 3, { value: bytes(), revision: 4, appliedIndex: 0 });
  addReadAnswer(frame, 4, { value: null, revision: 0, appliedIndex: 0 });
  const leader = { id: 3, address: '127.0.0.1:7103' };
  addErrorAnswer(frame, 5, { code: 'not_leader', outcome: 'none', message: 'élu', leader });
  addErrorAnswer(frame, 6, { code: 'internal', outcome: 'unknown', message: '', leader: null });
  addStatusAnswer(frame, 7, '{}');
  return frame.take();
}

describe('the published schema', () => {
  test('reads the requests that the client writes', () => {
    expect(RequestFrame.toObject(RequestFrame.decode(requestFrame()), options)).toEqual({
      requests: [
        { id: 1, command: [1, 2, 3], timeoutMicros: 5_000_000 },
        { id: 300, key: [7], level: 'STALE', timeoutMicros: LARGE },
        { id: 301, key: [7], timeoutMicros: 1 },
        { id: 2 ** 21, status: true },
      ],
    });
  });

  test('reads the answers that the server writes', () => {
    expect(AnswerFrame.toObject(AnswerFrame.decode(answerFrame()), options)).toEqual({
      answers: [
        { id: 1, result: [8, 1] },
        { id: 2, found: true, value: [1, 2], revision: LARGE, appliedIndex: 9 },
        { id: 3, found: true, revision: 4 },
        { id: 4 },
        {
          id: 5,
          error: 'NOT_LEADER',
          message: 'élu',
          leaderId: 3,
          leaderAddress: '127.0.0.1:7103',
        },
        { id: 6, error: 'INTERNAL', outcomeUnknown: true },
        { id: 7, statusJson: [123, 125] },
      ],
    });
  });

  test('names the service path and every error code', () => {
    const service = root.lookupService('quorate.client.v1.KvStream');
    expect(CLIENT_SERVICE_PATH).toBe(`/quorate.client.v1.${service.name}/Exchange`);
    const numbers = root.lookupEnum('quorate.client.v1.ErrorCode').values;
    const expected = Object.fromEntries(
      CLIENT_ERROR_CODES.map((code, i) => [code.toUpperCase(), i + 1]),
    );
    expect(numbers).toEqual({ OK: 0, ...expected });
    expect([...CLIENT_ERROR_CODES].sort()).toEqual(Object.keys(CLIENT_ERRORS).sort());
    for (const code of TRANSIENT_ERRORS) expect(CLIENT_ERRORS[code]).toBe('none');
  });
});

describe('the codec', () => {
  test('gives the requests to the sink in order', () => {
    const seen: unknown[] = [];
    readRequests(requestFrame(), {
      write: (...request) => seen.push(request),
      read: (...request) => seen.push(request),
      status: (...request) => seen.push(request),
    });
    expect(seen).toEqual([
      [1, bytes(1, 2, 3), 5_000_000],
      [300, bytes(7), 'stale', LARGE],
      [301, bytes(7), 'linearizable', 1],
      [2 ** 21],
    ]);
  });

  test('gives the answers in order and carries nothing over from one to the next', () => {
    const seen: unknown[] = [];
    readAnswers(answerFrame(), (answer) => seen.push({ ...answer }));
    expect(seen.length).toBe(7);
    expect(seen[1]).toMatchObject({ id: 2, found: true, value: bytes(1, 2), revision: LARGE });
    expect(seen[3]).toMatchObject({ id: 4, found: false, value: bytes(), revision: 0 });
    expect(seen[4]).toMatchObject({ error: 'not_leader', leaderAddress: '127.0.0.1:7103' });
    expect(seen[5]).toMatchObject({ error: 'internal', outcomeUnknown: true, leaderAddress: '' });
  });

  test('takes an error that it does not know for an indefinite one', () => {
    const frame = AnswerFrame.encode({ answers: [{ id: 1, error: 99 }] }).finish();
    readAnswers(frame, (answer) => {
      expect(answer).toMatchObject({ error: 'internal', outcomeUnknown: true });
    });
  });

  test('malformed bytes raise MalformedBytes and nothing else', () => {
    const random = createRandom('malformed');
    const sink = { write() {}, read() {}, status() {} };
    for (const good of [requestFrame(), answerFrame()]) {
      for (let i = 0; i < 3000; i++) {
        const bad = good.slice(0, random.between(0, good.length));
        for (let flips = random.below(4); flips > 0 && bad.length > 0; flips--) {
          bad[random.below(bad.length)] = random.below(256);
        }
        for (const read of [() => readRequests(bad, sink), () => readAnswers(bad, () => {})]) {
          try {
            read();
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedBytes);
          }
        }
      }
    }
  });
});
