import { assert, required } from '@quorate/foundation';
import { CLIENT_ID_BYTES, type CommandScan } from './command-scan.ts';
import { mixBytes, mixNumber, type StateHash } from './hash.ts';
import { latin1FromRange } from './latin1.ts';
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

/** Forgotten places at the front of a session's order before it is rebuilt. */
const COMPACTED_MIN = 64;

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
  /** The neighbours in the order of use; null at either end. */
  older: Session | null = null;
  newer: Session | null = null;
  private readonly bySequence = new Map<number, SessionResult>();
  /** In the order of application. Results leave at the front only. */
  private order: SessionResult[] = [];
  private head = 0;

  constructor(client: string, forgottenThrough: number) {
    this.client = client;
    this.forgottenThrough = forgottenThrough;
  }

  /** True when the client's id stands in `bytes` at `offset`. */
  isOf(bytes: Uint8Array, offset: number): boolean {
    const { client } = this;
    for (let i = 0; i < CLIENT_ID_BYTES; i++) {
      if (client.charCodeAt(i) !== bytes[offset + i]) return false;
    }
    return true;
  }

  find(sequence: number): SessionResult | undefined {
    return this.bySequence.get(sequence);
  }

  remember(result: SessionResult, resultsMax: number): void {
    this.bySequence.set(result.sequence, result);
    this.order.push(result);
    const count = this.order.length - this.head;
    assert(this.bySequence.size === count, 'a sequence has one first result');
    if (count <= resultsMax) return;
    const { sequence } = this.forgetOldest();
    if (sequence > this.forgottenThrough) this.forgottenThrough = sequence;
  }

  /** Drops the results that the client will not ask for again. */
  forgetAnswered(through: number): void {
    if (through <= this.forgottenThrough) return;
    this.forgottenThrough = through;
    // Results stand in the order of application, nearly that of sequences; one that is out of
    // order waits until it is in front. The loop so costs what it removes.
    for (;;) {
      const oldest = this.order[this.head];
      if (oldest === undefined || oldest.sequence > through) return;
      this.forgetOldest();
    }
  }

  image(): SessionImage {
    return {
      client: this.client,
      forgottenThrough: this.forgottenThrough,
      results: this.order.slice(this.head),
    };
  }

  /** An array with a head, because a Map that loses its first items skips their holes each time. */
  private forgetOldest(): SessionResult {
    const oldest = required(this.order[this.head], 'a result is there to be forgotten');
    this.bySequence.delete(oldest.sequence);
    // Kept alive no longer than needed.
    (this.order as (SessionResult | undefined)[])[this.head] = undefined;
    this.head++;
    if (this.head >= COMPACTED_MIN && this.head * 2 > this.order.length) {
      this.order = this.order.slice(this.head);
      this.head = 0;
    }
    return oldest;
  }
}

/**
 * The client sessions, least recently used first (Raft thesis, section 6.3: exactly-once semantics
 * need the table inside the replicated state). "Recently" is counted in commands, never in time.
 */
export class SessionTable {
  readonly limits: KvSessionLimits;
  private readonly sessions = new Map<string, Session>();
  private oldest: Session | null = null;
  private newest: Session | null = null;

  constructor(limits: KvSessionLimits) {
    assert(limits.sessionsMax >= 1, 'a session table holds a session');
    assert(limits.resultsPerSessionMax >= 1, 'a session holds a result');
    this.limits = limits;
  }

  get size(): number {
    return this.sessions.size;
  }

  /**
   * The session of the client whose id stands in `bytes` at `offset`, now the most recently used;
   * made when there is none.
   */
  touch(bytes: Uint8Array, offset: number): Session {
    const { newest } = this;
    if (newest?.isOf(bytes, offset)) return newest;
    const client = latin1FromRange(bytes, offset, offset + CLIENT_ID_BYTES);
    const known = this.sessions.get(client);
    if (known !== undefined) {
      this.unlink(known);
      this.linkNewest(known);
      return known;
    }
    const session = new Session(client, 0);
    this.add(session);
    if (this.sessions.size > this.limits.sessionsMax) this.evictOldest();
    return session;
  }

  /** Least recently used first. */
  images(): SessionImage[] {
    const images: SessionImage[] = [];
    for (let session = this.oldest; session !== null; session = session.newer) {
      images.push(session.image());
    }
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
    this.add(session);
    return true;
  }

  private add(session: Session): void {
    this.sessions.set(session.client, session);
    this.linkNewest(session);
  }

  private linkNewest(session: Session): void {
    session.older = this.newest;
    session.newer = null;
    if (this.newest === null) this.oldest = session;
    else this.newest.newer = session;
    this.newest = session;
  }

  private unlink(session: Session): void {
    const { older, newer } = session;
    if (older === null) this.oldest = newer;
    else older.newer = newer;
    if (newer === null) this.newest = older;
    else newer.older = older;
  }

  private evictOldest(): void {
    const oldest = required(this.oldest, 'a full table has an oldest session');
    this.unlink(oldest);
    this.sessions.delete(oldest.client);
  }
}

/** A 32-bit hash of what a command asks for, without its request id. */
export function fingerprintOf(scan: CommandScan): number {
  const { bytes } = scan;
  let hash = scan.isPut ? 1 : 2;
  hash = mixBytes(hash, bytes, scan.keyStart, scan.keyEnd);
  hash = mixBytes(hash, bytes, scan.valueStart, scan.valueEnd);
  if (scan.condition === 'revision') {
    return mixNumber(mixNumber(hash, 1), scan.conditionRevision) >>> 0;
  }
  if (scan.condition === 'absent') return mixNumber(hash, 2) >>> 0;
  if (scan.condition === 'value') {
    return mixBytes(mixNumber(hash, 3), bytes, scan.expectedStart, scan.expectedEnd) >>> 0;
  }
  return hash >>> 0;
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
