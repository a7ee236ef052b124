import { EntryType, type WalRecord } from '@quorate/consensus';
import type { RaftMessage } from './messages.ts';

/** One line for traces and golden scripts, in Raft's words: kind, term, then what the kind adds. */
export function describeMessage(message: RaftMessage): string {
  return `${message.kind} T${message.term}${details(message)}`;
}

function details(message: RaftMessage): string {
  switch (message.kind) {
    case 'requestVote': {
      const last = `${message.lastLogIndex}@${message.lastLogTerm}`;
      return ` candidate=${message.candidateId} last=${last}${message.preVote ? ' pre' : ''}`;
    }
    case 'requestVoteResponse': {
      const answer = message.voteGranted ? 'granted' : 'refused';
      return ` for=T${message.requestTerm} ${answer}${message.preVote ? ' pre' : ''}`;
    }
    case 'appendEntries': {
      const prev = `${message.prevLogIndex}@${message.prevLogTerm}`;
      return ` prev=${prev} commit=${message.leaderCommit} [${describeEntries(message.entries)}]`;
    }
    case 'appendEntriesResponse':
      if (message.success) return ` match=${message.matchIndex}`;
      return (
        ` refused=${message.rejectedIndex}` +
        ` hint=${message.conflictIndex}@${message.conflictTerm}`
      );
    case 'heartbeat':
      return ` commit=${message.leaderCommit} confirmation=${message.confirmation}`;
    case 'heartbeatResponse':
      return ` confirmation=${message.confirmation}`;
    case 'installSnapshot':
      return ` last=${message.lastIncludedIndex}@${message.lastIncludedTerm}`;
    case 'readIndex':
      return ` context=${message.context}`;
    case 'readIndexResponse':
      return ` context=${message.context} index=${message.readIndex}`;
  }
}

/** Entries as `index@term`, a no-op marked by `*`, a long run by its ends. */
function describeEntries(entries: readonly WalRecord[]): string {
  const name = (entry: WalRecord): string =>
    `${entry.index}@${entry.round}${entry.entryType === EntryType.noop ? '*' : ''}`;
  const first = entries[0];
  const last = entries[entries.length - 1];
  if (first === undefined || last === undefined) return '';
  if (entries.length <= 4) return entries.map(name).join(' ');
  return `${name(first)} .. ${name(last)}`;
}
