export {
  type CommandBatch,
  decodeCommandBatch,
  encodeCommandBatch,
  readCommandBatch,
} from './command-batch.ts';
export {
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  type Detector,
  type EngineConfig,
  type EngineLimits,
  resolveVariants,
  type Variants,
} from './config.ts';
export type {
  AbandonedRequest,
  Capabilities,
  CommittedEntry,
  ConsensusEngine,
  EngineEvent,
  EngineEventKind,
  EngineStatus,
  MessageCodec,
  Outbound,
  PeerStatus,
  Protocol,
  ReadLevel,
  ReadState,
  Ready,
  RequestStatus,
  Role,
  SnapshotTransfer,
} from './engine.ts';
export {
  type Instant,
  instant,
  type LogIndex,
  logIndex,
  NO_INDEX,
  NO_TICKET,
  type NodeId,
  nodeId,
  type ReadyNumber,
  type Round,
  readyNumber,
  round,
  type Ticket,
  ticket,
} from './ids.ts';
export type { Member, Membership, MembershipView } from './membership.ts';
export {
  type Cancel,
  type Clock,
  type Connection,
  type ConnectionHandlers,
  type Disk,
  DiskError,
  type DiskFile,
  type Done,
  type Listener,
  type Net,
  NetError,
  type OpenOptions,
} from './ports.ts';
export {
  createRecordCodec,
  RECORD_HEADER_BYTES,
  RECORD_LENGTH_MAX,
  RECORD_LENGTH_MIN,
  type RecordCodec,
} from './record-codec.ts';
export {
  EntryType,
  RecordKind,
  type WalRecord,
  type WalRecordFields,
  walRecord,
} from './records.ts';
export {
  decodeMembership,
  decodeSnapshotMeta,
  encodeMembership,
  encodeSnapshotMeta,
  type SnapshotDescription,
  type SnapshotMeta,
} from './snapshot.ts';
export type { SnapshotReader, StateMachine } from './state-machine.ts';
