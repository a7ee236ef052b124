import type {
  EngineConfig,
  EngineLimits,
  LogIndex,
  NodeId,
  Protocol,
  ReadLevel,
  RequestStatus,
  Ticket,
} from '@quorate/consensus';
import type { ProtocolRules } from './run-observer.ts';

/** Everything that one direction of a link between two nodes does to messages. */
export interface LinkSettings {
  /** The shortest one-way delay in microseconds. */
  readonly delayMinMicros: number;
  /** The longest one-way delay; each message draws its own. */
  readonly delayMaxMicros: number;
  /** Probability that a message is lost; on FIFO channels the loss ends the session instead. */
  readonly loss: number;
  /** Probability that a message arrives twice; never on FIFO channels. */
  readonly duplication: number;
  /** Probability that a message may overtake and be overtaken; never on FIFO channels. */
  readonly reordering: number;
}

/**
 * How messages travel. `fifo`: inside sessions, in order, a loss ends the session (what the
 * production transport gives). `lossy`: each message for itself, as over UDP; only for protocols
 * that do not need FIFO channels.
 */
export type Channels = 'fifo' | 'lossy';

/** The network of a simulated cluster. */
export interface NetworkOptions extends LinkSettings {
  readonly channels: Channels;
  /**
   * How much later than the message a duplicate may come; 0 sends both at once. It may outlive
   * crashes and elections. Never on FIFO channels.
   */
  readonly replayMaxMicros: number;
  /**
   * How many of the messages that a node has got or missed arrive there again when it is elected,
   * which is when answers to its former rounds do the most harm. Never on FIFO channels.
   */
  readonly replaysAtElection: number;
  /** A session whose link is cut ends after a time drawn from [0, this], unless it mends first. */
  readonly sessionTimeoutMicros: number;
  /** From the end of a session to the next attempt to open one. */
  readonly redialMicros: number;
  /** True sends every message through the protocol's codec; false is faster. */
  readonly useCodec: boolean;
}

/** The disk and the applying of one replica. Each delay is drawn uniformly from its range. */
export interface DiskOptions {
  readonly syncMinMicros: number;
  readonly syncMaxMicros: number;
  /** Probability that `persisted` comes late, merged with that of a later group. */
  readonly persistedLate: number;
  /** Probability that an old `persisted` is said again. */
  readonly persistedRepeated: number;
  readonly applyMinMicros: number;
  readonly applyMaxMicros: number;
  /** Batches in a log segment; the next one starts with a checkpoint. */
  readonly segmentBatchesMax: number;
}

/** Timing, limits, detector and variants of all engines; what is left out has its default. */
export type ConfigOverrides = Partial<
  Omit<EngineConfig, 'id' | 'membership' | 'now' | 'limits'>
> & { readonly limits?: Partial<EngineLimits> };

/** What a simulated cluster is made of; everything but protocol, nodes and seed has a default. */
export interface ClusterOptions<M> {
  readonly protocol: Protocol<M>;
  /** The number of voters, or their ids. */
  readonly nodes: number | readonly number[];
  /** All randomness of the run comes from it. */
  readonly seed: number | string;
  readonly network?: Partial<NetworkOptions>;
  readonly disk?: Partial<DiskOptions>;
  /** Overrides of timing, limits and variants, the same for each node. */
  readonly config?: ConfigOverrides;
  /** A replica cuts a snapshot each time it has applied so many entries; 0 means never. */
  readonly snapshotEveryEntries?: number;
  /** True keeps every durable record of each node, also those that compaction deletes. */
  readonly keepArchive?: boolean;
  /** What this protocol must never do, beyond what every protocol keeps. */
  readonly rules?: ProtocolRules<M>;
  /** Events kept for the report of a failure. */
  readonly traceEventsMax?: number;
}

/** The state of a request as its client sees it. */
export type Outcome = 'refused' | 'pending' | 'done' | 'lost' | 'unknown';

/** One proposal or read; the cluster fills in how it ends. */
export interface ClientRequest {
  readonly node: NodeId;
  readonly kind: 'propose' | ReadLevel;
  readonly ticket: Ticket;
  /** `down` when the node was crashed or paused. */
  readonly status: RequestStatus | 'down';
  /** The proposal's text; empty for reads. */
  readonly text: string;
  /** The highest index that any replica had announced as committed when this was asked. */
  readonly committedBefore: LogIndex;
  outcome: Outcome;
  /** The entry's index, or the read's; 0 until it is done. */
  index: LogIndex;
}

/** A link of a data-centre network: 0.1 to 0.5 ms, nothing lost. */
export const DEFAULT_NETWORK: NetworkOptions = {
  delayMinMicros: 100,
  delayMaxMicros: 500,
  loss: 0,
  duplication: 0,
  reordering: 0,
  channels: 'fifo',
  replayMaxMicros: 0,
  replaysAtElection: 0,
  sessionTimeoutMicros: 500_000,
  redialMicros: 20_000,
  useCodec: true,
};

/** A disk that syncs in 0.1 to 1 ms and a state machine that applies within 0.2 ms. */
export const DEFAULT_DISK: DiskOptions = {
  syncMinMicros: 100,
  syncMaxMicros: 1_000,
  persistedLate: 0.1,
  persistedRepeated: 0.1,
  applyMinMicros: 0,
  applyMaxMicros: 200,
  segmentBatchesMax: 16,
};
