import type { NodeId, Ready } from '@quorate/consensus';
import type { ZabMessage } from '@quorate/zab';
import type { Vote, ZabNode } from './zab-node.ts';
import type { ZabRules } from './zab-rules.ts';

type Of<K extends ZabMessage['kind']> = Extract<ZabMessage, { readonly kind: K }>;

/** What a ZAB message states must hold on its sender's disk when it may leave. */
export function zabMayLeave(rules: ZabRules, node: ZabNode, to: NodeId, message: ZabMessage): void {
  switch (message.kind) {
    case 'notification':
      candidateTold(rules, node, message);
      if (message.state === 'looking') looks(rules, node, message);
      return;
    case 'followerInfo':
      accepted(rules, node, message.kind, message.acceptedEpoch);
      return;
    case 'read':
    case 'syncAck':
      return;
    case 'newEpoch':
    case 'ping':
      accepted(rules, node, message.kind, message.epoch);
      return;
    case 'ackEpoch':
      accepted(rules, node, message.kind, message.epoch);
      promises(rules, node, to, message);
      return;
    case 'ack':
      accepted(rules, node, message.kind, message.epoch);
      acknowledges(rules, node, message);
      return;
    default:
      accepted(rules, node, message.kind, message.epoch);
      leads(rules, node, message.kind, message.epoch);
      fromLeader(rules, node, to, message);
  }
}

/** Notes who is sent NEWLEADER in this turn: it leaves before what follows it to that server. */
export function synchronizes(node: ZabNode, ready: Ready<ZabMessage>): void {
  if (node.leads === 0) return;
  for (const { to, message } of [...ready.messages, ...ready.messagesAfterPersist]) {
    if (message.kind === 'newLeader') for (const peer of to) node.synchronized.add(peer);
  }
}

/** C9: an epoch is spoken of when it is durable here. */
function accepted(rules: ZabRules, node: ZabNode, kind: string, epoch: number): void {
  rules.check(node.durableAccepted >= epoch, 'C9', () => {
    const disk = `its disk has ${node.durableAccepted}`;
    return `server ${node.id} says ${kind} of epoch ${epoch}, ${disk}`;
  });
  if (epoch > node.spokenEpoch) node.spokenEpoch = epoch;
}

/** Z14: a vote says of its candidate what that one said itself. */
function candidateTold(rules: ZabRules, node: ZabNode, { vote }: Of<'notification'>): void {
  const { leader, epoch, zxid } = vote;
  const told = `${leader}: ${epoch} <${zxid.epoch},${zxid.counter}>`;
  if (leader === node.id) rules.toldVotes.add(told);
  rules.check(rules.toldVotes.has(told), 'Z14', () => {
    return `server ${node.id} votes for ${told}, which the candidate never said`;
  });
}

/** C9, Z14: an own vote names the last transaction on the disk; votes only get better. */
function looks(rules: ZabRules, node: ZabNode, { round, vote }: Of<'notification'>): void {
  const { end } = node.durable;
  if (vote.leader === node.id) {
    const same = end === undefined || isZxid(vote.zxid, end);
    rules.check(same && vote.epoch === node.durableCurrent, 'C9', () => {
      const zxid = `${vote.zxid.epoch},${vote.zxid.counter}`;
      const disk = `its disk ends with ${end?.round},${end?.counter}`;
      return `server ${node.id} votes with ${zxid}, ${disk}`;
    });
  }
  const before = node.voteRound === round ? node.vote : null;
  rules.check(before === null || compareVotes(vote, before) >= 0, 'Z14', () => {
    return `server ${node.id} goes back to a worse vote, for ${vote.leader}, in round ${round}`;
  });
  node.voteRound = round;
  node.vote = vote;
}

function compareVotes(a: Vote, b: Vote): number {
  if (a.epoch !== b.epoch) return a.epoch - b.epoch;
  if (a.zxid.epoch !== b.zxid.epoch) return a.zxid.epoch - b.zxid.epoch;
  return a.zxid.counter === b.zxid.counter ? a.leader - b.leader : a.zxid.counter - b.zxid.counter;
}

