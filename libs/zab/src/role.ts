import type {
  Instant,
  LogIndex,
  NodeId,
  PeerStatus,
  RequestStatus,
  SnapshotMeta,
  Ticket,
} from '@quorate/consensus';
import type { FollowerInfo, ZabMessage } from './messages.ts';

/** The phases of DSN'11, section V-A, and ZooKeeper's name for phase 0. */
export type Phase = 'election' | 'discovery' | 'synchronization' | 'broadcast';

/** How a role ends: the engine puts another one in its place. */
export interface RoleSwitch {
  /** Back to the election; `reason` goes into the events. */
  look(reason: string): void;
  /** The election named another server. */
  follow(leader: NodeId): void;
  /** The election named this server; `waiting` holds the followers that were quicker. */
  lead(waiting: ReadonlyMap<NodeId, FollowerInfo>): void;
}

/** What the engine asks of the role in force. Nothing here throws on peer input. */
export interface ServerRole {
  readonly phase: Phase;
  /** The leader that clients may be sent to, or null. */
  readonly leader: NodeId | null;
  step(from: NodeId, message: ZabMessage): void;
  tick(): void;
  nextDeadline(): Instant | null;
  persisted(): void;
  peerConnected(peer: NodeId): void;
  peerDisconnected(peer: NodeId): void;
  propose(payload: Uint8Array, ticket: Ticket): RequestStatus;
  readLinearizable(ticket: Ticket): RequestStatus;
  snapshotOffered(from: NodeId, meta: SnapshotMeta): void;
  snapshotSent(to: NodeId, delivered: boolean): void;
  /** True when `flush` would produce output. */
  readonly hasWork: boolean;
  /** Turns what the turn's inputs left to say into at most one message of a kind and peer. */
  flush(): void;
  /** The last index that no follower of this server still waits for. */
  readonly neededIndex: LogIndex;
  /** Ends the role: concludes what it promised its clients. */
  leave(reason: string): void;
  peers(): PeerStatus[];
}

/** The earlier of two deadlines, either of which may be unset. */
export function earlier(a: Instant | null, b: Instant | null): Instant | null {
  if (a === null) return b;
  return b === null || a <= b ? a : b;
}
