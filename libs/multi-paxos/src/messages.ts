import type { WalRecord } from '@quorate/consensus';
import type { Ballot } from './ballot.ts';

/**
 * Asks whether the receiver still hears a leader, before any ballot is raised (`leaderStickiness`).
 * It promises and records nothing; `ballot` only names the question.
 */
export interface Probe {
  readonly kind: 'probe';
  readonly ballot: Ballot;
}

/** Answers a {@link Probe}: `willing` when no live leader is heard; `promised` so far. */
export interface ProbeReply {
  readonly kind: 'probeReply';
  readonly ballot: Ballot;
  readonly willing: boolean;
  readonly promised: Ballot;
}

/**
 * Phase 1a for every slot from `fromSlot` on. The pair (ballot, fromSlot) names the request: after
 * a partial promise the proposer asks on behind the last slot that it has been told about.
 */
export interface Prepare {
  readonly kind: 'prepare';
  readonly ballot: Ballot;
  readonly fromSlot: number;
}

/**
 * Phase 1b, one chunk: what the acceptor holds in `fromSlot..throughSlot`, as its accept records
 * (which carry the accepted ballot) or, where it knows a slot to be chosen, a chosen record. Slots
 * up to `trimMark` are chosen and can no longer be told; those up to `chosenPrefix` are chosen.
 */
export interface PromiseChunk {
  readonly kind: 'promise';
  readonly ballot: Ballot;
  readonly fromSlot: number;
  readonly throughSlot: number;
  readonly last: boolean;
  readonly trimMark: number;
  readonly chosenPrefix: number;
  readonly accepted: readonly WalRecord[];
}

/** Refuses `ballot` because the acceptor has promised a higher one (PMMC: `preempted`). */
export interface Preempted {
  readonly kind: 'preempted';
  readonly ballot: Ballot;
  readonly promised: Ballot;
}

/** Phase 2a for the contiguous slots from `firstSlot` on, with the leader's chosen prefix. */
export interface Accept {
  readonly kind: 'accept';
  readonly ballot: Ballot;
  readonly firstSlot: number;
  readonly chosenPrefix: number;
  readonly proposals: readonly WalRecord[];
}

/** The slots `first..last`, both included. */
export interface SlotRange {
  readonly first: number;
  readonly last: number;
}

/** Phase 2b: the acceptor has accepted these slots at this very ballot, durably. */
export interface Accepted {
  readonly kind: 'accepted';
  readonly ballot: Ballot;
  readonly chosenPrefix: number;
  readonly ranges: readonly SlotRange[];
}

/** Every slot up to `chosenPrefix` is chosen; nothing else was proposed there under `ballot`. */
export interface Chosen {
  readonly kind: 'chosen';
  readonly ballot: Ballot;
  readonly chosenPrefix: number;
}

/** The leader lives; `sequence` is unique for each round that it sends under its ballot. */
export interface Heartbeat {
  readonly kind: 'heartbeat';
  readonly ballot: Ballot;
  readonly sequence: number;
  readonly chosenPrefix: number;
}

/** No ballot above `ballot` was promised when round `sequence` arrived. */
export interface HeartbeatReply {
  readonly kind: 'heartbeatReply';
  readonly ballot: Ballot;
  readonly sequence: number;
  readonly chosenPrefix: number;
}

/** Asks any replica for the chosen values from `fromSlot` on. */
export interface CatchUpRequest {
  readonly kind: 'catchUpRequest';
  readonly fromSlot: number;
}

/** Chosen values of the contiguous slots from `firstSlot` on, as chosen records. */
export interface CatchUpReply {
  readonly kind: 'catchUpReply';
  readonly firstSlot: number;
  readonly chosenPrefix: number;
  readonly chosen: readonly WalRecord[];
}

/** Announces the snapshot that the host is about to stream: the slots asked for are trimmed. */
export interface SnapshotOffer {
  readonly kind: 'snapshotOffer';
  readonly promised: Ballot;
  readonly slot: number;
  readonly digest: string;
  readonly bytes: number;
}

/** A follower asks the leader of `ballot` for a read index. */
export interface ReadRequest {
  readonly kind: 'readRequest';
  readonly ballot: Ballot;
  readonly request: number;
}

/** The read index for `request`, confirmed by a quorum after the request came in. */
export interface ReadReply {
  readonly kind: 'readReply';
  readonly ballot: Ballot;
  readonly request: number;
  readonly slot: number;
}

/** What Multi-Paxos replicas tell each other; published as `multi-paxos.proto`. */
export type PaxosMessage =
  | Probe
  | ProbeReply
  | Prepare
  | PromiseChunk
  | Preempted
  | Accept
  | Accepted
  | Chosen
  | Heartbeat
  | HeartbeatReply
  | CatchUpRequest
  | CatchUpReply
  | SnapshotOffer
  | ReadRequest
  | ReadReply;
