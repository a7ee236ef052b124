export { createCodec } from './codec.ts';
export { describeMessage } from './describe.ts';
export {
  type AppendEntries,
  type AppendEntriesResponse,
  type Heartbeat,
  type HeartbeatResponse,
  type InstallSnapshot,
  type RaftMessage,
  type ReadIndexRequest,
  type ReadIndexResponse,
  type RequestVote,
  type RequestVoteResponse,
  TERM_MAX,
  type Term,
} from './messages.ts';
export { raft } from './protocol.ts';
export { RaftEngine } from './raft-engine.ts';
export { encodeSnapshotEngine, lastTermOf, type Recovered, recover } from './records.ts';
