import { type Cancel, instant } from '@quorate/consensus';
import { MalformedBytes, NO_BYTES } from '@quorate/foundation';
import { NO_CONDITION } from '@quorate/kv';
import type { ClientConnection, ConnectionOwner } from './client-connection.ts';
import { ClientSession } from './client-session.ts';
import { ConnectionPool } from './connection-pool.ts';
import { DeadlineWheel } from './deadline-wheel.ts';
import { type ClientErrorCode, TRANSIENT_ERRORS } from './errors.ts';
import { LeaderFinder } from './leader-finder.ts';
import { Operation, type OperationKind } from './operation.ts';
import { OperationQueue } from './operation-queue.ts';
import { answeredResult, failedResult } from './results.ts';
import type {
  Client,
  ClientCounters,
  ClientLimits,
  ClientOptions,
  OperationDone,
  OperationOutcome,
  OperationResult,
  ReadSettings,
  RetryPolicy,
  WriteSettings,
} from './types.ts';
import type { Answer } from './wire.ts';

/** The limits of a client unless stated. */
export const DEFAULT_CLIENT_LIMITS: ClientLimits = {
  operationsPendingMax: 65_536,
  operationBytesMax: 16 * 1024 * 1024,
  requestsInFlightMax: 8192,
  sessionWindowMax: 1024,
  frameBytesMax: 256 * 1024,
  silenceMicros: 500_000,
  dialTimeoutMicros: 1_000_000,
  retryWaitMinMicros: 1000,
  retryWaitMaxMicros: 20_000,
};

const TIMEOUT_MICROS = 5_000_000;
/** Requests sent to a replica that has not served any yet: it may not lead, and refuse them all. */
const PROBES_MAX = 16;

