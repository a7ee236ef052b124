export { type Ballot, compareBallots, describeBallot, NO_BALLOT, ROUND_MAX } from './ballot.ts';
export { createPaxosCodec } from './codec.ts';
export { describeMessage } from './describe.ts';
export type {
  Accept,
  Accepted,
  CatchUpReply,
  CatchUpRequest,
  Chosen,
  Heartbeat,
  HeartbeatReply,
  PaxosMessage,
  Preempted,
  Prepare,
  Probe,
  ProbeReply,
  PromiseChunk,
  ReadReply,
  ReadRequest,
  SlotRange,
  SnapshotOffer,
} from './messages.ts';
export { multiPaxos } from './protocol.ts';
export { foldRecords, type Recovered } from './records.ts';
