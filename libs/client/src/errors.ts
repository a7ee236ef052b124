/**
 * Whether a failed operation may still take effect. `none` promises that it never does and never
 * did; `unknown` promises nothing: it may have happened, or may happen at any later time.
 */
export type ErrorOutcome = 'none' | 'unknown';

/**
 * Every error code of the client protocol with its outcome, as the table of the HTTP API has them.
 * `not_leader` and the last group exist on the stream only. A server may state `unknown` where the
 * table says `none`; never the other way round.
 */
export const CLIENT_ERRORS = {
  bad_request: 'none',
  key_too_large: 'none',
  value_too_large: 'none',
  unprocessable: 'none',
  cas_mismatch: 'none',
  duplicate_request: 'none',
  overloaded: 'none',
  no_leader: 'none',
  not_leader: 'none',
  no_space: 'none',
  shutting_down: 'none',
  internal: 'unknown',
  deadline_exceeded: 'unknown',
  /** The session no longer knows whether the request took effect the first time. */
  sequence_forgotten: 'unknown',
  /** The connection ended before the answer came. */
  disconnected: 'unknown',
  /** The deadline passed before the operation left the client. */
  not_sent: 'none',
  /** The client was closed before the operation left it. */
  client_closed: 'none',
} as const satisfies Readonly<Record<string, ErrorOutcome>>;

/** A code of {@link CLIENT_ERRORS}. */
export type ClientErrorCode = keyof typeof CLIENT_ERRORS;

/** The codes in the order of their numbers on the wire, which start at 1; only ever appended to. */
export const CLIENT_ERROR_CODES: readonly ClientErrorCode[] = [
  'bad_request',
  'key_too_large',
  'value_too_large',
  'unprocessable',
  'cas_mismatch',
  'duplicate_request',
  'overloaded',
  'no_leader',
  'not_leader',
  'no_space',
  'shutting_down',
  'internal',
  'deadline_exceeded',
  'sequence_forgotten',
  'disconnected',
  'not_sent',
  'client_closed',
];

/** The errors for which another try, perhaps elsewhere, may go well; all are definite. */
export const TRANSIENT_ERRORS: ReadonlySet<ClientErrorCode> = new Set<ClientErrorCode>([
  'overloaded',
  'no_leader',
  'not_leader',
  'no_space',
  'shutting_down',
]);

/** The error that the promise facade rejects with. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;
  readonly outcome: ErrorOutcome;

  constructor(code: ClientErrorCode, outcome: ErrorOutcome, message: string) {
    super(message === '' ? code : `${code}: ${message}`);
    this.code = code;
    this.outcome = outcome;
  }
}
