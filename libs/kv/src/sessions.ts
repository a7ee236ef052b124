import { assert } from '@quorate/foundation';
import type { KvCommand } from './command.ts';
import { StateHash } from './hash.ts';
import { latin1FromBytes } from './latin1.ts';
import type { KvResult } from './result.ts';

/**
 * The bounds of the session table. They are part of the state machine's definition, because
 * eviction is part of the state: all replicas of a cluster must use the same.
 */
export interface KvSessionLimits {
  /** Sessions kept; one more evicts the least recently used. */
  readonly sessionsMax: number;
  /** Results kept in a session, at least a client's requests in flight; more drop the oldest. */
  readonly resultsPerSessionMax: number;
}

/** Sessions for 4096 clients with 1024 requests in flight each. */
export const KV_SESSION_LIMITS_DEFAULT: KvSessionLimits = {
  sessionsMax: 4096,
  resultsPerSessionMax: 1024,
};

/** The first result of one sequence. */
export interface SessionResult {
  readonly sequence: number;
  readonly fingerprint: number;
  readonly result: KvResult;
}

/** A session as it stands in a snapshot. */
export interface SessionImage {
  /** The client id as latin1 text. */
  readonly client: string;
  readonly forgottenThrough: number;
  /** In the order of application. */
  readonly results: readonly SessionResult[];
}

/**
 * One client's results by sequence. Requests in flight may be applied in any order, so a session
 * remembers a window of sequences and not only the last one; whatever falls out of the window
 * raises `forgottenThrough`, and no unknown sequence up to there is executed any more.
 */
export class Session {
  readonly client: string;
  forgottenThrough: number;
  private readonly results = new Map<number, SessionResult>();

  constructor(client: string, forgottenThrough: number) {
    this.client = client;
    this.forgottenThrough = forgottenThrough;
  }

  find(sequence: number): SessionResult | undefined {
    return this.results.get(sequence);
  }

  remember(result: SessionResult, resultsMax: number): void {
    assert(!this.results.has(result.sequence), 'a sequence has one first result');
    this.results.set(result.sequence, result);
    if (this.results.size <= resultsMax) return;
    for (const oldest of this.results.keys()) {
      this.forget(oldest);
      return;
    }
  }

  /** Drops the results that the client will not ask for again. */
  forgetAnswered(through: number): void {
    if (through <= this.forgottenThrough) return;
    this.forgottenThrough = through;
    // Results stand in the order of application, nearly that of sequences; one that is out of
    // order waits until it is in front. The loop so costs what it removes.
    for (const sequence of this.results.keys()) {
      if (sequence > through) return;
      this.results.delete(sequence);
    }
  }

  image(): SessionImage {
    return {
      client: this.client,
      forgottenThrough: this.forgottenThrough,
      results: [...this.results.values()],
    };
  }

  private forget(sequence: number): void {
    this.results.delete(sequence);
    if (sequence > this.forgottenThrough) this.forgottenThrough = sequence;
  }
}

/**
 * The client sessions, least recently used first (Raft thesis, section 6.3: exactly-once semantics
 * need the table inside the replicated state). "Recently" is counted in commands, never in time.
 */
export class SessionTable {
  readonly limits: KvSessionLimits;
  private readonly sessions = new Map<string, Session>();
  private latest: Session | null = null;

  constructor(limits: KvSessionLimits) {
    assert(limits.sessionsMax >= 1, 'a session table holds a session');
    assert(limits.resultsPerSessionMax >= 1, 'a session holds a result');
    this.limits = limits;
  }

  get size(): number {
    return this.sessions.size;
  }

  /** The client's session, now the most recently used; made when there is none. */
  touch(clientId: Uint8Array): Session {
    const client = latin1FromBytes(clientId);
    if (this.latest !== null && this.latest.client === client) return this.latest;
    let session = this.sessions.get(client);
    if (session === undefined) session = new Session(client, 0);
    else this.sessions.delete(client);
    this.sessions.set(client, session);
    this.latest = session;
    if (this.sessions.size > this.limits.sessionsMax) this.evictOldest();
    return session;
  }

  images(): SessionImage[] {
    const images: SessionImage[] = [];
    for (const session of this.sessions.values()) images.push(session.image());
    return images;
  }

  /** Adds a session from a snapshot, as the most recently used. False when it cannot be one. */
  restore(image: SessionImage): boolean {
    if (this.sessions.has(image.client)) return false;
    if (this.sessions.size >= this.limits.sessionsMax) return false;
    if (image.results.length > this.limits.resultsPerSessionMax) return false;
    const session = new Session(image.client, image.forgottenThrough);
    for (const result of image.results) {
      if (session.find(result.sequence) !== undefined) return false;
      session.remember(result, this.limits.resultsPerSessionMax);
    }
    this.sessions.set(image.client, session);
    this.latest = session;
    return true;
  }

  private evictOldest(): void {
    for (const client of this.sessions.keys()) {
      this.sessions.delete(client);
      return;
    }
  }
}

/** A 32-bit hash of what a command asks for, without its request id. */
export function fingerprintOf(command: KvCommand): number {
  const { condition } = command;
  const hash = new StateHash();
  hash
    .number(command.operation === 'put' ? 1 : 2)
    .bytes(command.key)
    .bytes(command.value);
  if (condition.kind === 'revision') hash.number(1).number(condition.revision);
  else if (condition.kind === 'absent') hash.number(2);
  else if (condition.kind === 'value') hash.number(3).bytes(condition.value);
  const [first, second] = hash.lanes();
  return (first ^ second) >>> 0;
}

/** Adds a session to a state hash. */
export function hashSession(hash: StateHash, image: SessionImage): void {
  hash.latin1(image.client).number(image.forgottenThrough).number(image.results.length);
  for (const { sequence, fingerprint, result } of image.results) {
    hash
      .number(sequence)
      .number(fingerprint)
      .number(result.revision)
      .number(result.currentRevision);
    hash.latin1(result.status).number((result.created ? 1 : 0) + (result.deleted ? 2 : 0));
  }
}
