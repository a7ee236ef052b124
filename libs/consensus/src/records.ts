import { NO_BYTES } from '@quorate/foundation';
import type { LogIndex, NodeId, Round } from './ids.ts';

/**
 * What a WAL record states. Each engine folds these facts into its own words:
 *
 * - `promise`: supports nothing lower than (round, node): Raft term and vote, Paxos promised
 *   ballot, ZAB acceptedEpoch.
 * - `accept`: stored a value at an index under (round, node): Raft entry, Paxos accepted value, ZAB
 *   transaction with zxid (round, counter).
 * - `truncate`: entries from this index on are gone: Raft conflict, ZAB TRUNC.
 * - `establish`: the history now belongs to this round: ZAB currentEpoch.
 * - `commit`: chosen up to this index; a hint that needs no sync of its own.
 * - `chosen`: this value is chosen at this slot, learned by catch-up: Multi-Paxos only.
 * - `snapshot`: a durable snapshot covers up to this index; the payload is its encoded meta.
 */
export const RecordKind = {
  promise: 1,
  accept: 2,
  truncate: 3,
  establish: 4,
  commit: 5,
  chosen: 6,
  snapshot: 7,
} as const;
/** One of the numbers of {@link RecordKind}. */
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

/** What an entry carries: a client's command batch, nothing at all, or a membership change. */
export const EntryType = { none: 0, command: 1, noop: 2, membership: 3 } as const;
/** One of the numbers of {@link EntryType}. */
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

/**
 * One fact in the write-ahead log. It holds nothing local to a replica, so the same bytes with the
 * same CRC serve the leader's WAL, the frames to its peers and their WALs. Fields that a kind does
 * not use are 0, `EntryType.none` or empty.
 */
export interface WalRecord {
  readonly kind: RecordKind;
  readonly entryType: EntryType;
  readonly round: Round;
  readonly index: LogIndex;
  /** The node that the fact names (vote, owner of the ballot); 0 when it names none. */
  readonly node: NodeId | 0;
  /** ZAB: the counter of the zxid. 0 elsewhere. */
  readonly counter: number;
  readonly payload: Uint8Array;
  /** The record as it stands in the WAL and in frames; filled once, by the record codec. */
  encoded: Uint8Array | null;
}

/** What {@link walRecord} takes: a kind and the fields that this kind uses. */
export interface WalRecordFields {
  readonly kind: RecordKind;
  readonly entryType?: EntryType;
  readonly round?: Round;
  readonly index?: LogIndex;
  readonly node?: NodeId | 0;
  readonly counter?: number;
  readonly payload?: Uint8Array;
}

/** Builds a record with all its fields in one order, so that every record has one shape. */
export function walRecord(fields: WalRecordFields): WalRecord {
  return {
    kind: fields.kind,
    entryType: fields.entryType ?? EntryType.none,
    round: fields.round ?? (0 as Round),
    index: fields.index ?? (0 as LogIndex),
    node: fields.node ?? 0,
    counter: fields.counter ?? 0,
    payload: fields.payload ?? NO_BYTES,
    encoded: null,
  };
}
