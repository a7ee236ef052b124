import {
  type AbandonedRequest,
  type CommittedEntry,
  type ConsensusEngine,
  type EngineConfig,
  type EngineEvent,
  type EngineStatus,
  EntryType,
  encodeSnapshotMeta,
  type Instant,
  type LogIndex,
  type Membership,
  NO_INDEX,
  NO_TICKET,
  type NodeId,
  type ReadLevel,
  type ReadState,
  type Ready,
  type ReadyNumber,
  RecordKind,
  type RequestStatus,
  type Round,
  type SnapshotDescription,
  type SnapshotMeta,
  type Ticket,
  type WalRecord,
  walRecord,
} from '@quorate/consensus';
import { assert, ProtoWriter } from '@quorate/foundation';
import { foldRecords } from './fold.ts';

/** An entry that is written or being written and not yet committed. */
interface PendingEntry extends CommittedEntry {
  /** The Ready that wrote it; 0 for what the log held at the start. */
  readonly ready: number;
}

/**
 * A log of one node without agreement: an entry is committed once it is durable. It keeps the whole
 * contract, so that what the replicated protocols cost on top of it can be measured. It has no peer
 * to hand over to, so it never steps down, however slow its disk is.
 */
export class UnreplicatedEngine implements ConsensusEngine<never> {
  private readonly config: EngineConfig;
  private readonly membership: Membership;
  private readonly round: Round;
  private now: Instant;
  private number = 0;
  private lastIndex: LogIndex;
  private commitIndex: LogIndex;
  private appliedIndex: LogIndex;
  private snapshot: SnapshotMeta | null;
  /** Snapshot and commit index as of the Readies taken: what a checkpoint may state. */
  private takenSnapshot: SnapshotMeta | null;
  private takenCommit: LogIndex;
  private promiseTaken = false;
  /** Not yet committed, oldest first; emptied from the front by slicing once a `persisted`. */
  private pending: PendingEntry[] = [];
  private pendingBytes = 0;
  private records: WalRecord[] = [];
  private committed: CommittedEntry[] = [];
  private readStates: ReadState[] = [];
  private events: EngineEvent[] = [];

  constructor(config: EngineConfig, snapshot: SnapshotMeta | null, records: Iterable<WalRecord>) {
    this.config = config;
    this.membership = snapshot?.membership ?? config.membership;
    const { voters } = this.membership;
    if (voters.length !== 1 || voters[0]?.id !== config.id) {
      throw new RangeError('an unreplicated cluster has one voter, this node');
    }
    const log = foldRecords(snapshot, records);
    this.round = (log.round + 1) as Round;
    this.now = config.now;
    this.lastIndex = log.lastIndex;
    this.commitIndex = log.lastIndex;
    this.appliedIndex = snapshot?.index ?? NO_INDEX;
    this.snapshot = snapshot;
    this.takenSnapshot = snapshot;
    this.takenCommit = snapshot?.index ?? NO_INDEX;
    for (const { index, entryType, payload } of log.accepts) {
      this.committed.push({ index, type: entryType, payload, ticket: NO_TICKET });
    }
    this.records.push(walRecord({ kind: RecordKind.promise, round: this.round, node: config.id }));
    if (log.lastIndex > this.appliedIndex) this.records.push(this.commitHint());
    for (const kind of ['elected', 'serving'] as const) this.note(kind, config.id, 'alone');
  }

  clock(now: Instant): void {
    this.now = now;
  }

  tick(): void {}

  nextDeadline(): Instant | null {
    return null;
  }

  step(from: NodeId, _message: never): void {
    this.note('messageIgnored', from, 'this node has no peers');
  }

  peerConnected(_peer: NodeId): void {}

  peerDisconnected(_peer: NodeId): void {}

  propose(payload: Uint8Array, ticket: Ticket): RequestStatus {
    const { limits } = this.config;
    if (payload.length > limits.payloadBytesMax) return 'tooLarge';
    if (this.pending.length >= limits.uncommittedEntriesMax) return 'busy';
    const bytes = this.pendingBytes + payload.length;
    if (this.pending.length > 0 && bytes > limits.uncommittedBytesMax) return 'busy';
    this.lastIndex = (this.lastIndex + 1) as LogIndex;
    this.pendingBytes = bytes;
    const index = this.lastIndex;
    const type = EntryType.command;
    this.pending.push({ index, type, payload, ticket, ready: this.number + 1 });
    this.records.push(
      walRecord({
        kind: RecordKind.accept,
        entryType: type,
        round: this.round,
        index,
        node: this.config.id,
        payload,
      }),
    );
    return 'accepted';
  }

