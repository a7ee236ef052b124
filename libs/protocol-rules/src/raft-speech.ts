import type { NodeId } from '@quorate/consensus';
import type {
  AppendEntries,
  AppendEntriesResponse,
  RaftMessage,
  RequestVote,
  RequestVoteResponse,
} from '@quorate/raft';
import type { RaftNode } from './raft-node.ts';
import type { RaftRules } from './raft-rules.ts';

/** What a Raft message states must hold on its sender's disk when it may leave. */
export function raftMayLeave(
  rules: RaftRules,
  node: RaftNode,
  to: NodeId,
  message: RaftMessage,
): void {
  speaksInTerm(rules, node, message);
  switch (message.kind) {
    case 'requestVote':
      asksForVote(rules, node, message);
      return;
    case 'requestVoteResponse':
      if (message.voteGranted && !message.preVote) votes(rules, node, to, message);
      return;
    case 'appendEntries':
      leads(rules, node, message.term);
      sendsItsLog(rules, node, message);
      return;
    case 'appendEntriesResponse':
      if (message.success) acknowledges(rules, node, message);
      return;
    case 'heartbeat':
      leads(rules, node, message.term);
      rules.matches(node, to, message.leaderCommit);
      return;
    case 'installSnapshot':
      leads(rules, node, message.term);
      rules.snapshotIs(node, message.lastIncludedIndex, message.lastIncludedTerm);
      return;
    default:
  }
}

/** R11, C9: nobody speaks in a term above its own, or in one that a crash could take back. */
function speaksInTerm(rules: RaftRules, node: RaftNode, message: RaftMessage): void {
  const isPreVote = message.kind === 'requestVote' && message.preVote;
  const stated = isPreVote ? message.term - 1 : message.term;
  rules.check(stated <= node.term, 'R11', () => {
    return `node ${node.id} says ${message.kind} of term ${message.term} in term ${node.term}`;
  });
  rules.check(stated <= node.durableTerm, 'C9', () => {
    const disk = `its disk knows ${node.durableTerm}`;
    return `node ${node.id} says ${message.kind} in term ${message.term}, ${disk}`;
  });
  if (stated > node.spokenTerm) node.spokenTerm = stated;
}

function asksForVote(rules: RaftRules, node: RaftNode, message: RequestVote): void {
  const { term, lastLogIndex, lastLogTerm, preVote } = message;
  if (preVote) return;
  const { durable } = node;
  rules.check(durable.last >= lastLogIndex, 'C9', () => {
    return `node ${node.id} asks for votes with ${lastLogIndex} entries, holds ${durable.last}`;
  });
  const entry = durable.at(lastLogIndex);
  rules.check(entry === undefined || entry.round === lastLogTerm, 'C9', () => {
    return `node ${node.id} asks for votes with an entry of term ${lastLogTerm}: ${entry?.round}`;
  });
  toldVote(rules, node, term, node.id);
  rules.askedVotes.set(`${term}/${node.id}`, { lastLogIndex, lastLogTerm });
}

function votes(
  rules: RaftRules,
  node: RaftNode,
  to: NodeId,
  { term, requestTerm }: RequestVoteResponse,
): void {
  const kept =
    node.durableTerm > requestTerm || (node.durableTerm === requestTerm && node.durableVote === to);
  rules.check(kept, 'C9', () => {
    return `node ${node.id} grants ${to} a vote in ${requestTerm} that is not on its disk`;
  });
  toldVote(rules, node, requestTerm, to);
  const asked = rules.askedVotes.get(`${requestTerm}/${to}`);
  rules.check(asked !== undefined && term >= requestTerm, 'R11', () => {
    return `node ${node.id} grants ${to} a vote in ${requestTerm}, which it never asked for`;
  });
  if (asked !== undefined) isUpToDate(rules, node, to, requestTerm, asked);
}

/** R10. Entries of the vote's own term or later come from a leader that was elected meanwhile. */
function isUpToDate(
  rules: RaftRules,
  node: RaftNode,
  to: NodeId,
  requestTerm: number,
  asked: { readonly lastLogIndex: number; readonly lastLogTerm: number },
): void {
  let own = node.durable.end ?? null;
  while (own !== null && own.round >= requestTerm) own = own.previous;
  if (own === null) return;
  const { index, round } = own;
  const newer =
    asked.lastLogTerm > round || (asked.lastLogTerm === round && asked.lastLogIndex >= index);
  rules.check(newer, 'R10', () => {
    const theirs = `${asked.lastLogIndex} of term ${asked.lastLogTerm}`;
    return `node ${node.id} votes for ${to} with ${theirs}, holds ${index} of term ${round}`;
  });
}

/** R2, over all incarnations: what was told of a vote can never be taken back. */
function toldVote(rules: RaftRules, node: RaftNode, term: number, candidate: NodeId): void {
  const key = `${term}/${node.id}`;
  const before = rules.toldVotes.get(key) ?? candidate;
  rules.toldVotes.set(key, candidate);
  rules.check(before === candidate, 'R2', () => {
    return `node ${node.id} tells of votes for ${before} and ${candidate} in term ${term}`;
  });
}

function leads(rules: RaftRules, node: RaftNode, term: number): void {
  const leader = rules.leaders.get(term);
  rules.check(leader === node.id, 'R1', () => {
    return `node ${node.id} speaks as the leader of term ${term}, which is ${leader ?? 'nobody'}`;
  });
}

/** R4: what a leader sends stands in its log. */
function sendsItsLog(
  rules: RaftRules,
  node: RaftNode,
  { prevLogIndex, prevLogTerm, entries }: AppendEntries,
): void {
  const previous = node.memory.at(prevLogIndex);
  const last = entries.at(-1);
  const same =
    (previous === undefined || previous.round === prevLogTerm) &&
    (last === undefined || node.memory.at(last.index)?.round === last.round);
  rules.check(same, 'R4', () => {
    return `leader ${node.id} sends entries behind ${prevLogIndex} that its log does not hold`;
  });
}

/** C9, S7, R9: acknowledged is what is on the disk and equal to the leader's log. */
function acknowledges(
  rules: RaftRules,
  node: RaftNode,
  { term, matchIndex }: AppendEntriesResponse,
): void {
  const { durable } = node;
  rules.check(durable.last >= matchIndex, 'C9', () => {
    return `node ${node.id} acknowledges ${matchIndex}, its disk holds ${durable.last}`;
  });
  const leaderId = rules.leaders.get(term);
  if (leaderId === undefined) return;
  const leader = rules.node(leaderId);
  const entry = leader.leads === term ? leader.memory.at(matchIndex) : undefined;
  rules.check(entry === undefined || durable.holds(entry), 'R9', () => {
    return `node ${node.id} acknowledges ${matchIndex} of term ${term}, which its disk lacks`;
  });
}
