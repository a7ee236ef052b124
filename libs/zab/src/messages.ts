import type { LogIndex, NodeId, SnapshotMeta, WalRecord } from '@quorate/consensus';
import type { Zxid } from './zxid.ts';

/** Where the sender of a notification stands. */
export type ElectionState = 'looking' | 'following' | 'leading';

/** A vote: whom, and what that server's history was when it was voted for. */
export interface Vote {
  readonly leader: NodeId;
  /** The candidate's currentEpoch. */
  readonly epoch: number;
  /** The candidate's last logged zxid. */
  readonly zxid: Zxid;
}

/** Fast leader election: the sender's state, its election round and its vote. */
export interface Notification {
  readonly kind: 'notification';
  readonly state: ElectionState;
  readonly round: number;
  readonly vote: Vote;
}

/** CEPOCH of the paper: a follower opens an attempt to follow. The leader echoes `nonce`. */
export interface FollowerInfo {
  readonly kind: 'followerInfo';
  readonly nonce: number;
  readonly acceptedEpoch: number;
}

/** NEWEPOCH: the leader proposes the epoch that a quorum's answers have fixed. */
export interface NewEpoch {
  readonly kind: 'newEpoch';
  readonly nonce: number;
  readonly epoch: number;
}

/** ACK-E: the follower supports the epoch and tells what history it has. */
export interface AckEpoch {
  readonly kind: 'ackEpoch';
  readonly nonce: number;
  readonly epoch: number;
  /** False when the same epoch was accepted from another server: synchronizes, never counts. */
  readonly counted: boolean;
  readonly currentEpoch: number;
  readonly zxid: Zxid;
  readonly index: LogIndex;
}

/** The follower's history is to end at this transaction. */
export interface Trunc {
  readonly kind: 'trunc';
  readonly nonce: number;
  readonly epoch: number;
  readonly zxid: Zxid;
  readonly index: LogIndex;
}

/** A snapshot follows on the host's own frames; it replaces the follower's history. */
export interface Snap {
  readonly kind: 'snap';
  readonly nonce: number;
  readonly epoch: number;
  readonly meta: SnapshotMeta;
}

/** Transactions of the leader's history, directly behind what was synchronized so far. */
export interface Diff {
  readonly kind: 'diff';
  readonly nonce: number;
  readonly epoch: number;
  readonly records: readonly WalRecord[];
}

/** Flow control: staged in memory up to this index. Promises nothing about the disk. */
export interface SyncAck {
  readonly kind: 'syncAck';
  readonly nonce: number;
  readonly epoch: number;
  readonly index: LogIndex;
}

/** NEWLEADER: the synchronized history ends here and belongs to this epoch from now on. */
export interface NewLeader {
  readonly kind: 'newLeader';
  readonly nonce: number;
  readonly epoch: number;
  readonly zxid: Zxid;
  readonly index: LogIndex;
}

/** COMMIT-LD: the epoch is established; carries the latest committed index (ZB-21). */
export interface UpToDate {
  readonly kind: 'upToDate';
  readonly nonce: number;
  readonly epoch: number;
  readonly committed: LogIndex;
}

/** PROPOSE of many transactions, with the COMMIT that would otherwise follow it. */
export interface Propose {
  readonly kind: 'propose';
  readonly epoch: number;
  readonly committed: LogIndex;
  readonly records: readonly WalRecord[];
}

/** COMMIT of everything up to an index, when no PROPOSE carries it. */
export interface Commit {
  readonly kind: 'commit';
  readonly epoch: number;
  readonly committed: LogIndex;
}

/**
 * Cumulative acknowledgement: currentEpoch and the history up to `index` are durable. The first one
 * of an attempt is the acknowledgement of NEWLEADER.
 */
export interface Ack {
  readonly kind: 'ack';
  readonly nonce: number;
  readonly epoch: number;
  readonly index: LogIndex;
}

/** A sign of life from the leader, echoed by the follower; `token` confirms reads. */
export interface Ping {
  readonly kind: 'ping';
  readonly epoch: number;
  readonly token: number;
}

/** A follower's question for a read index (`index` 0), and the leader's answer to it. */
export interface Read {
  readonly kind: 'read';
  readonly epoch: number;
  readonly token: number;
  readonly index: LogIndex;
  /** True in an answer when the leader had no room for the question. */
  readonly refused: boolean;
}

/** Everything that ZAB servers say to each other. */
export type ZabMessage =
  | Notification
  | FollowerInfo
  | NewEpoch
  | AckEpoch
  | Trunc
  | Snap
  | Diff
  | SyncAck
  | NewLeader
  | UpToDate
  | Propose
  | Commit
  | Ack
  | Ping
  | Read;
