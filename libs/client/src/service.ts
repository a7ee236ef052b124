import type { ReadLevel } from '@quorate/consensus';
import type { ClientErrorCode, ErrorOutcome } from './errors.ts';

/** Where the leader may be found, as far as the answering replica knows. */
export interface LeaderHint {
  readonly id: number;
  /** The leader's client port, `host:port`. */
  readonly address: string;
}

/** Why a request failed, as a service tells it and a client hears it. */
export interface ServiceError {
  readonly code: ClientErrorCode;
  readonly outcome: ErrorOutcome;
  /** For people; may be empty. */
  readonly message: string;
  readonly leader: LeaderHint | null;
}

/** What a read found; `value` is null when the key does not exist. */
export interface ReadAnswer {
  readonly value: Uint8Array | null;
  /** The revision of the key; 0 when it does not exist. */
  readonly revision: number;
  /** The index up to which the answering replica had applied. */
  readonly appliedIndex: number;
}

/**
 * What a replica offers to the clients of its stream port. Each `done` is called exactly once, in
 * the same turn or a later one; on success the error is null.
 */
export interface ClientService {
  /**
   * Proposes one encoded command (`quorate.kv.v1.Command`), which may be kept. `done` gets the
   * encoded `quorate.kv.v1.Result`, which is passed on as it is.
   */
  write(
    command: Uint8Array,
    timeoutMicros: number,
    done: (error: ServiceError | null, result: Uint8Array) => void,
  ): void;
  read(
    key: Uint8Array,
    level: ReadLevel,
    timeoutMicros: number,
    done: (error: ServiceError | null, answer: ReadAnswer) => void,
  ): void;
  /** The replica's status as JSON text, as `GET /api/cluster/status` has it. */
  status(done: (error: ServiceError | null, json: string) => void): void;
  /**
   * Calls back once when the turn in which answers are being given has given all of them; outside
   * of a turn, later in this turn of the event loop or in the next. A service that works in turns
   * offers it, so that answers leave without another round of the event loop.
   */
  atTurnEnd?(callback: () => void): void;
}
