import { readFileSync } from 'node:fs';
import { MalformedBytes } from '@quorate/foundation';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import {
  checkCommand,
  decodeCommand,
  decodeResult,
  encodeCommand,
  encodeResult,
  KV_LIMITS_DEFAULT,
  type KvCommand,
  type KvCondition,
  type KvResult,
  NO_CONDITION,
} from './index.ts';

const root = protobuf.parse(
  readFileSync(new URL('../kv.proto', import.meta.url), 'utf8'),
  new protobuf.Root(),
).root;
const CommandType = root.lookupType('quorate.kv.v1.Command');
const ResultType = root.lookupType('quorate.kv.v1.Result');

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const plain = (bytes: Uint8Array): number[] => [...bytes];

const bytesOf = (maxLength: number, minLength = 0) => fc.uint8Array({ minLength, maxLength });
const number = fc.maxSafeNat();
const conditions: fc.Arbitrary<KvCondition> = fc.oneof(
  fc.constant(NO_CONDITION),
  fc.constant<KvCondition>({ kind: 'absent' }),
  number.map((revision): KvCondition => ({ kind: 'revision', revision })),
  bytesOf(40).map((value): KvCondition => ({ kind: 'value', value })),
);
const requests = fc.option(
  fc.record({
    clientId: bytesOf(16, 16),
    sequence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    answeredThrough: number,
  }),
);
const commands: fc.Arbitrary<KvCommand> = fc
  .record({
    operation: fc.constantFrom('put' as const, 'delete' as const),
    key: bytesOf(60, 1),
    value: bytesOf(2000),
    condition: conditions,
    request: requests,
  })
  .map((c) => ({ ...c, value: c.operation === 'put' ? c.value : new Uint8Array(0) }));

describe('the command codec', () => {
  it('gives back what it was given', () => {
    fc.assert(
      fc.property(commands, (command) => {
        expect(decodeCommand(encodeCommand(command))).toEqual(command);
      }),
      { numRuns: 300 },
    );
  });

  it('writes what kv.proto says, byte for byte', () => {
    fc.assert(
      fc.property(commands, (command) => {
        const bytes = encodeCommand(command);
        const decoded = CommandType.decode(bytes);
        expect(CommandType.verify(decoded)).toBeNull();
        const fields = CommandType.toObject(decoded, { longs: String, defaults: true });
        expect(fields.operation).toBe(command.operation === 'put' ? 1 : 2);
        expect(plain(fields.key)).toEqual(plain(command.key));
        expect(plain(fields.value)).toEqual(plain(command.value));
        const { condition, request } = command;
        const chosen = (decoded as unknown as { condition?: string }).condition;
        const names = { none: undefined, absent: 'if_absent', revision: 'if_revision' };
        const expected = condition.kind === 'value' ? 'if_value' : names[condition.kind];
        expect(chosen?.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)).toBe(expected);
        expect(String(fields.sequence)).toBe(String(request?.sequence ?? 0));
        expect([...CommandType.encode(decoded).finish()]).toEqual(plain(bytes));
      }),
      { numRuns: 200 },
    );
  });

  it('keeps a condition on revision 0 and on the empty value', () => {
    for (const condition of [
      { kind: 'revision', revision: 0 },
      { kind: 'value', value: new Uint8Array(0) },
    ] satisfies KvCondition[]) {
      const command: KvCommand = {
        operation: 'delete',
        key: text('k'),
        value: new Uint8Array(0),
        condition,
        request: null,
      };
      expect(decodeCommand(encodeCommand(command)).condition).toEqual(condition);
    }
  });

  it.each([
    ['nothing', []],
    ['no operation', [0x12, 1, 65]],
    ['an unknown operation', [0x08, 9, 0x12, 1, 65]],
    ['no key', [0x08, 1]],
    ['a key beyond the end', [0x08, 1, 0x12, 9, 65]],
    ['a sequence of no client', [0x08, 1, 0x12, 1, 65, 0x40, 1]],
    ['a short client id', [0x08, 1, 0x12, 1, 65, 0x3a, 1, 7, 0x40, 1]],
    ['an unknown field', [0x08, 1, 0x12, 1, 65, 0x52, 0]],
  ])('refuses %s', (_name, bytes) => {
    expect(() => decodeCommand(Uint8Array.from(bytes))).toThrow(MalformedBytes);
  });

  it('never throws anything but MalformedBytes', () => {
    fc.assert(
      fc.property(bytesOf(60), (bytes) => {
        try {
          decodeCommand(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedBytes);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('checkCommand', () => {
  const put = (key: number, value: number, condition: KvCondition = NO_CONDITION): KvCommand => ({
    operation: 'put',
    key: new Uint8Array(key),
    value: new Uint8Array(value),
    condition,
    request: null,
  });
  const { keyBytesMax, valueBytesMax } = KV_LIMITS_DEFAULT;

  it.each([
    ['the largest', put(keyBytesMax, valueBytesMax), null],
    ['an empty key', put(0, 1), 'unprocessable'],
    ['a long key', put(keyBytesMax + 1, 1), 'key_too_large'],
    ['a long value', put(1, valueBytesMax + 1), 'value_too_large'],
    [
      'a long value to compare with',
      put(1, 1, { kind: 'value', value: new Uint8Array(valueBytesMax + 1) }),
      'value_too_large',
    ],
  ])('judges %s', (_name, command, fault) => {
    expect(checkCommand(command, KV_LIMITS_DEFAULT)).toBe(fault);
  });
});

describe('the result codec', () => {
  const results: fc.Arbitrary<KvResult> = fc.record({
    status: fc.constantFrom(
      'ok',
      'cas_mismatch',
      'duplicate_request',
      'sequence_forgotten',
      'invalid_command',
    ),
    revision: number,
    created: fc.boolean(),
    deleted: fc.boolean(),
    currentRevision: number,
    replayed: fc.boolean(),
  });

  it('gives back what it was given, and writes what kv.proto says', () => {
    fc.assert(
      fc.property(results, (result) => {
        const bytes = encodeResult(result);
        expect(decodeResult(bytes)).toEqual(result);
        const decoded = ResultType.decode(bytes);
        const fields = ResultType.toObject(decoded, {
          longs: String,
          enums: String,
          defaults: true,
        });
        expect(fields.status).toBe(result.status.toUpperCase());
        expect(String(fields.revision)).toBe(String(result.revision));
        expect([...ResultType.encode(decoded).finish()]).toEqual(plain(bytes));
      }),
    );
  });

  it('refuses an unknown status', () => {
    expect(() => decodeResult(Uint8Array.from([8, 9]))).toThrow(MalformedBytes);
    expect(() => decodeResult(new Uint8Array(0))).toThrow(MalformedBytes);
  });
});
