import {
  EntryType,
  type LogIndex,
  type NodeId,
  RecordKind,
  type Round,
  type SnapshotMeta,
  type WalRecord,
} from '@quorate/consensus';
import { MalformedBytes } from '@quorate/foundation';
import { lastTermOf } from './records.ts';

/** Raft's word for a leadership period (Raft paper, section 5.1). 0 is "none". */
export type Term = Round;

/**
 * The highest term that is taken from a peer. A term far above it could only come from a damaged or
 * hostile sender, and counting on from it would leave the range of exact numbers.
 */
export const TERM_MAX = 2 ** 52;

/** Asks for a vote, or with `preVote` whether one would be given (Raft thesis, 3.4 and 9.6). */
export interface RequestVote {
  readonly kind: 'requestVote';
  /** The term of the candidacy: the sender's term, or with `preVote` its term plus one. */
  readonly term: Term;
  readonly candidateId: NodeId;
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
  readonly preVote: boolean;
}

/**
 * Answers {@link RequestVote}. `requestTerm` mirrors the request, so that an answer is counted in
 * that candidacy alone (RF-03) and a refusal tells the voter's own `term` without being mistaken
 * for an answer to another request (RF-11).
 */
export interface RequestVoteResponse {
  readonly kind: 'requestVoteResponse';
  /** The voter's current term. */
  readonly term: Term;
  readonly requestTerm: Term;
  readonly voteGranted: boolean;
  readonly preVote: boolean;
}

/** Replicates entries (Raft paper, figure 2). Entries are the very records that were logged. */
export interface AppendEntries {
  readonly kind: 'appendEntries';
  readonly term: Term;
  readonly leaderId: NodeId;
  readonly prevLogIndex: LogIndex;
  readonly prevLogTerm: Term;
  readonly leaderCommit: LogIndex;
  readonly entries: readonly WalRecord[];
}

/**
 * Answers {@link AppendEntries} and a finished snapshot. On success `matchIndex` is what the
 * request covered, never the follower's own last index (RF-22). A refusal names the refused
 * `prevLogIndex` and gives a hint: the highest entry at or below it that may still match.
 */
export interface AppendEntriesResponse {
  readonly kind: 'appendEntriesResponse';
  readonly term: Term;
  readonly success: boolean;
  readonly matchIndex: LogIndex;
  readonly rejectedIndex: LogIndex;
  readonly conflictIndex: LogIndex;
  readonly conflictTerm: Term;
}

/**
 * Keeps followers quiet, tells the commit index up to what this follower is known to hold, and asks
 * for a confirmation of leadership. It is apart from AppendEntries because its answer need not wait
 * for the follower's disk. A `confirmation` of 0 asks for no answer.
 */
export interface Heartbeat {
  readonly kind: 'heartbeat';
  readonly term: Term;
  readonly leaderId: NodeId;
  readonly leaderCommit: LogIndex;
  readonly confirmation: number;
}

/**
 * Answers {@link Heartbeat}: in `term`, after `confirmation` was issued, the sender had no other
 * leader.
 */
export interface HeartbeatResponse {
  readonly kind: 'heartbeatResponse';
  readonly term: Term;
  readonly confirmation: number;
}

/**
 * Announces a snapshot (Raft paper, figure 13); the hosts stream the file itself, and what arrives
 * is checked against this announcement.
 */
export interface InstallSnapshot {
  readonly kind: 'installSnapshot';
  readonly term: Term;
  readonly leaderId: NodeId;
  readonly lastIncludedIndex: LogIndex;
  readonly lastIncludedTerm: Term;
  readonly meta: SnapshotMeta;
}

/**
 * A follower asks its leader for a read index (Raft thesis, 6.4). `context` grows with each ask.
 */
export interface ReadIndexRequest {
  readonly kind: 'readIndex';
  readonly term: Term;
  readonly context: number;
}

/** Answers every {@link ReadIndexRequest} of the receiver with a context up to `context`. */
export interface ReadIndexResponse {
  readonly kind: 'readIndexResponse';
  readonly term: Term;
  readonly context: number;
  readonly readIndex: LogIndex;
}

/** What only the leader of a term says. */
export type LeaderMessage = AppendEntries | Heartbeat | InstallSnapshot;

/** What only followers say, to the leader of their term. */
export type FollowerMessage = AppendEntriesResponse | HeartbeatResponse | ReadIndexRequest;

