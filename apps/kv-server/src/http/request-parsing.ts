import type { KvCondition, KvRequestId } from '@quorate/kv';
import { ApiError } from '../service.ts';

/** The longest deadline that a request may ask for. */
const TIMEOUT_MS_MAX = 60_000;
/** Keys that begin with a zero byte are kept for the service's own records. */
const RESERVED_FIRST_BYTE = 0;

/** The key of a raw request path below `/api/kv/`, percent-decoded exactly once, as bytes. */
export function parseKey(rawUrl: string, prefix: string): Uint8Array {
  const query = rawUrl.indexOf('?');
  const encoded = rawUrl.slice(prefix.length, query < 0 ? rawUrl.length : query);
  const bytes: number[] = [];
  for (let i = 0; i < encoded.length; i++) {
    if (encoded[i] !== '%') {
      bytes.push(encoded.charCodeAt(i) & 0xff);
      continue;
    }
    const hex = encoded.slice(i + 1, i + 3);
    if (!/^[0-9a-fA-F]{2}$/.test(hex)) {
      throw new ApiError('bad_key_encoding', `"%${hex}" in the key is no percent-encoded byte`);
    }
    bytes.push(Number.parseInt(hex, 16));
    i += 2;
  }
  if (bytes.length === 0) throw new ApiError('unprocessable', 'a key has at least one byte');
  if (bytes[0] === RESERVED_FIRST_BYTE) {
    throw new ApiError('unprocessable', 'keys that begin with a zero byte are reserved');
  }
  return Uint8Array.from(bytes);
}

/** The deadline in milliseconds: `2s`, `500ms`. */
export function parseTimeout(text: string | undefined, fallbackMs: number): number {
  if (text === undefined) return fallbackMs;
  const match = /^(\d{1,9})(ms|s)$/.exec(text);
  const millis = Number(match?.[1]) * (match?.[2] === 's' ? 1000 : 1);
  if (match === null || millis < 1 || millis > TIMEOUT_MS_MAX) {
    throw new ApiError('bad_request', 'timeout is written 500ms or 2s, at most 60s');
  }
  return millis;
}

/** The consistency asked for. */
export function parseConsistency(text: string | undefined): 'linearizable' | 'stale' {
  if (text === undefined || text === 'linearizable') return 'linearizable';
  if (text === 'stale') return 'stale';
  throw new ApiError('bad_request', 'consistency is linearizable or stale');
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

function single(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  if (Array.isArray(value)) throw new ApiError('bad_request', `${name} stands more than once`);
  return value;
}

/** The condition of a compare-and-set from `If-Match` and `If-None-Match`. */
export function parseCondition(headers: Headers): KvCondition {
  const match = single(headers, 'if-match');
  const noneMatch = single(headers, 'if-none-match');
  if (match !== undefined && noneMatch !== undefined) {
    throw new ApiError('bad_request', 'If-Match and If-None-Match exclude each other');
  }
  if (noneMatch !== undefined) {
    if (noneMatch.trim() !== '*') throw new ApiError('bad_request', 'If-None-Match takes only *');
    return { kind: 'absent' };
  }
  if (match === undefined) return { kind: 'none' };
  const revision = /^"(\d{1,15})"$/.exec(match.trim());
  if (revision === null) {
    throw new ApiError('bad_request', 'If-Match takes a revision in quotes: "42"');
  }
  return { kind: 'revision', revision: Number(revision[1]) };
}

/** The name of an idempotent request from `X-Client-Id` and `X-Request-Seq`. */
export function parseRequestId(headers: Headers): KvRequestId | null {
  const client = single(headers, 'x-client-id');
  const sequence = single(headers, 'x-request-seq');
  if (client === undefined && sequence === undefined) return null;
  if (client === undefined || sequence === undefined) {
    throw new ApiError('bad_request', 'X-Client-Id and X-Request-Seq go together');
  }
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(client)) {
    throw new ApiError('bad_request', 'X-Client-Id is a UUID');
  }
  if (!/^[1-9]\d{0,14}$/.test(sequence)) {
    throw new ApiError('bad_request', 'X-Request-Seq is a whole number from 1');
  }
  const clientId = new Uint8Array(Buffer.from(client.replaceAll('-', ''), 'hex'));
  return { clientId, sequence: Number(sequence), answeredThrough: 0 };
}
