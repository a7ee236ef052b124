import type { Random } from '@quorate/foundation';
import type { EngineConfig, Variants } from './config.ts';
import type { Instant, LogIndex, NodeId, ReadyNumber, Round, Ticket } from './ids.ts';
import type { Membership, MembershipView } from './membership.ts';
import type { RecordCodec } from './record-codec.ts';
import type { EntryType, WalRecord } from './records.ts';
import type { SnapshotDescription, SnapshotMeta } from './snapshot.ts';

/**
 * The answer to a local request, at once. All but `accepted` mean that nothing was recorded or
 * sent and that no conclusion will follow.
 */
export type RequestStatus = 'accepted' | 'notLeader' | 'busy' | 'unsupported' | 'tooLarge';

/** A `linearizable` read sees all that was acknowledged before it; a `stale` one need not. */
export type ReadLevel = 'linearizable' | 'lease' | 'stale';

/**
 * A consensus protocol as a plain object stepped from outside: no I/O, no clock, no promise, only
 * seeded randomness. The host calls it, then takes its {@link Ready} once a turn. `M` is the
 * protocol's own message type.
 */
export interface ConsensusEngine<M> {
  // Time is an input.
  /** Sets the time and fires nothing; after draining sockets, before stepping what was drained. */
  clock(now: Instant): void;
  /** Fires each deadline at or before the time set; once a turn, last. */
  tick(): void;
  /** When `tick` next has something to do, or null. */
  nextDeadline(): Instant | null;

  // Peers.
  /** Takes one message. Never throws on peer input: what makes no sense is ignored and noted. */
  step(from: NodeId, message: M): void;
  /** A new FIFO session with the peer starts; nothing of an older one is stepped after this. */
  peerConnected(peer: NodeId): void;
  /** The session ended; anything in flight on it is lost. */
  peerDisconnected(peer: NodeId): void;

  // Requests: answered at once with a status, concluded later through Ready.
  /** Asks for one payload (a command batch) to be chosen; concluded by `committed`/`abandoned`. */
  propose(payload: Uint8Array, ticket: Ticket): RequestStatus;
  /**
   * Asks for a read; concluded by `readStates` or `abandoned`. The index given is at least the
   * highest commit index of any replica when `read` was called. A follower asks its leader.
   */
  read(level: ReadLevel, ticket: Ticket): RequestStatus;
  /** Membership change: `unsupported` until the issue that brings it. */
  changeMembership(target: Membership, ticket: Ticket): RequestStatus;
  /** Leadership transfer: `unsupported` until the issue that brings it. */
  transferLeadership(to: NodeId, ticket: Ticket): RequestStatus;

  // Acknowledgements from the host; all may come late, merged or repeated.
  /** Every Ready up to this number is durable. Cumulative. */
  persisted(upTo: ReadyNumber): void;
  /** The state machine has applied every entry up to this index. Cumulative. */
  applied(upTo: LogIndex): void;
  /**
   * What a snapshot cut at `index` must carry besides the state machine. `index` is at most the
   * applied index and above the snapshot index.
   */
  describeSnapshot(index: LogIndex): SnapshotDescription;
  /** The file of an own snapshot is durable; the engine records it and may forget older entries. */
  snapshotTaken(meta: SnapshotMeta): void;
  /** A peer's snapshot is complete, its digest verified, durable in its directory. */
  snapshotOffered(from: NodeId, meta: SnapshotMeta): void;
  /** A transfer asked for in `snapshotsToSend` ended. */
  snapshotSent(to: NodeId, delivered: boolean): void;

  // Output.
  /** True when `takeReady` would give something to do. */
  hasReady(): boolean;
  /** Takes the output since the last call; numbers are dense from 1. */
  takeReady(): Ready<M>;

  // For the WAL and for people.
  /**
   * Restates each fact except accepts above the snapshot index, as of all Readies already taken,
   * so that the log segments before it can go once a snapshot covers their entries.
   */
  checkpoint(): WalRecord[];
  /** A picture for people, tests and the host's leader hints; builds a new object. */
  status(): EngineStatus;
}

/**
 * One turn's output. The host's obligations:
 *
 * 1. Append `records` as ONE atomic batch; batches become durable in number order.
 * 2. Send `messages` at once and `messagesAfterPersist` when this batch and all earlier ones are
 *    durable, also when `records` is empty. Where `needsFifoChannels`, keep the order per peer:
 *    while an after-persist message to a peer waits, later messages to it wait behind it. No
 *    message of an old session is stepped after `peerConnected` of a new one.
 * 3. After durability call `persisted(number)`; one call may cover many.
 * 4. Apply `committed` in order, then call `applied(index)`.
 * 5. Always take Readies (heartbeats come out of them). Past the host's limits of unpersisted
 *    Readies or bytes, answer proposals with `busy` and stop reading client sockets. (A leader
 *    whose oldest unpersisted Ready is older than an election timeout steps down by itself.)
 * 6. Drain sockets, then `clock`, `step`, `tick`, then take the Ready: once per event-loop turn.
 *    After a gap longer than a heartbeat drain the sockets one turn more before `tick`.
 * 7. Arrays and payloads of a Ready belong to the host from then on; neither side changes them.
 * 8. A failed write or sync of the log is fatal: stop the replica, never retry.
 * 9. The file of `snapshotToInstall` is durable already. `records` may be appended at once; the
 *    state machine restores before later `committed` entries or reads are served. A transfer of
 *    `snapshotsToSend` begins when all messages of its Ready may have left, and ends with the
 *    session; a peer has at most one snapshot chunk unacknowledged.
 */