/** C9, Z1: what ACK-E states is on the disk, and an epoch is promised to one server. */
function promises(rules: ZabRules, node: ZabNode, to: NodeId, message: Of<'ackEpoch'>): void {
  const { epoch, counted, currentEpoch, index } = message;
  const states = node.durableCurrent === currentEpoch && node.durable.last >= index;
  rules.check(states, 'C9', () => {
    const disk = `its disk has epoch ${node.durableCurrent} and ${node.durable.last} transactions`;
    return `server ${node.id} says ACK-E with ${currentEpoch} and ${index}, ${disk}`;
  });
  if (!counted) return;
  rules.check(node.durableAccepted === epoch && node.durableFrom === to, 'C9', () => {
    return `server ${node.id} promises ${epoch} to ${to}, its disk says to ${node.durableFrom}`;
  });
  const key = `${epoch}/${node.id}`;
  const before = rules.promises.get(key) ?? to;
  rules.promises.set(key, to);
  rules.check(before === to, 'Z1', () => {
    return `server ${node.id} promises epoch ${epoch} to ${before} and ${to}`;
  });
}

/** C9, Z1: who speaks as the leader of an epoch is its leader, on the disk too. */
function leads(rules: ZabRules, node: ZabNode, kind: string, epoch: number): void {
  rules.check(rules.leaders.get(epoch) === node.id, 'Z1', () => {
    return `server ${node.id} says ${kind} in epoch ${epoch}, led by ${rules.leaders.get(epoch)}`;
  });
  rules.check(node.durableCurrent >= epoch, 'C9', () => {
    return `server ${node.id} says ${kind} of ${epoch}, its currentEpoch is ${node.durableCurrent}`;
  });
}

/** Z12: what only a leader says belongs to its phase and to its history. */
function fromLeader(
  rules: ZabRules,
  node: ZabNode,
  to: NodeId,
  message: Of<'trunc' | 'snap' | 'diff' | 'newLeader' | 'upToDate' | 'propose' | 'commit'>,
): void {
  const fail = (text: string): (() => string) => {
    return () => `server ${node.id} says ${message.kind} to ${to} ${text}`;
  };
  if (message.kind === 'newLeader') {
    const end = node.memory.at(message.index);
    rules.check(end === undefined || isZxid(message.zxid, end), 'Z12', fail('with a wrong zxid'));
    return;
  }
  if (message.kind === 'propose' || message.kind === 'diff') {
    const last = message.records.at(-1);
    const held = last === undefined ? undefined : node.memory.at(last.index);
    const same = held?.round === last?.round && held?.counter === last?.counter;
    rules.check(same, 'Z12', fail('with transactions that its history does not hold'));
  }
  if (message.kind === 'propose') {
    const foreign = message.records.some(({ round }) => round !== message.epoch);
    rules.check(!foreign, 'Z12', fail('with a transaction of another epoch'));
  }
  if (message.kind !== 'propose' && message.kind !== 'upToDate' && message.kind !== 'commit')
    return;
  rules.check(node.synchronized.has(to), 'Z12', fail('before NEWLEADER'));
  rules.check(node.serves, 'Z12', fail('before a quorum acknowledged NEWLEADER'));
  rules.check(message.committed <= node.announced, 'Z12', fail('of more than it committed'));
}

/** C9, Z9, Z12: what is acknowledged is on the disk, and nothing else than the leader has is. */
function acknowledges(rules: ZabRules, node: ZabNode, { nonce, epoch, index }: Of<'ack'>): void {
  const { durable, acks } = node;
  rules.check(durable.last >= index && node.durableCurrent >= epoch, 'C9', () => {
    const disk = `its disk holds ${durable.last} in epoch ${node.durableCurrent}`;
    return `server ${node.id} acknowledges ${index} of epoch ${epoch}, ${disk}`;
  });
  const again = acks.nonce === nonce && acks.epoch === epoch;
  rules.check(!again || index >= acks.index, 'Z12', () => {
    return `server ${node.id} acknowledges ${index} after ${acks.index} of epoch ${epoch}`;
  });
  acks.nonce = nonce;
  acks.epoch = epoch;
  acks.index = index;
  const leaderId = rules.leaders.get(epoch);
  if (leaderId === undefined) return;
  const leader = rules.node(leaderId);
  if (leader.leads !== epoch) return;
  const ends = leader.memory.at(durable.last);
  const extra = durable.last > leader.memory.last;
  rules.check(!extra && (ends === undefined || durable.holds(ends)), 'Z9', () => {
    return `server ${node.id} acknowledges ${index} with a tail that its leader does not have`;
  });
}

function isZxid(
  zxid: { readonly epoch: number; readonly counter: number },
  entry: { readonly round: number; readonly counter: number },
): boolean {
  return zxid.epoch === entry.round && zxid.counter === entry.counter;
}
