import type { NodeId } from '@quorate/consensus';
import { unreachable } from '@quorate/foundation';
import type { Acceptor } from './acceptor.ts';
import { type Ballot, isRound, sameBallot } from './ballot.ts';
import type { CatchUp, CatchUpServer } from './catch-up.ts';
import type { Context } from './context.ts';
import type { Durability } from './durability.ts';
import type { Learner } from './learner.ts';
import type {
  Accept,
  Accepted,
  CatchUpReply,
  Heartbeat,
  HeartbeatReply,
  PaxosMessage,
  ReadRequest,
  SlotRange,
  SnapshotOffer,
} from './messages.ts';
import type { PeerProgress } from './peer-progress.ts';
import type { Proposer } from './proposer.ts';
import { sameValue } from './records.ts';

/** Everything that a message can reach. */
export interface ReplicaParts {
  readonly context: Context;
  readonly acceptor: Acceptor;
  readonly learner: Learner;
  readonly proposer: Proposer;
  readonly catchUp: CatchUp;
  readonly server: CatchUpServer;
  readonly durability: Durability;
}

/** Takes one message from a peer. Whatever it holds, it is handled or noted as ignored. */
export function stepMessage(parts: ReplicaParts, from: NodeId, message: PaxosMessage): void {
  const refusal = refusalOf(parts.context, from, message);
  if (refusal !== null) {
    parts.context.ignore(from, refusal);
    return;
  }
  const { proposer, context } = parts;
  switch (message.kind) {
    case 'probe':
      proposer.onProbe(from, message.ballot);
      break;
    case 'probeReply':
      proposer.onProbeReply(from, message);
      break;
    case 'prepare':
      proposer.onPrepare(from, message.ballot, message.fromSlot);
      break;
    case 'promise':
      proposer.onPromise(from, message);
      break;
    case 'preempted':
      proposer.onPreempted(from, message);
      break;
    case 'accept':
      onAccept(parts, from, message);
      break;
    case 'accepted':
      onAccepted(parts, from, message);
      break;
    case 'chosen':
      onNotice(parts, from, message.ballot, message.chosenPrefix);
      break;
    case 'heartbeat':
      onHeartbeat(parts, from, message);
      break;
    case 'heartbeatReply':
      onHeartbeatReply(parts, from, message);
      break;
    case 'catchUpRequest':
      parts.server.onRequest(from, message.fromSlot);
      break;
    case 'catchUpReply':
      onCatchUpReply(parts, from, message);
      break;
    case 'snapshotOffer':
      onSnapshotOffer(parts, from, message);
      break;
    case 'readRequest':
      onReadRequest(parts, from, message);
      break;
    case 'readReply':
      noted(context, from, proposer.followerReads.onReply(message));
      break;
    default:
      unreachable(message, 'a message kind without a handler');
  }
}

function noted(context: Context, from: NodeId, refusal: string | null): void {
  if (refusal !== null) context.ignore(from, refusal);
}

function onAccept(parts: ReplicaParts, from: NodeId, message: Accept): void {
  if (!parts.proposer.hear(from, message.ballot)) return;
  const refusal = parts.acceptor.accept(message);
  if (refusal !== null) {
    parts.context.ignore(from, refusal);
    return;
  }
  parts.learner.notice(message.ballot, message.chosenPrefix);
  parts.learner.advance();
  parts.catchUp.notice(from, message.chosenPrefix);
}

function onNotice(parts: ReplicaParts, from: NodeId, ballot: Ballot, chosenPrefix: number): void {
  if (!parts.proposer.hear(from, ballot)) return;
  parts.learner.notice(ballot, chosenPrefix);
  parts.catchUp.notice(from, chosenPrefix);
}

function onHeartbeat(parts: ReplicaParts, from: NodeId, message: Heartbeat): void {
  if (!parts.proposer.hear(from, message.ballot)) return;
  parts.learner.notice(message.ballot, message.chosenPrefix);
  parts.catchUp.notice(from, message.chosenPrefix);
  const { outbox } = parts.context;
  const reply: HeartbeatReply = {
    kind: 'heartbeatReply',
    ballot: message.ballot,
    sequence: message.sequence,
    chosenPrefix: parts.durability.chosenPrefix,
  };
  if (parts.acceptor.promiseDurable) outbox.send([from], reply);
  else outbox.sendAfterPersist([from], reply);
}

/** The peer's progress when an answer belongs to the ballot that this replica leads. */
function ledPeer(parts: ReplicaParts, from: NodeId, ballot: Ballot): PeerProgress | null {
  const { phase2 } = parts.proposer;
  const peer = phase2 !== null && sameBallot(phase2.ballot, ballot) ? phase2.peer(from) : null;
  if (peer === null) {
    parts.context.ignore(from, 'answer to a ballot that this replica does not lead');
    return null;
  }
  peer.answeredAt = parts.context.now;
  peer.connected = true;
  return peer;
}