/** Makes a client; it connects when the first operation asks for it. */
export function connectClient(options: ClientOptions): Client {
  return new KvClient(options);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

class KvClient implements Client, ConnectionOwner {
  readonly retryPolicy: RetryPolicy;
  pending = 0;
  private readonly options: ClientOptions;
  private readonly limits: ClientLimits;
  private readonly session: ClientSession | null;
  private readonly finder: LeaderFinder;
  private readonly pool: ConnectionPool;
  private readonly wheel: DeadlineWheel;
  /** Sent once already; they go before the fresh ones. */
  private readonly retries = new OperationQueue();
  private readonly fresh = new OperationQueue();
  private readonly totals: Mutable<ClientCounters>;
  private pumpQueued = false;
  /** Nothing is sent before this wait ends. */
  private cancelHold: Cancel | null = null;
  private isClosed = false;

  constructor(options: ClientOptions) {
    this.options = options;
    this.retryPolicy = options.retryPolicy ?? 'until-deadline';
    this.limits = { ...DEFAULT_CLIENT_LIMITS, ...options.limits };
    const { random, clock, network, addresses } = options;
    const { sessionWindowMax, retryWaitMinMicros, retryWaitMaxMicros } = this.limits;
    const withSession = options.session ?? true;
    this.session = withSession
      ? new ClientSession(random.split('session'), sessionWindowMax)
      : null;
    this.finder = new LeaderFinder(addresses, random.split('finder'), {
      minMicros: retryWaitMinMicros,
      maxMicros: retryWaitMaxMicros,
    });
    this.pool = new ConnectionPool({
      network,
      clock,
      limits: this.limits,
      owner: this,
      opened: () => {
        this.totals.connects++;
        this.pump();
      },
      failed: () => this.tryNext(),
    });
    this.wheel = new DeadlineWheel(clock, (operation) => this.expired(operation));
    this.totals = {
      completed: 0,
      ok: 0,
      failed: 0,
      unknown: 0,
      sent: 0,
      retries: 0,
      framesSent: 0,
      connects: 0,
      redirects: 0,
    };
  }

  get connectedTo(): string | null {
    return this.pool.get(this.finder.target)?.address ?? null;
  }

  put(key: Uint8Array, value: Uint8Array, settings: WriteSettings, done: OperationDone): void {
    this.submit('put', key, value, settings, done);
  }

  delete(key: Uint8Array, settings: WriteSettings, done: OperationDone): void {
    this.submit('delete', key, NO_BYTES, settings, done);
  }

  get(key: Uint8Array, settings: ReadSettings, done: OperationDone): void {
    this.submit('get', key, NO_BYTES, settings, done);
  }

  status(done: OperationDone): void {
    this.submit('status', NO_BYTES, NO_BYTES, {}, done);
  }

  counters(): ClientCounters {
    return { ...this.totals, framesSent: this.pool.framesSent };
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.cancelHold?.();
    this.wheel.stop();
    this.pool.stop();
    const waiting = [...this.retries.drain(), ...this.fresh.drain()];
    this.options.clock.defer(() => {
      for (const operation of waiting) {
        this.endWaiting(operation, { definite: 'client_closed', inDoubt: 'disconnected' }, '');
      }
    });
  }

  /** One answer of a frame. */
  answered(connection: ClientConnection, operation: Operation, answer: Answer): void {
    if (answer.error !== null) {
      this.refused(connection, operation, answer, answer.error);
      return;
    }
    let result: OperationResult;
    try {
      result = answeredResult(operation, answer);
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      this.inDoubt(operation, 'internal', 'the answer holds no result');
      return;
    }
    if (connection.address === this.finder.target) this.finder.succeeded();
    this.complete(operation, result);
  }

  settled(): void {
    if (this.retries.peek() !== null || this.fresh.peek() !== null) this.pump();
  }

  /** A connection is gone, and whatever was sent on it is in doubt. */
  closed(connection: ClientConnection, operations: readonly Operation[]): void {
    if (connection.address === this.finder.target) this.finder.moveOn();
    const message = `${connection.address} closed the connection`;
    for (const operation of operations) this.inDoubt(operation, 'disconnected', message);
    // A replica that accepts and closes at once must not be dialled in a tight loop.
    if (!connection.heard) this.hold();
    this.pumpLater();
  }

  private submit(
    kind: OperationKind,
    key: Uint8Array,
    value: Uint8Array,
    settings: WriteSettings & ReadSettings,
    done: OperationDone,
  ): void {
    const { clock } = this.options;
    const timeout = settings.timeoutMicros ?? this.options.timeoutMicros ?? TIMEOUT_MICROS;
    const condition = settings.condition ?? NO_CONDITION;
    const level = settings.level ?? 'linearizable';
    const deadline = clock.now() + timeout;
    const operation = new Operation(kind, key, value, condition, level, deadline, done);
    this.pending++;
    const refusal = this.refusalOf(operation);
    if (refusal !== null) {
      const result = failedResult(operation, 'fail', refusal, 'refused by this client');
      clock.defer(() => this.complete(operation, result));
      return;
    }
    this.wheel.add(operation);
    this.fresh.push(operation);
    this.pumpLater();
  }

  private refusalOf(operation: Operation): ClientErrorCode | null {
    if (this.isClosed) return 'client_closed';
    if (this.pending > this.limits.operationsPendingMax) return 'overloaded';
    const bytes = operation.key.length + operation.value.length;
    return bytes > this.limits.operationBytesMax ? 'value_too_large' : null;
  }

  /** What is asked for in one turn leaves at its end, in one frame. */
  private pumpLater(): void {
    if (this.pumpQueued) return;
    this.pumpQueued = true;
    this.options.clock.defer(() => {
      this.pumpQueued = false;
      this.pump();
    });
  }

  private pump(): void {
    if (this.isClosed || this.cancelHold !== null) return;
    if (this.retries.peek() === null && this.fresh.peek() === null) return;
    const connection = this.pool.get(this.finder.target);
    if (connection === null) {
      this.pool.dial(this.finder.target);
      return;
    }
    const now = this.options.clock.now();
    const { requestsInFlightMax } = this.limits;
    const requestsMax = this.finder.confirmed
      ? requestsInFlightMax
      : Math.min(PROBES_MAX, requestsInFlightMax);
    while (connection.requestsInFlight < requestsMax) {
      const queue = this.retries.peek() === null ? this.fresh : this.retries;
      const operation = queue.peek();
      if (operation === null || !this.prepare(operation)) break;
      queue.shift();
      if (operation.attempts > 0) this.totals.retries++;
      this.totals.sent++;
      connection.send(operation, now);
    }
    connection.flush();
  }

  /** Names a write at its first attempt; false while the session's window is full. */
  private prepare(operation: Operation): boolean {
    if (!operation.isWrite || operation.prepared) return true;
    if (this.session?.isFull === true) return false;
    operation.request = this.session?.next() ?? null;
    operation.prepared = true;
    return true;
  }

  private refused(
    connection: ClientConnection,
    operation: Operation,
    answer: Answer,
    code: ClientErrorCode,
  ): void {
    if (answer.outcomeUnknown) {
      this.inDoubt(operation, code, answer.message);
      return;
    }
    if (this.retryPolicy === 'none' || !TRANSIENT_ERRORS.has(code)) {
      const outcome = operation.inDoubt ? 'unknown' : 'fail';
      this.complete(operation, failedResult(operation, outcome, code, answer.message));
      return;
    }
    operation.lastError = code;
    this.retry(operation);
    // Of the many refusals that one change of leader brings, the first moves the client.
    if (connection.address === this.finder.target) this.redirect(code, answer.leaderAddress);
  }

  private redirect(code: ClientErrorCode, hint: string): void {
    if (code === 'overloaded' || code === 'no_space') {
      this.hold();
    } else if (hint !== '' && hint !== this.finder.target) {
      this.totals.redirects++;
      if (!this.finder.follow(hint)) this.hold();
    } else {
      this.tryNext();
    }
  }

  private tryNext(): void {
    this.finder.moveOn();
    this.hold();
  }

  /** An attempt ended, and nobody can tell whether it took effect. */
  private inDoubt(operation: Operation, code: ClientErrorCode, message: string): void {
    const repeatable = !operation.isWrite || this.session !== null;
    const final = code === 'deadline_exceeded' || code === 'sequence_forgotten';
    operation.inDoubt = operation.isWrite;
    if (this.retryPolicy === 'none' || this.isClosed || !repeatable || final) {
      const outcome = operation.isWrite ? 'unknown' : 'fail';
      this.complete(operation, failedResult(operation, outcome, code, message));
      return;
    }
    this.retry(operation);
    if (code === 'internal') this.hold();
  }

  private retry(operation: Operation): void {
    operation.state = 'waiting';
    operation.connection = null;
    this.retries.push(operation);
  }

  /** Sends nothing for a while that doubles with each failure in a row. */
  private hold(): void {
    if (this.cancelHold !== null || this.isClosed) return;
    const { clock } = this.options;
    this.cancelHold = clock.schedule(instant(clock.now() + this.finder.nextWait()), () => {
      this.cancelHold = null;
      this.pump();
    });
  }

  private expired(operation: Operation): void {
    const sent = operation.state === 'sent';
    operation.connection?.forget(operation);
    if (sent) {
      const outcome: OperationOutcome = operation.isWrite ? 'unknown' : 'fail';
      const result = failedResult(operation, outcome, 'deadline_exceeded', 'no answer in time');
      this.complete(operation, result);
    } else {
      const definite = operation.lastError ?? 'not_sent';
      const codes = { definite, inDoubt: 'deadline_exceeded' } as const;
      this.endWaiting(operation, codes, 'the deadline passed');
    }
    this.retries.trim();
    this.fresh.trim();
    if (operation.sequence > 0) this.pumpLater(); // The session's window may have moved.
  }

  /** Ends an operation that is not under way now; it is unknown if an attempt was in doubt. */
  private endWaiting(
    operation: Operation,
    codes: { readonly definite: ClientErrorCode; readonly inDoubt: ClientErrorCode },
    message: string,
  ): void {
    const told = operation.inDoubt ? codes.inDoubt : codes.definite;
    const outcome = operation.inDoubt ? 'unknown' : 'fail';
    this.complete(operation, failedResult(operation, outcome, told, message));
  }

  private complete(operation: Operation, result: OperationResult): void {
    operation.state = 'over';
    operation.connection = null;
    this.wheel.remove(operation);
    this.pending--;
    if (operation.sequence > 0) this.session?.settle(operation.sequence);
    this.totals.completed++;
    if (result.outcome === 'ok') this.totals.ok++;
    else if (result.outcome === 'fail') this.totals.failed++;
    else this.totals.unknown++;
    operation.done(result);
  }
}