export interface Ready<M> {
  readonly number: ReadyNumber;
  readonly snapshotToInstall: SnapshotMeta | null;
  readonly records: readonly WalRecord[];
  /** False when the batch holds only hints: it rides with the next synced group. */
  readonly mustSync: boolean;
  readonly messages: readonly Outbound<M>[];
  readonly messagesAfterPersist: readonly Outbound<M>[];
  readonly snapshotsToSend: readonly SnapshotTransfer[];
  readonly committed: readonly CommittedEntry[];
  readonly readStates: readonly ReadState[];
  readonly abandoned: readonly AbandonedRequest[];
  /** In force now, when it changed; also when an uncommitted one is rolled back. */
  readonly membership: MembershipView | null;
  /** Peers whose session the host must end: ZAB drops a follower, a peer is beyond its window. */
  readonly sessionsToReset: readonly NodeId[];
  readonly events: readonly EngineEvent[];
}

/** One message for one or several peers, encoded once for all of them. */
export interface Outbound<M> {
  readonly to: readonly NodeId[];
  readonly message: M;
}

/**
 * A chosen entry: contiguous, in order, once per incarnation. It carries no round, because a Paxos
 * slot's round differs between replicas and state machines must not see a difference.
 */
export interface CommittedEntry {
  readonly index: LogIndex;
  readonly type: EntryType;
  readonly payload: Uint8Array;
  readonly ticket: Ticket;
}

/** Serve the reads of `ticket` once the state machine has applied `index`. */
export interface ReadState {
  readonly ticket: Ticket;
  readonly index: LogIndex;
}

/**
 * A request that will not be concluded here. `lost`: it was refused before anything was recorded or
 * sent, or a different entry is known committed at its index and it was proposed nowhere else.
 * `unknown`: it may still be committed by a later leader (step-down, truncation, restart). A read
 * has no effect, so an abandoned read may always be asked again.
 */
export interface AbandonedRequest {
  readonly ticket: Ticket;
  readonly outcome: 'lost' | 'unknown';
}

/** Asks the host to stream its latest durable snapshot `meta` to a peer, after the messages. */
export interface SnapshotTransfer {
  readonly to: NodeId;
  readonly meta: SnapshotMeta;
}

/**
 * What happened, for traces and failover phases. The phases that all protocols share, in order:
 * `suspected` (the leader's silence outlasted the timeout), `candidacy` (asks for leadership),
 * `candidacyFailed`, `elected` (won), `serving` (log repaired or synchronized: accepts proposals),
 * `firstCommit` (the first new entry under this leader is committed), `steppedDown`.
 */
export type EngineEventKind =
  | 'suspected'
  | 'candidacy'
  | 'candidacyFailed'
  | 'elected'
  | 'serving'
  | 'firstCommit'
  | 'steppedDown'
  | 'leaderChanged'
  | 'snapshotInstalled'
  | 'messageIgnored';

/** One event; every field is always present, so that all events have one shape. */
export interface EngineEvent {
  readonly kind: EngineEventKind;
  readonly at: Instant;
  readonly round: Round;
  /** The node that the event is about (new leader, sender of an ignored message); 0 when none. */
  readonly node: NodeId | 0;
  readonly detail: string;
}

/** The role of a replica, in words that all protocols share. */
export type Role = 'leader' | 'candidate' | 'follower';

/** What a leader knows of one peer. */
export interface PeerStatus {
  readonly id: NodeId;
  /** The last index that the peer is known to hold; 0 when unknown. */
  readonly matchIndex: LogIndex;
  /** The protocol's own word for the state of replication to this peer. */
  readonly state: string;
}

/** A picture of an engine. */
export interface EngineStatus {
  readonly id: NodeId;
  readonly role: Role;
  /** The protocol's own word for where it stands: `pre-candidate`, `phase-1`, `discovery` ... */
  readonly phase: string;
  readonly round: Round;
  readonly leader: NodeId | null;
  /** True when a proposal would be accepted, limits aside. */
  readonly serving: boolean;
  readonly commitIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly snapshotIndex: LogIndex;
  readonly membership: MembershipView;
  /** At a leader, sorted by id; empty elsewhere. */
  readonly peers: readonly PeerStatus[];
}

/** A protocol's messages as bytes: the published protobuf layout, one top-level message a frame. */
export interface MessageCodec<M> {
  /**
   * The message as parts for one gathering write. Records appear by their encoded bytes, uncopied.
   * The first field number of a frame is 1 to 15; the host's own frames use 100 and above.
   */
  encode(message: M): readonly Uint8Array[];
  /** The message, or null on malformed input. Payloads are views into `bytes`. */
  decode(bytes: Uint8Array): M | null;
}

/** What a protocol can do beyond the common ground. */
export interface Capabilities {
  readonly leadershipTransfer: boolean;
  readonly leaseReads: boolean;
  readonly needsFifoChannels: boolean;
}

/** What a protocol library exports: everything a host needs to run it without knowing it. */
export interface Protocol<M> {
  readonly name: string;
  /** The default variants; `EngineConfig.variants` overrides them by name. */
  readonly variants: Variants;
  readonly capabilities: Capabilities;
  createCodec(records: RecordCodec): MessageCodec<M>;
  /** One line for traces and golden scripts, in the protocol's own words. */
  describeMessage(message: M): string;
  /**
   * Opens an engine over what the WAL recovered, oldest record first, and the durable snapshot that
   * the last snapshot record names (the host has restored the state machine to it). Throws
   * `InvariantViolation` when records contradict each other.
   */
  open(
    config: EngineConfig,
    random: Random,
    snapshot: SnapshotMeta | null,
    records: Iterable<WalRecord>,
  ): ConsensusEngine<M>;
}
