import type { EngineConfig, EngineEvent, Instant, NodeId, Protocol } from '@quorate/consensus';
import type { SyncPolicy } from '@quorate/wal';
import type { ProtocolRules } from '../run-observer.ts';
import type { CausalTrace } from './causal-trace.ts';
import type { FaultEvent, HostFaultKind } from './fault-schedule.ts';

/** What a scenario sets and no seed draws. */
export interface HostSettings {
  /** Overrides of the protocol's own variants. */
  readonly variants: EngineConfig['variants'];
  /** What one node's engine waits, laid over the timing of all. */
  readonly timingOf: (node: NodeId) => Partial<SwarmOptions['timing']>;
  /** When an append counts as done. */
  readonly sync: SyncPolicy;
  /** Log indexes between two comparisons of the replicas' states; each walks over all keys. */
  readonly digestEvery: number;
  /** Events of one run; more is a cluster that feeds itself (V4). */
  readonly eventsMax: number;
}

/** The settings of every seed of `quorate simulate`. */
export const HOST_SETTINGS_DEFAULT: HostSettings = {
  variants: {},
  timingOf: () => ({}),
  sync: 'group',
  digestEvery: 16,
  eventsMax: 20_000_000,
};

/** One run of production replicas on virtual time. */
export interface HostRunOptions<M> {
  readonly protocol: Protocol<M>;
  /** What this protocol must never do, beyond what every protocol keeps. */
  readonly rules?: ProtocolRules<M>;
  /** All randomness of the run comes from it. */
  readonly seed: number;
  /** The number of replicas; drawn from the seed when it is not given. */
  readonly nodes?: number;
  /** The fault kinds to draw from; all of them when not given. An empty list means none. */
  readonly faults?: readonly HostFaultKind[];
  /** Numbers of fault events that do not strike: what the shrinker found to be of no matter. */
  readonly drop?: readonly number[];
  /** Replaces the drawn schedule: scripted stories. */
  readonly schedule?: readonly FaultEvent[];
  /**
   * True lets the engines' messages travel as datagrams: lost, duplicated and overtaken one by one.
   * Default: when a kind of fault is drawn that needs it. Refused for protocols with FIFO channels.
   */
  readonly datagrams?: boolean;
  /** Changes of what the seed draws; for scripted stories and tests of the simulator. */
  readonly swarm?: Partial<SwarmOptions>;
  /** What is not drawn; the defaults when not given. */
  readonly settings?: Partial<HostSettings>;
  /** Told of each event of an engine, with the virtual time at which its host took it. */
  readonly onEngineEvent?: (node: NodeId, event: EngineEvent, at: Instant) => void;
  /** The length of the phase with faults; default 60 s of virtual time. */
  readonly safetyMicros?: number;
  /** Events kept for the report of a failure; default 40. */
  readonly traceEventsMax?: number;
  /** Takes every event as one line of JSON; changes nothing in the run. */
  readonly onTrace?: (line: string) => void;
  /** Follows who may have known what from whom; changes nothing in the run. */
  readonly causalTrace?: CausalTrace;
}

/** What one seed draws besides its faults: sizes, timings and limits (swarm testing). */
export interface SwarmOptions {
  readonly nodes: number;
  readonly timing: Pick<
    EngineConfig,
    'heartbeatMicros' | 'electionTimeoutMinMicros' | 'electionTimeoutMaxMicros' | 'detector'
  >;
  readonly linkDelayMinMicros: number;
  readonly linkDelayMaxMicros: number;
  readonly timersLateMaxMicros: number;
  readonly diskReadMicros: number;
  readonly diskWriteMicros: number;
  readonly diskSyncMicros: number;
  readonly segmentBytes: number;
  readonly writeThrough: boolean;
  readonly snapshotEveryEntries: number;
  /** Commands a batch: 1 is legal. */
  readonly commandsMax: number;
  readonly inFlightBatchesMax: number;
  readonly proposalsQueuedMax: number;
  readonly readiesUnpersistedMax: number;
  readonly applyBytesMax: number;
  readonly appendEntriesMax: number;
  readonly appendBytesMax: number;
  readonly inflightMessagesMax: number;
  readonly uncommittedEntriesMax: number;
  readonly logTailBytesMin: number;
  readonly logTailBytesMax: number;
  readonly syncBytesMax: number;
  readonly clients: number;
  /** Operations that one client has in flight at most. */
  readonly clientConcurrency: number;
  readonly keys: number;
  readonly valueBytesMax: number;
  readonly thinkMaxMicros: number;
  readonly operationTimeoutMicros: number;
  /** Results that a session remembers for retries. */
  readonly resultsPerSessionMax: number;
  /** Every second client works without a session when true. */
  readonly sessionlessClients: boolean;
  /** Mean time between two faults, and the longest that one lasts. */
  readonly faultEveryMicros: number;
  readonly faultLastsMaxMicros: number;
}
