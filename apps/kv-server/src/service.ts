import type { KvCommand } from '@quorate/kv';

/** Every error code of the API, with its HTTP status and whether it is definite. */
export const API_ERRORS = {
  bad_request: { status: 400, outcome: 'none' },
  malformed_json: { status: 400, outcome: 'none' },
  bad_key_encoding: { status: 400, outcome: 'none' },
  key_not_found: { status: 404, outcome: 'none' },
  no_such_route: { status: 404, outcome: 'none' },
  method_not_allowed: { status: 405, outcome: 'none' },
  length_required: { status: 411, outcome: 'none' },
  key_too_large: { status: 413, outcome: 'none' },
  value_too_large: { status: 413, outcome: 'none' },
  unsupported_media_type: { status: 415, outcome: 'none' },
  cas_mismatch: { status: 409, outcome: 'none' },
  duplicate_request: { status: 409, outcome: 'none' },
  unprocessable: { status: 422, outcome: 'none' },
  overloaded: { status: 429, outcome: 'none' },
  internal: { status: 500, outcome: 'unknown' },
  not_yet: { status: 501, outcome: 'none' },
  no_leader: { status: 503, outcome: 'none' },
  shutting_down: { status: 503, outcome: 'none' },
  no_space: { status: 503, outcome: 'none' },
  deadline_exceeded: { status: 504, outcome: 'unknown' },
} as const;

/** One of the codes of {@link API_ERRORS}. */
export type ApiErrorCode = keyof typeof API_ERRORS;

/** A request that did not succeed. `outcome: none` promises that it never takes effect. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ApiErrorCode;
  /** More fields for the answer's body: `currentRevision`, `leader`. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ApiErrorCode, message: string, details: Record<string, unknown> = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return API_ERRORS[this.code].status;
  }

  get outcome(): 'none' | 'unknown' {
    return API_ERRORS[this.code].outcome;
  }
}

/** What a write did. */
export interface WriteReply {
  readonly revision: number;
  readonly created: boolean;
  readonly deleted: boolean;
  readonly replayed: boolean;
}

/** What a read found; `value` is null when the key does not exist. */
export interface ReadReply {
  readonly value: Uint8Array | null;
  readonly revision: number;
  readonly appliedIndex: number;
}

/** Where another replica is reached. */
export interface LeaderAddress {
  readonly id: number;
  readonly http: string;
}

/** One member in the status answer. */
export interface MemberView {
  readonly id: number;
  readonly http: string;
  readonly state: string;
  readonly matchIndex?: number;
}

/** The answer of `GET /api/cluster/status`. */
export interface StatusView {
  readonly clusterId: string;
  readonly id: number;
  readonly protocol: string;
  readonly variants: Readonly<Record<string, boolean | number | string>>;
  readonly role: string;
  readonly phase: string;
  readonly round: number;
  readonly leader: LeaderAddress | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly snapshotIndex: number;
  readonly members: readonly MemberView[];
  readonly health: 'ok' | 'no_leader' | 'no_space' | 'restoring' | 'stopped';
}

/** The key-value service as its edges see it; rejections are {@link ApiError}s. */
export interface KvService {
  /**
   * Carries a write out at this replica. When another replica leads, the rejection is `no_leader`
   * with `details.leader`, and nothing was recorded: the request may be forwarded.
   */
  write(command: KvCommand, timeoutMs: number): Promise<WriteReply>;
  /** Reads a key at the level asked for; rejects like {@link write}. */
  read(key: Uint8Array, level: 'linearizable' | 'stale', timeoutMs: number): Promise<ReadReply>;
  /** The leader when it is another replica and known, for answers that redirect. */
  otherLeader(): LeaderAddress | null;
  status(): StatusView;
  /** True while the process can serve at all. */
  isAlive(): boolean;
  /** Prometheus text. */
  metrics(): Promise<string>;
}
