export { majority, majorityQuorum, type QuorumSystem, quorumIndex, VoteTally } from './quorum.ts';
