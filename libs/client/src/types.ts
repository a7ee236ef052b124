import type { Clock, ReadLevel } from '@quorate/consensus';
import type { Random } from '@quorate/foundation';
import type { KvCondition } from '@quorate/kv';
import type { FrameNetwork, TransportError } from '@quorate/transport';
import type { ClientErrorCode } from './errors.ts';
import type { ClientService } from './service.ts';

/** The bounds of the server side. */
export interface ClientServerLimits {
  /** Requests of one connection without an answer; beyond it the socket is not read. */
  readonly requestsInFlightMax: number;
  /** Answer bytes queued to one client; beyond it the socket is not read. */
  readonly answerBytesMax: number;
  /** Connections at a time; beyond it new ones are closed. */
  readonly connectionsMax: number;
}

/** What {@link serveClients} is made of. */
export interface ServeClientsOptions {
  readonly network: FrameNetwork;
  /** Where to listen, `host:port`. */
  readonly address: string;
  readonly service: ClientService;
  readonly clock: Clock;
  readonly limits?: Partial<ClientServerLimits>;
}

/** The open client port of a replica. */
export interface ClientServer {
  /** Where it listens, with the real port. */
  readonly address: string;
  /** Connections open now. */
  readonly connections: number;
  /** Requests taken and not yet answered. */
  readonly requestsInFlight: number;
  /** Stops reading all sockets: the host's answer to a disk that does not keep up. */
  pause(): void;
  resume(): void;
  /** Stops listening and ends all connections. */
  stop(): void;
}

/** Ends {@link serveClients}: the error, or the server. */
export type ServeClientsDone = (error: TransportError | null, server: ClientServer | null) => void;

/**
 * When an operation is tried again; the name is a label of each result.
 *
 * - `until-deadline`: definite transient errors are retried until the deadline. After an indefinite
 *   end (a lost connection, an internal error) reads are retried, writes only with a session;
 *   without one they are reported `unknown` at once.
 * - `none`: the first answer is the result.
 */
export type RetryPolicy = 'until-deadline' | 'none';

/** The bounds and waits of a client; times in microseconds. */
export interface ClientLimits {
  /** Operations accepted and not completed; beyond it new ones fail with `overloaded`. */
  readonly operationsPendingMax: number;
  /** Bytes of one key and value; more fail with `value_too_large` without being sent. */
  readonly operationBytesMax: number;
  /** Requests sent on one connection and not answered; beyond it operations wait here. */
  readonly requestsInFlightMax: number;
  /**
   * Writes of a session between the oldest unanswered and the newest sent. At most the results that
   * a state machine keeps per session, or a retry could not be recognized.
   */
  readonly sessionWindowMax: number;
  /** Bytes of one frame, the last request excepted. */
  readonly frameBytesMax: number;
  /** A connection that answers nothing for this long while requests wait is given up. */
  readonly silenceMicros: number;
  /** A dial that takes longer is given up. */
  readonly dialTimeoutMicros: number;
  /** The first wait before another try after a transient error; doubles, jittered by half. */
  readonly retryWaitMinMicros: number;
  readonly retryWaitMaxMicros: number;
}

/** What {@link connectClient} is made of. */
export interface ClientOptions {
  readonly network: FrameNetwork;
  /** The client ports of the replicas, any non-empty part of them. */
  readonly addresses: readonly string[];
  readonly clock: Clock;
  /** Seed it differently in each process: the client id of the session is drawn from it. */
  readonly random: Random;
  /** With a session (the default) a retried write takes effect at most once. */
  readonly session?: boolean;
  readonly retryPolicy?: RetryPolicy;
  /** The deadline of an operation that states none; default 5 s. */
  readonly timeoutMicros?: number;
  readonly limits?: Partial<ClientLimits>;
}

/** How an operation ended: `ok`, `fail` (it never takes effect) or `unknown` (it may). */
export type OperationOutcome = 'ok' | 'fail' | 'unknown';

/** The end of one operation; always all fields, whatever the operation. */
export interface OperationResult {
  readonly outcome: OperationOutcome;
  /** Null when ok. */
  readonly code: ClientErrorCode | null;
  readonly message: string;
  /** A write: the store's revision after it. A read: the key's revision, 0 when absent. */
  readonly revision: number;
  /** A put made a key that did not exist. */
  readonly created: boolean;
  /** A delete removed a key that existed. */
  readonly deleted: boolean;
  /** With `cas_mismatch`: the key's revision, 0 when it does not exist. */
  readonly currentRevision: number;
  /** A retry was recognized; this is the result of the first time. */
  readonly replayed: boolean;
  /** A read: the value, or null when the key does not exist. A status: its JSON text. */
  readonly value: Uint8Array | null;
  /** A read: how far the answering replica had applied. */
  readonly appliedIndex: number;
  /** Times that the operation was sent. */
  readonly attempts: number;
}

/** Ends an operation; called exactly once, never inside the call that asked for it. */
export type OperationDone = (result: OperationResult) => void;

/** Settings of one write. */
export interface WriteSettings {
  readonly condition?: KvCondition;
  readonly timeoutMicros?: number;
}

/** Settings of one read; the level is `linearizable` unless stated. */
export interface ReadSettings {
  readonly level?: ReadLevel;
  readonly timeoutMicros?: number;
}

/** What a client did so far, counted. */
export interface ClientCounters {
  readonly completed: number;
  readonly ok: number;
  readonly failed: number;
  readonly unknown: number;
  /** Requests sent, retries included. */
  readonly sent: number;
  readonly retries: number;
  readonly framesSent: number;
  /** Connections opened. */
  readonly connects: number;
  /** Times that a hint sent the client to another replica. */
  readonly redirects: number;
}

/**
 * A client of the replicated store. Callbacks on the hot path, no promise and no timer per
 * operation; operations of one turn leave in one frame. Keys and values are not copied before they
 * are sent: leave them unchanged until the operation ended.
 */
export interface Client {
  put(key: Uint8Array, value: Uint8Array, settings: WriteSettings, done: OperationDone): void;
  delete(key: Uint8Array, settings: WriteSettings, done: OperationDone): void;
  get(key: Uint8Array, settings: ReadSettings, done: OperationDone): void;
  /** The status of the replica that the client talks to, as JSON text in `value`. */
  status(done: OperationDone): void;
  /** Operations accepted and not completed. */
  readonly pending: number;
  /** Where requests go now; null while there is no connection. */
  readonly connectedTo: string | null;
  readonly retryPolicy: RetryPolicy;
  counters(): ClientCounters;
  /** Ends every pending operation (`unknown` where it was sent) and all connections. */
  close(): void;
}
