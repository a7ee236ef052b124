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
  writeNumberOf,
} from '@quorate/workload';
import type { LoaderSettings } from './messages.ts';
import { FAIL, INFO, OK, type OperationLog, SEEN_ABSENT, SEEN_NOTHING } from './operation-log.ts';
import { nowMicros } from './time.ts';

const ABSENT: KvCondition = { kind: 'absent' };

/** Sends operations through clients and records how they went. */
export class OperationRunner {
  /** Operations begun and not ended. */
  inFlight = 0;
  /** Ends by error code, of the current phase. */
  readonly errors = new Map<string, number>();
  private readonly clients: readonly Client[];
  private readonly log: OperationLog;
  private readonly keys: readonly Uint8Array[];
  private readonly known: KnownValues;
  private readonly settings: LoaderSettings;
  /** Revision of the last acknowledged change of each key; what a read-back must reach. */
  private readonly acknowledged: Float64Array;

  constructor(settings: LoaderSettings, clients: readonly Client[], log: OperationLog) {
    this.settings = settings;
    this.clients = clients;
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
    const client = this.clients[clientNumber % this.clients.length] as Client;
    const expected = kind === CAS ? (this.known.expected(key) ?? SEEN_ABSENT) : NO_WRITE;
    const started = nowMicros();
    const intended = intendedMicros === 0 ? started : intendedMicros;
    const number = this.log.begin(phase, kind, key, write, expected, intended, started);
    this.inFlight++;
    const done = (result: OperationResult): void => {
      this.finish(number, kind, key, write, result);
      ended?.(result);
    };
    this.send(client, kind, key, write, expected, done);
  }

  private send(
    client: Client,
    kind: number,
    keyNumber: number,
    write: number,
    expected: number,
    done: (result: OperationResult) => void,
  ): void {
    const key = this.keys[keyNumber] as Uint8Array;
    if (kind === GET) {
      client.get(key, { level: this.settings.readLevel }, done);
    } else if (kind === DELETE) {
      client.delete(key, {}, done);
    } else {
      const value = encodeValue(write, this.settings.valueBytes);
      if (kind === PUT) client.put(key, value, {}, done);
      else client.put(key, value, { condition: this.conditionOf(expected) }, done);
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
    this.log.end(number, outcome, seen, nowMicros());
  }
}
