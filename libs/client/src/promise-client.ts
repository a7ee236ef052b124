import { ClientError } from './errors.ts';
import type { Client, OperationResult, ReadSettings, WriteSettings } from './types.ts';

/** A key or a value: bytes, or text taken as UTF-8. */
export type BytesOrText = Uint8Array | string;

/**
 * A client for people and scripts: one promise an operation. An operation that did not end `ok`
 * rejects with a {@link ClientError}, whose `outcome` says whether it may still take effect.
 */
export interface PromiseClient {
  put(key: BytesOrText, value: BytesOrText, settings?: WriteSettings): Promise<OperationResult>;
  delete(key: BytesOrText, settings?: WriteSettings): Promise<OperationResult>;
  get(key: BytesOrText, settings?: ReadSettings): Promise<OperationResult>;
  /** The parsed status of the replica that the client talks to. */
  status(): Promise<unknown>;
}

const UTF8 = new TextEncoder();

/** Wraps a client; both may be used side by side. */
export function promiseClient(client: Client): PromiseClient {
  return {
    put: (key, value, settings = {}) =>
      promise((done) => client.put(bytesOf(key), bytesOf(value), settings, done)),
    delete: (key, settings = {}) => promise((done) => client.delete(bytesOf(key), settings, done)),
    get: (key, settings = {}) => promise((done) => client.get(bytesOf(key), settings, done)),
    status: async () => {
      const result = await promise((done) => client.status(done));
      return JSON.parse(new TextDecoder().decode(result.value ?? new Uint8Array(0)));
    },
  };
}

function bytesOf(value: BytesOrText): Uint8Array {
  return typeof value === 'string' ? UTF8.encode(value) : value;
}

function promise(ask: (done: (result: OperationResult) => void) => void): Promise<OperationResult> {
  return new Promise((resolve, reject) => {
    ask((result) => {
      if (result.code === null) resolve(result);
      else {
        const outcome = result.outcome === 'unknown' ? 'unknown' : 'none';
        reject(new ClientError(result.code, outcome, result.message));
      }
    });
  });
}