  /** Every read is current: nobody else can commit, and what is committed is known here first. */
  read(level: ReadLevel, ticket: Ticket): RequestStatus {
    if (level === 'lease') return 'unsupported';
    if (this.readStates.length >= this.config.limits.readsPendingMax) return 'busy';
    this.readStates.push({ ticket, index: this.commitIndex });
    return 'accepted';
  }

  changeMembership(_target: Membership, _ticket: Ticket): RequestStatus {
    return 'unsupported';
  }

  transferLeadership(_to: NodeId, _ticket: Ticket): RequestStatus {
    return 'unsupported';
  }

  persisted(upTo: ReadyNumber): void {
    assert(upTo <= this.number, 'only a Ready that was taken can be durable');
    let durable = 0;
    for (const entry of this.pending) {
      if (entry.ready > upTo) break;
      const { index, type, payload, ticket } = entry;
      this.committed.push({ index, type, payload, ticket });
      this.pendingBytes -= payload.length;
      durable++;
    }
    if (durable === 0) return;
    if (this.commitIndex === NO_INDEX) this.note('firstCommit', this.config.id, '');
    this.commitIndex = (this.commitIndex + durable) as LogIndex;
    this.pending = this.pending.slice(durable);
    this.records.push(this.commitHint());
  }

  applied(upTo: LogIndex): void {
    assert(upTo <= this.commitIndex, 'only committed entries are applied');
    if (upTo > this.appliedIndex) this.appliedIndex = upTo;
  }

  describeSnapshot(index: LogIndex): SnapshotDescription {
    assert(index <= this.appliedIndex, 'a snapshot covers applied entries');
    assert(index > (this.snapshot?.index ?? NO_INDEX), 'a snapshot covers more than the last one');
    const engine = new ProtoWriter().uint(1, this.round).whole();
    return { index, membership: this.membership, engine };
  }

  snapshotTaken(meta: SnapshotMeta): void {
    if (meta.index <= (this.snapshot?.index ?? NO_INDEX)) return;
    this.snapshot = meta;
    this.records.push(this.snapshotRecord(meta));
  }

  snapshotOffered(from: NodeId, _meta: SnapshotMeta): void {
    this.note('messageIgnored', from, 'this node has no peers');
  }

  snapshotSent(_to: NodeId, _delivered: boolean): void {}

  hasReady(): boolean {
    return (
      this.records.length > 0 ||
      this.committed.length > 0 ||
      this.readStates.length > 0 ||
      this.events.length > 0
    );
  }

  takeReady(): Ready<never> {
    this.number++;
    const abandoned: AbandonedRequest[] = [];
    const ready: Ready<never> = {
      number: this.number as ReadyNumber,
      snapshotToInstall: null,
      records: this.records,
      mustSync: this.records.some((record) => record.kind !== RecordKind.commit),
      messages: [],
      messagesAfterPersist: [],
      snapshotsToSend: [],
      committed: this.committed,
      readStates: this.readStates,
      abandoned,
      membership: null,
      sessionsToReset: [],
      events: this.events,
    };
    this.records = [];
    this.committed = [];
    this.readStates = [];
    this.events = [];
    this.promiseTaken = true;
    this.takenSnapshot = this.snapshot;
    this.takenCommit = this.commitIndex;
    return ready;
  }

  checkpoint(): WalRecord[] {
    const round = (this.promiseTaken ? this.round : this.round - 1) as Round;
    const { id } = this.config;
    const facts: WalRecord[] = [];
    if (round > 0) facts.push(walRecord({ kind: RecordKind.promise, round, node: id }));
    if (this.takenSnapshot !== null) facts.push(this.snapshotRecord(this.takenSnapshot));
    if (this.takenCommit > NO_INDEX) {
      facts.push(walRecord({ kind: RecordKind.commit, index: this.takenCommit }));
    }
    return facts;
  }

  status(): EngineStatus {
    return {
      id: this.config.id,
      role: 'leader',
      phase: 'alone',
      round: this.round,
      leader: this.config.id,
      serving: true,
      commitIndex: this.commitIndex,
      lastIndex: this.lastIndex,
      snapshotIndex: this.snapshot?.index ?? NO_INDEX,
      membership: { current: this.membership, joint: null, index: NO_INDEX },
      peers: [],
    };
  }

  private commitHint(): WalRecord {
    return walRecord({ kind: RecordKind.commit, index: this.commitIndex });
  }

  private snapshotRecord(meta: SnapshotMeta): WalRecord {
    const payload = encodeSnapshotMeta(meta);
    return walRecord({ kind: RecordKind.snapshot, index: meta.index, payload });
  }

  private note(kind: EngineEvent['kind'], node: NodeId, detail: string): void {
    this.events.push({ kind, at: this.now, round: this.round, node, detail });
  }
}
