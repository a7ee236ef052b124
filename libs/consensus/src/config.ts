import type { Instant, NodeId } from './ids.ts';
import type { Membership } from './membership.ts';

/** The variants of a protocol in force, by name; printed with each result. */
export type Variants = Readonly<Record<string, boolean | number | string>>;

/**
 * What tells an engine that a peer is gone. `timers`: silence alone, the same for all three
 * protocols. `timers+socket`: a closed session counts as silence at once.
 */
export type Detector = 'timers' | 'timers+socket';

/** Every queue, window and buffer of an engine, bounded by name. */
export interface EngineLimits {
  /** Entries in one replication message. */
  readonly appendEntriesMax: number;
  /** Payload bytes in one replication message; one entry may exceed it alone. */
  readonly appendBytesMax: number;
  /** Replication messages to one peer without an answer; beyond it the peer gets heartbeats. */
  readonly inflightMessagesMax: number;
  /** Payload bytes to one peer without an answer. */
  readonly inflightBytesMax: number;
  /** Entries proposed and not yet committed; beyond it `propose` answers `busy`. */
  readonly uncommittedEntriesMax: number;
  /** Their payload bytes. */
  readonly uncommittedBytesMax: number;
  /** One payload; beyond it `propose` answers `tooLarge`. */
  readonly payloadBytesMax: number;
  /** Read tickets waiting for a confirmation; beyond it `read` answers `busy`. */
  readonly readsPendingMax: number;
  /** Payload bytes of entries kept in memory behind the last one, even after a snapshot. */
  readonly logTailBytesMin: number;
  /** Payload bytes of entries kept for slow peers; beyond it they need a snapshot. */
  readonly logTailBytesMax: number;
  /** ZAB: a DIFF larger than this becomes a SNAP. */
  readonly syncBytesMax: number;
}

/** What an engine is opened with. Times are in microseconds. */
export interface EngineConfig {
  readonly id: NodeId;
  /** The membership that the cluster was started with; snapshot and log override it. */
  readonly membership: Membership;
  /** The host's time at opening. */
  readonly now: Instant;
  readonly heartbeatMicros: number;
  /**
   * A follower waits a time drawn uniformly from [min + 1 ms, max] before it suspects its leader;
   * it draws anew for each wait. `min` is the base that leader stickiness is judged by.
   */
  readonly electionTimeoutMinMicros: number;
  readonly electionTimeoutMaxMicros: number;
  readonly detector: Detector;
  /** Overrides of the protocol's own variants; an unknown name is refused at opening. */
  readonly variants: Variants;
  readonly limits: EngineLimits;
}

/** The defaults that the comparisons use: heartbeat 50 ms, election timeout 150 to 300 ms. */
export const DEFAULT_TIMING = {
  heartbeatMicros: 50_000,
  electionTimeoutMinMicros: 150_000,
  electionTimeoutMaxMicros: 300_000,
} as const;

/** The limits that the comparisons use, the same for each protocol. */
export const DEFAULT_LIMITS: EngineLimits = {
  appendEntriesMax: 256,
  appendBytesMax: 1024 * 1024,
  inflightMessagesMax: 64,
  inflightBytesMax: 16 * 1024 * 1024,
  uncommittedEntriesMax: 4096,
  uncommittedBytesMax: 64 * 1024 * 1024,
  payloadBytesMax: 8 * 1024 * 1024,
  readsPendingMax: 16_384,
  logTailBytesMin: 4 * 1024 * 1024,
  logTailBytesMax: 64 * 1024 * 1024,
  syncBytesMax: 32 * 1024 * 1024,
};

/** Lays overrides over a protocol's default variants; an unknown name or type is an error. */
export function resolveVariants(defaults: Variants, overrides: Variants): Variants {
  const resolved: Record<string, boolean | number | string> = { ...defaults };
  for (const [name, value] of Object.entries(overrides)) {
    const known = defaults[name];
    if (known === undefined || typeof known !== typeof value) {
      const allowed = Object.entries(defaults).map(([key, v]) => `${key} (${typeof v})`);
      throw new RangeError(`variant "${name}" is not one of ${allowed.join(', ')}`);
    }
    resolved[name] = value;
  }
  return resolved;
}
