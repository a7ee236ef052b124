import type { Client, OperationResult } from '@quorate/client';
import type { KvCondition } from '@quorate/kv';
import {
  CAS,
  DELETE,
  encodeValue,
  GET,
  KnownValues,
  keyName,
  NO_WRITE,
  PUT,
  rewriteValue,
  writeNumberOf,
  writesValue,
} from '@quorate/workload';
import type { LoaderSettings } from './messages.ts';
import { FAIL, INFO, OK, type OperationLog, SEEN_ABSENT, SEEN_NOTHING } from './operation-log.ts';

const ABSENT: KvCondition = { kind: 'absent' };

/** Sends operations through clients and records how they went. */
export class OperationRunner {
  /** Operations begun and not ended. */
  inFlight = 0;
  /** Ends by error code, of the current phase. */
  readonly errors = new Map<string, number>();
  /** False while reads shall go where writes go although they have connections of their own. */
  readsPinned = true;
  private readonly now: () => number;
  private readonly clients: readonly Client[];
  /** Connections for reads alone; empty when reads go where writes go. */
  private readonly readers: readonly Client[];
  private readonly log: OperationLog;
  private readonly keys: readonly Uint8Array[];
  private readonly known: KnownValues;
  private readonly settings: LoaderSettings;
  /** Revision of the last acknowledged change of each key; what a read-back must reach. */
  private readonly acknowledged: Float64Array;
  /** Values of ended writes, for the next ones: at most as many as operations were in flight. */
  private readonly freeValues: Uint8Array[] = [];

  constructor(
    settings: LoaderSettings,
    clients: readonly Client[],
    log: OperationLog,
    now: () => number,
    readers: readonly Client[] = [],
  ) {
    this.now = now;
    this.settings = settings;
    this.clients = clients;
    this.readers = readers;
    this.log = log;
    const encoder = new TextEncoder();
    this.keys = Array.from({ length: settings.keys }, (_, key) => encoder.encode(keyName(key)));
    this.known = new KnownValues(settings.keys);
    this.acknowledged = new Float64Array(settings.keys);
  }

  /** Revision of the last acknowledged change of a key; 0 when there was none. */
  acknowledgedRevision(key: number): number {
    return this.acknowledged[key] ?? 0;
  }

  /**
   * Begins one operation. `intendedMicros` is when it should have begun (0: now). `ended` is called
   * once it has ended, after it was recorded.
   */
  start(
    phase: number,
    kind: number,
    key: number,
    write: number,
    clientNumber: number,
    intendedMicros: number,
    ended: ((result: OperationResult) => void) | null,
  ): void {
    const pinned = kind === GET && this.readsPinned && this.readers.length > 0;
    const connections = pinned ? this.readers : this.clients;
    const client = connections[clientNumber % connections.length] as Client;
    const expected = kind === CAS ? (this.known.expected(key) ?? SEEN_ABSENT) : NO_WRITE;
    const started = this.now();
    const intended = intendedMicros === 0 ? started : intendedMicros;
    const number = this.log.begin(phase, kind, key, write, expected, intended, started);
    this.inFlight++;
    const value = writesValue(kind) ? this.valueOf(write) : null;
    const done = (result: OperationResult): void => {
      if (value !== null) this.freeValues.push(value);
      this.finish(number, kind, key, write, result);
      ended?.(result);
    };
    this.send(client, kind, key, value, expected, done);
  }

  /** An allocation for each value took more of the loader's time than all the rest of a write. */
  private valueOf(write: number): Uint8Array {
    const value = this.freeValues.pop();
    if (value === undefined) return encodeValue(write, this.settings.valueBytes);
    rewriteValue(value, write);
    return value;
  }

  private send(
    client: Client,
    kind: number,
    keyNumber: number,
    value: Uint8Array | null,
    expected: number,
    done: (result: OperationResult) => void,
  ): void {
    const key = this.keys[keyNumber] as Uint8Array;
    if (kind === GET) {
      client.get(key, { level: this.settings.readLevel }, done);
    } else if (value === null) {
      client.delete(key, {}, done);
    } else if (kind === PUT) {
      client.put(key, value, {}, done);
    } else {
      client.put(key, value, { condition: this.conditionOf(expected) }, done);
    }
  }

  private conditionOf(expected: number): KvCondition {
    if (expected === SEEN_ABSENT) return ABSENT;
    return { kind: 'value', value: encodeValue(expected, this.settings.valueBytes) };
  }

  private finish(
    number: number,
    kind: number,
    key: number,
    write: number,
    result: OperationResult,
  ): void {
    this.inFlight--;
    let seen = SEEN_NOTHING;
    if (result.outcome === 'ok') {
      if (kind === GET) {
        seen = result.value === null ? SEEN_ABSENT : (writeNumberOf(result.value) ?? SEEN_NOTHING);
        if (seen !== SEEN_NOTHING) this.known.note(key, seen === SEEN_ABSENT ? null : seen);
      } else {
        this.known.note(key, kind === DELETE ? null : write);
        const before = this.acknowledged[key] as number;
        // A delete of a missing key changes nothing; its revision is another key's.
        if ((kind !== DELETE || result.deleted) && result.revision > before) {
          this.acknowledged[key] = result.revision;
        }
      }
    } else {
      const code = result.code ?? 'unknown';
      this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
    }
    const outcome = result.outcome === 'ok' ? OK : result.outcome === 'fail' ? FAIL : INFO;
    this.log.end(number, outcome, seen, this.now());
  }
}
