import { MalformedBytes } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import {
  checkCommand,
  checkEncodedCommand,
  decodeCommand,
  encodeCommand,
  type KvCommand,
  NO_CONDITION,
  writeCommand,
} from './command.ts';
import { CommandScan } from './command-scan.ts';
import { latin1FromBytes, latin1FromRange } from './latin1.ts';
import { fingerprintOf } from './sessions.ts';

const limits = { keyBytesMax: 8, valueBytesMax: 16 };
const put = (key: string, value: string, more: Partial<KvCommand> = {}): KvCommand => ({
  operation: 'put',
  key: new TextEncoder().encode(key),
  value: new TextEncoder().encode(value),
  condition: NO_CONDITION,
  request: null,
  ...more,
});
const fingerprint = (command: KvCommand): number => {
  const bytes = encodeCommand(command);
  const scan = new CommandScan();
  scan.read(bytes, 0, bytes.length);
  return fingerprintOf(scan);
};

describe('commands read in place', () => {
  it('are judged at the door as decoded ones are', () => {
    const long = new Uint8Array(17);
    const commands = [
      put('k', 'v'),
      put('a key too long', 'v'),
      put('k', 'a value that is too long'),
      put('k', 'v', { condition: { kind: 'value', value: long } }),
      put('k', '', { operation: 'delete', condition: { kind: 'revision', revision: 300 } }),
    ];
    for (const command of commands) {
      const bytes = encodeCommand(command);
      expect(checkEncodedCommand(bytes, limits)).toBe(checkCommand(decodeCommand(bytes), limits));
    }
    expect(() => checkEncodedCommand(Uint8Array.of(0x08, 0x03), limits)).toThrow(MalformedBytes);
  });

  it('stand anywhere in a larger buffer, one object after the other', () => {
    const request = { clientId: new Uint8Array(16).fill(9), sequence: 5, answeredThrough: 4 };
    const first = put('k1', 'one', { condition: { kind: 'absent' }, request });
    const second = put('k2', 'two');
    const buffer = new Uint8Array(200);
    const middle = writeCommand(first, buffer, 7);
    const end = writeCommand(second, buffer, middle);
    const scan = new CommandScan();
    scan.read(buffer, 7, middle);
    expect([scan.condition, scan.hasRequest, scan.sequence]).toEqual(['absent', true, 5]);
    scan.read(buffer, middle, end);
    expect([scan.condition, scan.hasRequest, scan.sequence]).toEqual(['none', false, 0]);
    expect(latin1FromRange(buffer, scan.keyStart, scan.keyEnd)).toBe('k2');
    expect(latin1FromRange(buffer, scan.valueStart, scan.valueEnd)).toBe('two');
  });

  it('have a fingerprint of all that they ask for and of nothing else', () => {
    const base = put('key', 'value');
    const request = { clientId: new Uint8Array(16).fill(1), sequence: 1, answeredThrough: 0 };
    expect(fingerprint({ ...base, request })).toBe(fingerprint(base));
    const others = [
      put('keyv', 'alue'),
      put('key', 'valuf'),
      put('key', 'value', { operation: 'delete' }),
      put('key', 'value', { condition: { kind: 'absent' } }),
      put('key', 'value', { condition: { kind: 'revision', revision: 2 } }),
      put('key', 'value', { condition: { kind: 'value', value: new Uint8Array(0) } }),
    ];
    expect(new Set([base, ...others].map(fingerprint)).size).toBe(others.length + 1);
  });
});

describe('latin1FromRange', () => {
  it('names bytes as latin1FromBytes does, at every length', () => {
    const bytes = Uint8Array.from({ length: 80 }, (_, i) => (i * 37 + 200) & 0xff);
    for (let length = 0; length <= 70; length++) {
      const view = bytes.subarray(5, 5 + length);
      expect(latin1FromRange(bytes, 5, 5 + length)).toBe(latin1FromBytes(view));
    }
  });
});
