export { multiPaxosRules } from './paxos-rules.ts';
export { raftRules } from './raft-rules.ts';
export { zabRules } from './zab-rules.ts';
