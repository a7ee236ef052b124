import { type NodeId, RecordKind } from '@quorate/consensus';
import type { Accept, Accepted, PaxosMessage, PromiseChunk } from '@quorate/multi-paxos';
import { type BallotPair, compareBallots, show } from './paxos-book.ts';
import type { PaxosNode } from './paxos-node.ts';
import type { PaxosRules } from './paxos-rules.ts';

/** What a Multi-Paxos message states must hold on its sender's disk when it may leave. */
export function paxosMayLeave(
  rules: PaxosRules,
  node: PaxosNode,
  _to: NodeId,
  message: PaxosMessage,
): void {
  switch (message.kind) {
    case 'prepare':
      promised(rules, node, message.kind, message.ballot);
      owns(rules, node, message.ballot);
      return;
    case 'promise':
      promised(rules, node, message.kind, message.ballot);
      prefix(rules, node, message.chosenPrefix);
      reports(rules, node, message);
      return;
    case 'accept':
      owns(rules, node, message.ballot);
      promised(rules, node, message.kind, message.ballot);
      prefix(rules, node, message.chosenPrefix);
      proposals(rules, node, message);
      return;
    case 'accepted':
      promised(rules, node, message.kind, message.ballot);
      prefix(rules, node, message.chosenPrefix);
      acknowledges(rules, node, message);
      return;
    case 'chosen':
    case 'heartbeat':
      owns(rules, node, message.ballot);
      promised(rules, node, message.kind, message.ballot);
      prefix(rules, node, message.chosenPrefix);
      return;
    case 'heartbeatReply':
      promised(rules, node, message.kind, message.ballot);
      prefix(rules, node, message.chosenPrefix);
      return;
    case 'catchUpReply':
      prefix(rules, node, message.chosenPrefix);
      for (const record of message.chosen)
        rules.isChosen(node, record.index, rules.valueMark(record));
      return;
    case 'snapshotOffer':
      prefix(rules, node, message.slot);
      return;
    case 'preempted':
      stated(rules, node, message.promised);
      return;
    default:
  }
}

/** C9: who speaks for a ballot has promised it, on the disk. */
function promised(rules: PaxosRules, node: PaxosNode, kind: string, ballot: BallotPair): void {
  rules.check(compareBallots(node.durablePromise, ballot) >= 0, 'C9', () => {
    const disk = `its disk has promised ${show(node.durablePromise)}`;
    return `replica ${node.id} says ${kind} for ${show(ballot)}, ${disk}`;
  });
  spoke(node, ballot);
}

function stated(rules: PaxosRules, node: PaxosNode, ballot: BallotPair): void {
  rules.check(compareBallots(node.durablePromise, ballot) >= 0, 'C9', () => {
    return `replica ${node.id} refuses for ${show(ballot)}, which is not on its disk`;
  });
  spoke(node, ballot);
}

function spoke(node: PaxosNode, ballot: BallotPair): void {
  if (compareBallots(ballot, node.spoken) > 0) node.spoken = ballot;
}

/** P5: a ballot is its proposer's own, and no incarnation uses one of an earlier one. */
function owns(rules: PaxosRules, node: PaxosNode, ballot: BallotPair): void {
  rules.check(ballot.node === node.id, 'P5', () => {
    return `replica ${node.id} proposes under ${show(ballot)}, which is not its own`;
  });
  const again = ballot.round === node.ownRound && node.incarnation === node.ownRoundIn;
  rules.check(again || ballot.round > node.ownRound, 'P5', () => {
    return `replica ${node.id} uses ballot ${show(ballot)} after round ${node.ownRound}`;
  });
  node.ownRound = ballot.round;
  node.ownRoundIn = node.incarnation;
}

/** P8: a prefix that is called chosen is. */
function prefix(rules: PaxosRules, node: PaxosNode, chosenPrefix: number): void {
  rules.check(chosenPrefix <= rules.book.chosenThrough, 'P8', () => {
    const known = `through ${rules.book.chosenThrough} they are`;
    return `replica ${node.id} calls slots through ${chosenPrefix} chosen, ${known}`;
  });
}

/** P4, P6: what is sent is what was proposed. */
function proposals(rules: PaxosRules, node: PaxosNode, { ballot, proposals }: Accept): void {
  for (const record of proposals) {
    const proposed = rules.book.find(record.index, ballot);
    rules.check(proposed !== undefined, 'P6', () => {
      return `replica ${node.id} sends slot ${record.index} under ${show(ballot)}, never proposed`;
    });
    rules.check(proposed?.mark === rules.valueMark(record), 'P4', () => {
      return `ballot ${show(ballot)} is sent with two values in slot ${record.index}`;
    });
  }
}

/** C9: each slot was accepted at this very ballot, on the disk. */
function acknowledges(rules: PaxosRules, node: PaxosNode, { ballot, ranges }: Accepted): void {
  for (const { first, last } of ranges) {
    for (let slot = first; slot <= last; slot++) {
      const acceptance = rules.book.find(slot, ballot);
      rules.check(acceptance !== undefined && (acceptance.durable & node.bit) !== 0, 'C9', () => {
        return `replica ${node.id} acknowledges ${slot} at ${show(ballot)}, not on its disk`;
      });
    }
  }
}

/** P7, P12: a promise tells all that its sender holds, as it is on the disk, and nothing else. */
function reports(rules: PaxosRules, node: PaxosNode, chunk: PromiseChunk): void {
  const { ballot, fromSlot, throughSlot, trimMark, accepted, last } = chunk;
  const { durable } = node;
  rules.check(trimMark <= durable.snapshotIndex, 'P12', () => {
    const covered = durable.snapshotIndex;
    return `replica ${node.id} has trimmed ${trimMark}, its snapshot covers ${covered}`;
  });
  const told = new Set<number>();
  for (const record of accepted) {
    const { kind, index } = record;
    told.add(index);
    const value = rules.valueMark(record);
    if (kind === RecordKind.chosen) {
      rules.isChosen(node, index, value);
      continue;
    }
    // A late answer to a ballot that leads already may tell what was accepted under it.
    const latest =
      rules.book.latestBelow(index, node.bit, ballot) ?? rules.book.find(index, ballot);
    const own = compareBallots(record, ballot) === 0 ? rules.book.find(index, ballot) : latest;
    const held = own !== undefined && (own.durable & node.bit) !== 0 ? own : undefined;
    const same = held?.mark === value && compareBallots(held, record) === 0;
    rules.check(same, 'P7', () => {
      return `replica ${node.id} reports ${show(record)} in slot ${index}, its disk differs`;
    });
  }
  const end = last ? durable.last : throughSlot;
  for (let slot = Math.max(fromSlot, trimMark + 1); slot <= end; slot++) {
    const held = rules.book.latestBelow(slot, node.bit, ballot);
    rules.check(held === undefined || told.has(slot), 'P7', () => {
      return `replica ${node.id} says nothing of slot ${slot}, which it holds`;
    });
  }
}
