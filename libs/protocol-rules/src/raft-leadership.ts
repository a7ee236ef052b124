import type { NodeId, Ready } from '@quorate/consensus';
import type { RaftMessage } from '@quorate/raft';
import type { RaftNode } from './raft-node.ts';
import type { RaftRules } from './raft-rules.ts';

/** What a follower's word means to the leader of its term. */
export function heardByLeader(node: RaftNode, from: NodeId, message: RaftMessage): void {
  if (message.term !== node.leads) return;
  if (message.kind === 'appendEntriesResponse') {
    const { success, matchIndex } = message;
    if (success && matchIndex > (node.acknowledged.get(from) ?? 0)) {
      node.acknowledged.set(from, matchIndex);
    }
  } else if (message.kind === 'heartbeatResponse') {
    const { confirmation } = message;
    if (confirmation > (node.confirmed.get(from) ?? 0)) node.confirmed.set(from, confirmation);
  } else if (message.kind === 'readIndex') {
    const asked = node.peerReads.get(from) ?? [];
    node.peerReads.set(from, asked);
    // A question that is asked again is the same question.
    if (asked.some(({ context }) => context === message.context)) return;
    asked.push({ context: message.context, confirmation: node.confirmation });
  }
}

/** R9: a leader sends from behind what is acknowledged; and notes the confirmations asked for. */
export function leadershipSpeaks(
  rules: RaftRules,
  node: RaftNode,
  { messages }: Ready<RaftMessage>,
): void {
  if (node.leads === 0) return;
  for (const { to, message } of messages) {
    if (message.kind === 'heartbeat') {
      node.confirmation = Math.max(node.confirmation, message.confirmation);
    } else if (message.kind === 'appendEntries') {
      for (const peer of to) {
        const match = node.acknowledged.get(peer) ?? 0;
        rules.check(message.prevLogIndex >= match, 'R9', () => {
          const next = message.prevLogIndex + 1;
          return `leader ${node.id} sends ${peer} index ${next}, which acknowledged ${match}`;
        });
      }
    }
  }
}

/** R14: reads are answered in a term with a commit, confirmed after they were asked. */
export function answersReads(
  rules: RaftRules,
  node: RaftNode,
  { readStates, abandoned, messages }: Ready<RaftMessage>,
): void {
  for (const { ticket } of readStates) {
    const confirmation = node.ownReads.get(ticket);
    if (confirmation === undefined) continue;
    node.ownReads.delete(ticket);
    mayAnswer(rules, node, confirmation);
  }
  for (const { ticket } of abandoned) node.ownReads.delete(ticket);
  for (const { to, message } of messages) {
    if (message.kind !== 'readIndexResponse') continue;
    for (const peer of to) {
      const asked = node.peerReads.get(peer) ?? [];
      // Nothing is dropped: a question may be repeated, and so answered, at any later time.
      const answered = asked.find(({ context }) => context === message.context);
      if (answered !== undefined) mayAnswer(rules, node, answered.confirmation);
    }
  }
}

function mayAnswer(rules: RaftRules, node: RaftNode, confirmation: number): void {
  if (node.leads === 0) return;
  rules.check(node.memory.at(node.announced)?.round === node.leads, 'R14', () => {
    return `leader ${node.id} answers a read before it committed in term ${node.leads}`;
  });
  let confirmed = 1;
  for (const answered of node.confirmed.values()) if (answered > confirmation) confirmed++;
  rules.check(confirmed >= rules.quorum, 'R14', () => {
    return `leader ${node.id} answers a read that ${confirmed} confirmed after it was asked`;
  });
}