/** Everything that Raft replicas say to each other. */
export type RaftMessage =
  | RequestVote
  | RequestVoteResponse
  | AppendEntries
  | AppendEntriesResponse
  | Heartbeat
  | HeartbeatResponse
  | InstallSnapshot
  | ReadIndexRequest
  | ReadIndexResponse;

const isIndex = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
const isTerm = (value: number): boolean => isIndex(value) && value <= TERM_MAX;

/**
 * Why a message from `from` makes no sense on its own, or null. Checked before anything is done
 * with it, so that the handlers may rely on what is checked here.
 */
export function flawOf(message: RaftMessage, from: NodeId): string | null {
  // Only a voter that has never seen a term may answer in term 0: it grants a first pre-vote.
  const mayBeFirst = message.kind === 'requestVoteResponse';
  if (!isTerm(message.term) || (message.term === 0 && !mayBeFirst)) return 'term out of range';
  switch (message.kind) {
    case 'requestVote':
      if (message.candidateId !== from) return 'candidate is not the sender';
      if (!isIndex(message.lastLogIndex)) return 'index out of range';
      return isTerm(message.lastLogTerm) && message.lastLogTerm <= message.term
        ? null
        : 'last log term out of range';
    case 'requestVoteResponse':
      return isTerm(message.requestTerm) ? null : 'request term out of range';
    case 'appendEntries':
      return message.leaderId === from ? flawOfEntries(message) : 'leader is not the sender';
    case 'appendEntriesResponse':
      if (!isIndex(message.matchIndex) || !isIndex(message.rejectedIndex)) {
        return 'index out of range';
      }
      return isIndex(message.conflictIndex) && isTerm(message.conflictTerm)
        ? null
        : 'conflict hint out of range';
    case 'heartbeat':
      if (message.leaderId !== from) return 'leader is not the sender';
      return isIndex(message.leaderCommit) && isIndex(message.confirmation)
        ? null
        : 'index out of range';
    case 'heartbeatResponse':
      return isIndex(message.confirmation) ? null : 'confirmation out of range';
    case 'installSnapshot':
      return message.leaderId === from ? flawOfSnapshot(message) : 'leader is not the sender';
    case 'readIndex':
      return isIndex(message.context) ? null : 'context out of range';
    case 'readIndexResponse':
      return isIndex(message.context) && isIndex(message.readIndex) ? null : 'index out of range';
    default:
      return 'unknown kind';
  }
}

/** Entries continue the previous one without a gap, and terms never fall along a log. */
function flawOfEntries(message: AppendEntries): string | null {
  if (!isIndex(message.prevLogIndex) || !isIndex(message.leaderCommit)) {
    return 'index out of range';
  }
  if (!isTerm(message.prevLogTerm)) return 'previous term out of range';
  if ((message.prevLogIndex === 0) !== (message.prevLogTerm === 0)) {
    return 'previous entry is half given';
  }
  if (!Array.isArray(message.entries)) return 'no entries';
  let index: number = message.prevLogIndex;
  let term: number = message.prevLogTerm;
  for (const entry of message.entries) {
    index++;
    if (entry.kind !== RecordKind.accept || entry.entryType === EntryType.none) {
      return 'an entry is no entry';
    }
    if (entry.index !== index) return 'entries leave a gap';
    if (!isTerm(entry.round) || entry.round < term || entry.round === 0) return 'terms fall';
    term = entry.round;
  }
  if (!isIndex(index)) return 'index out of range';
  return term <= message.term ? null : 'an entry is newer than its leader';
}

/** The meta must be usable as it stands: a membership that can vote, and Raft's own part. */
function flawOfSnapshot(message: InstallSnapshot): string | null {
  const { meta } = message;
  if (!isIndex(message.lastIncludedIndex) || message.lastIncludedIndex === 0) {
    return 'index out of range';
  }
  if (meta.index !== message.lastIncludedIndex) return 'index is not the one of the snapshot';
  if (!isTerm(message.lastIncludedTerm) || message.lastIncludedTerm > message.term) {
    return 'last included term out of range';
  }
  const { voters, witnesses, learners } = meta.membership;
  const ids = [...voters, ...witnesses, ...learners].map((member) => member.id);
  if (voters.length === 0 || new Set(ids).size !== ids.length) return 'membership makes no sense';
  try {
    if (lastTermOf(meta) === message.lastIncludedTerm) return null;
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error;
  }
  return 'term is not the one of the snapshot';
}
