import type {
  Clock,
  EngineConfig,
  EngineEvent,
  EngineStatus,
  Instant,
  LogIndex,
  Member,
  NodeId,
  Protocol,
  RecordCodec,
  SnapshotMeta,
  StateMachine,
} from '@quorate/consensus';
import type { Random } from '@quorate/foundation';
import type { OpenedSnapshotStore, SnapshotDone, SnapshotError } from '@quorate/snapshot-store';
import type { PeerTransport, SessionRefusal, TransportError } from '@quorate/transport';
import type { OpenedWal, WalError, WalStats } from '@quorate/wal';
import type { ReplicaError } from './errors.ts';
import type { ReplicaLimits, SnapshotPolicy } from './limits.ts';

/**
 * How a command ended. All but `applied` and `unknown` are definite: the command never takes
 * effect. After `unknown` it may have taken effect, take effect later or never.
 *
 * - `notLeader`: ask `leader` (0 when it is not known).
 * - `busy`: a queue of this replica is full.
 * - `tooLarge`: beyond `commandBytesMax`.
 * - `noSpace`: the log has no room for a new segment.
 * - `stopping`: this replica stops or has stopped.
 */
export type ProposeOutcome =
  | { readonly kind: 'applied'; readonly index: LogIndex; readonly result: Uint8Array }
  | { readonly kind: 'notLeader'; readonly leader: NodeId | 0 }
  | { readonly kind: 'busy' }
  | { readonly kind: 'tooLarge' }
  | { readonly kind: 'noSpace' }
  | { readonly kind: 'stopping' }
  | { readonly kind: 'unknown' };

/** Takes the outcome of one command; called once, never inside `propose`. */
export type ProposeDone = (outcome: ProposeOutcome) => void;

/**
 * How a read ended. `ready`: read the state machine now, inside the call; it has applied at least
 * what the level asks for. A read changes nothing, so each other outcome may be asked again.
 */
export type ReadOutcome =
  | { readonly kind: 'ready'; readonly appliedIndex: LogIndex }
  | { readonly kind: 'notLeader'; readonly leader: NodeId | 0 }
  | { readonly kind: 'busy' }
  | { readonly kind: 'stopping' }
  | { readonly kind: 'abandoned' };

/** Takes the outcome of one read; called once, for `stale` reads possibly inside `read`. */
export type ReadDone = (outcome: ReadOutcome) => void;

/** Why a replica stopped by itself. */
export type FatalError = WalError | SnapshotError | ReplicaError;

/** What a replica tells its owner beside the outcomes; each is optional. */
export interface ReplicaHandlers {
  /** An event of the engine, with the host's time at which it was taken out of the engine. */
  engineEvent?(event: EngineEvent, at: Instant): void;
  /** An own snapshot became durable and is named by a durable record, or could not be written. */
  snapshotWritten?(error: SnapshotError | null, meta: SnapshotMeta | null): void;
  /**
   * True: the log is behind its limits, stop reading client sockets; false: go on. (Proposals that
   * come anyway wait or are answered `busy`.)
   */
  pressure?(paused: boolean): void;
  /** A peer was refused, or refused this replica, for a reason that time alone does not mend. */
  peerRefused?(refusal: SessionRefusal): void;
  /** The replica has stopped because it cannot go on; everything outstanding was answered. */
  fatal?(error: FatalError): void;
}