function onAccepted(parts: ReplicaParts, from: NodeId, message: Accepted): void {
  const peer = ledPeer(parts, from, message.ballot);
  if (peer === null) return;
  parts.proposer.phase2?.onAccepted(peer, message);
  parts.catchUp.notice(from, message.chosenPrefix);
}

function onHeartbeatReply(parts: ReplicaParts, from: NodeId, message: HeartbeatReply): void {
  const { reads } = parts.proposer;
  const peer = ledPeer(parts, from, message.ballot);
  if (peer === null || reads === null) return;
  if (message.sequence > reads.sequence) {
    parts.context.ignore(from, 'answer to a heartbeat that was never sent');
    return;
  }
  peer.confirmed = Math.max(peer.confirmed, message.sequence);
  // What a peer knows beyond this leader is learned from it first, and counts afterwards.
  peer.learned(Math.min(message.chosenPrefix, parts.learner.chosenPrefix));
  parts.catchUp.notice(from, message.chosenPrefix);
  parts.proposer.confirmReads();
}

/**
 * Chosen values, from anybody. When one of them contradicts a proposal of this very ballot, another
 * one chose it: this leader has been superseded and must not announce its own value as chosen.
 */
function onCatchUpReply(parts: ReplicaParts, from: NodeId, message: CatchUpReply): void {
  const { phase2 } = parts.proposer;
  if (phase2?.serving) {
    const superseded = message.chosen.some((record) => {
      const held = parts.context.slots.record(record.index);
      return record.index > parts.learner.chosenPrefix && held !== null && !sameValue(held, record);
    });
    if (superseded) parts.proposer.standDown('another ballot chose a different value');
  }
  const before = parts.learner.chosenPrefix;
  noted(parts.context, from, parts.catchUp.onReply(from, message));
  if (parts.learner.chosenPrefix > before) parts.proposer.recoveryProgressed();
  parts.proposer.phase2?.advance();
  parts.proposer.tryServe();
}

function onSnapshotOffer(parts: ReplicaParts, from: NodeId, message: SnapshotOffer): void {
  const refusal = parts.catchUp.onOffer(from, message);
  noted(parts.context, from, refusal);
  if (refusal === null) parts.proposer.recoveryProgressed();
}

function onReadRequest(parts: ReplicaParts, from: NodeId, message: ReadRequest): void {
  const { phase2, reads } = parts.proposer;
  if (phase2 === null || reads === null || !sameBallot(phase2.ballot, message.ballot)) {
    parts.context.ignore(from, 'read request for a ballot that this replica does not lead');
    return;
  }
  const slot = Math.max(parts.learner.chosenPrefix, phase2.recoveredThrough);
  if (!reads.askFor(from, message.request, slot)) {
    parts.context.ignore(from, 'too many reads wait');
  }
}

/**
 * What makes a message meaningless whatever the state: a stranger, a ballot that its sender does
 * not own (P5), a number out of range (MP-23).
 */
function refusalOf(context: Context, from: NodeId, message: PaxosMessage): string | null {
  if (from === context.id || context.voters.bitOf(from) === 0) return 'sender is no other voter';
  switch (message.kind) {
    case 'probe':
    case 'prepare':
    case 'accept':
    case 'chosen':
    case 'heartbeat':
      if (message.ballot.node !== from) return 'ballot of another proposer';
      break;
    case 'catchUpRequest':
    case 'catchUpReply':
    case 'snapshotOffer':
      return positionRefusal(message);
    default:
      if (message.kind !== 'readReply' && message.ballot.node !== context.id) {
        return 'answer to another proposer';
      }
  }
  if (!isRound(message.ballot.round)) return 'ballot round out of range';
  if (message.kind === 'preempted' && !isRound(message.promised.round)) {
    return 'promised round out of range';
  }
  return positionRefusal(message);
}

function positionRefusal(message: PaxosMessage): string | null {
  switch (message.kind) {
    case 'prepare':
    case 'catchUpRequest':
      return isSlot(message.fromSlot) ? null : 'slot out of range';
    case 'promise':
      return isSlot(message.fromSlot) && isPosition(message.throughSlot) ? null : 'bad range';
    case 'accept':
    case 'catchUpReply':
      return isSlot(message.firstSlot) ? null : 'slot out of range';
    case 'accepted':
      return message.ranges.every(isRange) ? null : 'bad range';
    default:
      return null;
  }
}

function isPosition(slot: number): boolean {
  return Number.isSafeInteger(slot) && slot >= 0;
}

function isSlot(slot: number): boolean {
  return Number.isSafeInteger(slot) && slot >= 1;
}

function isRange(range: SlotRange): boolean {
  return isSlot(range.first) && isSlot(range.last) && range.first <= range.last;
}