/** What a replica is made of. Everything is injected; it opens nothing but the engine. */
export interface ReplicaOptions<M> {
  readonly protocol: Protocol<M>;
  /** The engine's settings; the host adds the time. */
  readonly config: Omit<EngineConfig, 'now'>;
  readonly clock: Clock;
  /** The engine's own stream. */
  readonly random: Random;
  readonly records: RecordCodec;
  readonly wal: OpenedWal;
  /** Opens the snapshot store, given the metas of the snapshot records, the newest one last. */
  readonly openSnapshots: (
    named: readonly SnapshotMeta[],
    done: SnapshotDone<OpenedSnapshotStore | null>,
  ) => void;
  /** Not started yet; the replica starts and stops it. Null for a cluster of one. */
  readonly transport: PeerTransport | null;
  /** Fresh; the replica restores it from the latest snapshot. */
  readonly stateMachine: StateMachine;
  readonly limits?: Partial<ReplicaLimits>;
  readonly snapshots?: Partial<SnapshotPolicy>;
  readonly handlers?: ReplicaHandlers;
  /** Where a member is dialled, if not at its `address`: ports that were bound at 0, proxies. */
  readonly resolveMember?: (member: Member) => Member;
}

/** How many frames and bytes were sent, of one kind. */
export interface SentCount {
  /** The number of the frame's first field: the message kind in the protocol's `.proto`. */
  readonly field: number;
  readonly frames: number;
  readonly bytes: number;
}

/** Counts since the replica was opened; the cost of a commit is made of them. */
export interface ReplicaCounters {
  readonly turns: number;
  readonly readies: number;
  readonly commandsProposed: number;
  readonly batchesProposed: number;
  readonly commandsApplied: number;
  readonly entriesApplied: number;
  readonly reads: number;
  readonly readTickets: number;
  readonly framesReceived: number;
  readonly bytesReceived: number;
  readonly framesMalformed: number;
  readonly snapshotsTaken: number;
  readonly snapshotsInstalled: number;
  /** One row a message kind, sorted by field; a frame to three peers counts three times. */
  readonly sent: readonly SentCount[];
}

/** A picture of a replica; builds a new object. */
export interface ReplicaStatus {
  readonly engine: EngineStatus;
  readonly appliedIndex: LogIndex;
  /** True while a peer's snapshot is being restored: nothing can be read. */
  readonly restoring: boolean;
  readonly stopped: boolean;
  readonly proposalsQueued: number;
  readonly proposalsQueuedBytes: number;
  readonly batchesInFlight: number;
  readonly readsQueued: number;
  readonly readTicketsInFlight: number;
  readonly readiesUnpersisted: number;
  readonly bytesUnpersisted: number;
  readonly entriesUnapplied: number;
  readonly hasSpace: boolean;
  readonly wal: WalStats;
  readonly counters: ReplicaCounters;
  /** The last pause of the event loop that was longer than a heartbeat, and the longest one. */
  readonly lastGapMicros: number;
  readonly longestGapMicros: number;
}

/** A running replica: one engine, one log, one transport, one state machine. */
export interface Replica {
  readonly id: NodeId;
  /** Proposes one command; `done` gets the outcome in a later turn. */
  propose(command: Uint8Array, done: ProposeDone): void;
  /** Asks for a read; see {@link ReadOutcome}. `stale` is answered from what is applied now. */
  read(level: 'linearizable' | 'stale', done: ReadDone): void;
  status(): ReplicaStatus;
  /**
   * Calls back once when the turn under way has given its answers; when none is under way, at the
   * end of this turn of the event loop. For whoever gathers the answers of a turn.
   */
  atTurnEnd(callback: () => void): void;
  /** The last index applied; cheap, for headers of answers. */
  readonly appliedIndex: LogIndex;
  /** The leader as this replica knows it, 0 when it knows none. */
  leader(): NodeId | 0;
  /** True while `pressure` says that client sockets should not be read. */
  readonly underPressure: boolean;
  /**
   * Stops gracefully: answers what was not proposed with `stopping`, waits a bounded time for what
   * is in flight, answers the rest with `unknown`, ends the sessions and closes the log.
   */
  stop(done: (error: WalError | null) => void): void;
  /**
   * Stops at once, as a crash does: nothing more is sent, written or applied; all outstanding is
   * answered. The sessions end; the log is left as it is.
   */
  halt(): void;
}

/** What `openReplica` may fail with. */
export type OpenError = ReplicaError | SnapshotError | TransportError;
