import {
  type AbandonedRequest,
  type CommittedEntry,
  type EngineConfig,
  type EngineEventKind,
  type EntryType,
  type Instant,
  type LogIndex,
  type Membership,
  NO_TICKET,
  type NodeId,
  type ReadyNumber,
  type Round,
  type SnapshotMeta,
  type Ticket,
  type Variants,
  type WalRecord,
} from '@quorate/consensus';
import { assert, type Random, required } from '@quorate/foundation';
import { majority, majorityQuorum, type QuorumSystem } from '@quorate/quorum';
import type { History } from './history.ts';
import type { ElectionState, Notification, Vote } from './messages.ts';
import { Output } from './output.ts';
import {
  acceptedEpochRecord,
  committedRecord,
  currentEpochRecord,
  type Recovered,
  recover,
  snapshotRecord,
  snapshotZxid,
  transactionRecord,
  truncateRecord,
} from './records.ts';
import type { Zxid } from './zxid.ts';

/** A server that won and never opened an epoch gets no vote for this many election timeouts. */
const AVOIDED_TIMEOUTS = 2;
/** The election timeout is drawn at least this far above its base (RF-10). */
const ABOVE_BASE_MICROS = 1000;

interface Outstanding {
  readonly number: ReadyNumber;
  readonly takenAt: Instant;
  lastIndex: LogIndex;
}

/** Durable facts as of the Readies already taken: what `checkpoint` restates. */
interface TakenFacts {
  acceptedEpoch: number;
  acceptedFrom: NodeId | 0;
  currentEpoch: number;
  snapshot: SnapshotMeta | null;
  committed: LogIndex;
}

/**
 * What a server is in any role: its epochs, its history, what of it is durable and delivered, and
 * the output of the turn. The roles (looking, following, leading) decide; every change of a durable
 * fact goes through here, so that memory and log change together.
 */
export class Server {
  readonly id: NodeId;
  readonly config: EngineConfig;
  readonly variants: Variants;
  readonly membership: Membership;
  readonly voters: readonly NodeId[];
  readonly otherVoters: readonly NodeId[];
  readonly quorum: QuorumSystem;
  readonly history: History;
  now: Instant;
  acceptedEpoch: number;
  acceptedFrom: NodeId | 0;
  currentEpoch: number;
  snapshot: SnapshotMeta | null;
  commitIndex: LogIndex;
  deliveredIndex: LogIndex;
  /** The longest prefix of the current history that is durable here. */
  persistedIndex: LogIndex;
  persistedReady = 0 as ReadyNumber;
  readyNumber = 0 as ReadyNumber;
  /** The election round in memory; starts anew with each incarnation, as in ZooKeeper. */
  electionRound = 0;
  /** The highest epoch that a peer reported beyond an own one; the next own epoch is above it. */
  epochFloor = 0;
  /** The vote last settled on; answers servers that are looking. */
  vote: Vote;
  /** Voters that are owed a notification. */
  readonly notify = new Set<NodeId>();
  out = new Output();
  private readonly random: Random;
  private readonly avoidedUntil = new Map<NodeId, Instant>();
  private readonly tickets = new Map<LogIndex, Ticket>();
  private outstanding: Outstanding[] = [];
  private readonly taken: TakenFacts;
  private hintedCommit: LogIndex;

  constructor(
    config: EngineConfig,
    variants: Variants,
    random: Random,
    snapshot: SnapshotMeta | null,
    records: Iterable<WalRecord>,
  ) {
    const recovered: Recovered = recover(snapshot, records);
    this.id = config.id;
    this.config = config;
    this.variants = variants;
    this.random = random;
    this.membership = snapshot?.membership ?? config.membership;
    this.voters = this.membership.voters.map((member) => member.id);
    assert(this.voters.includes(config.id), 'a ZAB server is a voter of its membership');
    this.otherVoters = this.voters.filter((voter) => voter !== config.id);
    this.quorum = majorityQuorum(this.voters);
    this.now = config.now;
    this.acceptedEpoch = recovered.acceptedEpoch;
    this.acceptedFrom = recovered.acceptedFrom;
    this.currentEpoch = recovered.currentEpoch;
    this.history = recovered.history;
    this.snapshot = snapshot;
    this.commitIndex = recovered.committed;
    this.hintedCommit = recovered.committed;
    this.deliveredIndex = snapshot?.index ?? (0 as LogIndex);
    this.persistedIndex = this.history.lastIndex;
    this.vote = this.ownVote();
    this.taken = { ...recovered, snapshot };
  }

  /** A vote for this server: it names the last *logged* transaction, committed or not (ZB-01). */
  ownVote(): Vote {
    return { leader: this.id, epoch: this.currentEpoch, zxid: this.history.lastZxid };
  }

  isMember(peer: NodeId): boolean {
    return this.otherVoters.includes(peer);
  }

  /** True when the voters that `has` picks form a quorum of every group. */
  isQuorum(has: (voter: NodeId) => boolean): boolean {
    return this.quorum.groups.every((group) => group.filter(has).length >= majority(group.length));
  }

  /** A silence after which a peer is suspected, in microseconds: drawn anew for each wait. */
  drawElectionTimeout(): number {
    const { electionTimeoutMinMicros: min, electionTimeoutMaxMicros: max } = this.config;
    return this.random.between(Math.min(min + ABOVE_BASE_MICROS, max), max);
  }

  /** A number that tells this follow attempt from the one before. */
  drawNonce(): number {
    return this.random.nextUint32();
  }

  event(kind: EngineEventKind, round: number, node: NodeId | 0, detail: string): void {
    this.out.note({ kind, at: this.now, round: round as Round, node, detail });
  }

  ignore(from: NodeId, reason: string): void {
    this.event('messageIgnored', this.acceptedEpoch, from, reason);
  }

  /**
   * Notes that an elected server never opened an epoch. Votes travel further than sessions reach:
   * without this a server with the best vote that no quorum can reach would win every election and
   * a healthy majority would never get a leader. It only guides votes; safety never depends on it.
   */
  avoid(candidate: NodeId): void {
    const micros = AVOIDED_TIMEOUTS * this.config.electionTimeoutMaxMicros;
    this.avoidedUntil.set(candidate, (this.now + micros) as Instant);
  }

  isAvoided(candidate: NodeId): boolean {
    return (this.avoidedUntil.get(candidate) ?? 0) > this.now;
  }

  notification(state: ElectionState): Notification {
    return { kind: 'notification', state, round: this.electionRound, vote: this.vote };
  }

  /** Answers the servers that asked, in a settled role. */
  flushNotifications(state: ElectionState): void {
    if (this.notify.size === 0) return;
    const to = [...this.notify].sort((a, b) => a - b);
    this.notify.clear();
    this.out.sendAfterPersist(to, this.notification(state));
  }

  // Durable facts.

  /** The number of the Ready that will carry what is recorded now. */
  get nextReady(): ReadyNumber {
    return (this.readyNumber + 1) as ReadyNumber;
  }

  /** Accepts an epoch from a leader: nothing of a lower one is supported any more. */
  acceptEpoch(epoch: number, leader: NodeId): void {
    assert(epoch > this.acceptedEpoch, 'acceptedEpoch only grows');
    this.acceptedEpoch = epoch;
    this.acceptedFrom = leader;
    this.out.records.push(acceptedEpochRecord(epoch, leader));
  }

  /** The history belongs to `epoch` now; recorded behind everything synchronized (ZB-04). */
  establishEpoch(epoch: number): void {
    assert(epoch >= this.currentEpoch && epoch <= this.acceptedEpoch, 'an accepted, later epoch');
    this.currentEpoch = epoch;
    this.out.records.push(currentEpochRecord(epoch));
  }

  /** Logs a transaction made here. */
  log(zxid: Zxid, type: EntryType, payload: Uint8Array, ticket: Ticket): void {
    const index = (this.history.lastIndex + 1) as LogIndex;
    this.append(transactionRecord(zxid, index, type, payload));
    if (ticket !== NO_TICKET) this.tickets.set(index, ticket);
  }

  /** Logs a transaction that the leader sent: the very record, so its bytes are encoded once. */
  append(record: WalRecord): void {
    this.history.append(record);
    this.out.records.push(record);
  }

  /** Removes the transactions above `index`; committed ones are never among them (Z11). */
  truncateAfter(index: LogIndex): void {
    assert(index >= this.commitIndex, 'a committed transaction is never truncated');
    if (index >= this.history.lastIndex) return;
    this.history.truncateAfter(index);
    this.clampPersisted(index);
    this.out.records.push(truncateRecord(index));
  }

  /** Replaces the history by a peer's snapshot, whose file is durable. */
  installSnapshot(meta: SnapshotMeta): void {
    assert(meta.index > this.commitIndex, 'a snapshot is installed only to get ahead');
    const zxid = required(snapshotZxid(meta), 'the zxid was checked when the snapshot was offered');
    this.clampPersisted(this.commitIndex);
    // Without this record the fold would keep a conflicting tail above the snapshot.
    this.out.records.push(truncateRecord(this.commitIndex));
    this.out.records.push(snapshotRecord(meta));
    this.out.snapshotToInstall = meta;
    this.history.reset(meta.index, zxid);
    this.snapshot = meta;
    this.commitIndex = meta.index;
    this.deliveredIndex = meta.index;
    this.event('snapshotInstalled', this.acceptedEpoch, 0, `index ${meta.index}`);
  }

  /** Takes note of an own durable snapshot. */
  snapshotTaken(meta: SnapshotMeta): void {
    if (meta.index <= (this.snapshot?.index ?? 0)) return;
    assert(meta.index <= this.deliveredIndex, 'a snapshot covers applied transactions');
    this.snapshot = meta;
    this.out.records.push(snapshotRecord(meta));
  }

  /** Raises the commit index; never lowers it. */
  commitUpTo(index: LogIndex): void {
    assert(index <= this.history.lastIndex, 'what is committed is in the history');
    if (index > this.commitIndex) this.commitIndex = index;
  }

  /** Own requests that are not committed yet will not be concluded here. */
  abandonProposals(): void {
    for (const [index, ticket] of this.tickets) {
      if (index <= this.commitIndex) continue;
      this.abandon(ticket, 'unknown');
      this.tickets.delete(index);
    }
  }

  abandon(ticket: Ticket, outcome: AbandonedRequest['outcome']): void {
    if (ticket !== NO_TICKET) this.out.abandoned.push({ ticket, outcome });
  }

  // Durability.

  persisted(upTo: ReadyNumber): void {
    assert(upTo <= this.readyNumber, 'only a Ready that was taken can be durable');
    if (upTo > this.persistedReady) this.persistedReady = upTo;
    let done = 0;
    for (const entry of this.outstanding) {
      if (entry.number > upTo) break;
      if (entry.lastIndex > this.persistedIndex) this.persistedIndex = entry.lastIndex;
      done++;
    }
    if (done > 0) this.outstanding = this.outstanding.slice(done);
  }

  /** When the oldest batch that is not yet durable was handed out, or null. */
  get oldestUnpersistedAt(): Instant | null {
    return this.outstanding[0]?.takenAt ?? null;
  }

  /** True while something recorded is not known to be durable. */
  get hasUnpersisted(): boolean {
    return this.outstanding.length > 0 || this.out.records.length > 0;
  }

  /** What was written above `index` is not part of the history any more (RF-65). */
  private clampPersisted(index: LogIndex): void {
    if (this.persistedIndex > index) this.persistedIndex = index;
    for (const entry of this.outstanding) {
      if (entry.lastIndex > index) entry.lastIndex = index;
    }
  }

  /** Forgets old transactions under the snapshot, as far as no follower waits for them. */
  trimHistory(neededIndex: LogIndex): void {
    const covered = this.snapshot?.index ?? 0;
    if (this.history.baseIndex >= covered) return;
    const { logTailBytesMin, logTailBytesMax } = this.config.limits;
    const end = Math.min(covered, this.deliveredIndex) as LogIndex;
    this.history.trim(end, neededIndex, logTailBytesMin, logTailBytesMax);
  }

  // Taking the turn's output.

  get hasDelivery(): boolean {
    return this.deliveredIndex < this.commitIndex;
  }

  /** The next committed transactions, in order. */
  deliver(): CommittedEntry[] {
    const entries: CommittedEntry[] = [];
    for (let index = this.deliveredIndex + 1; index <= this.commitIndex; index++) {
      const record = this.history.at(index as LogIndex);
      const ticket = this.tickets.get(record.index);
      if (ticket !== undefined) this.tickets.delete(record.index);
      entries.push({
        index: record.index,
        type: record.entryType,
        payload: record.payload,
        ticket: ticket ?? NO_TICKET,
      });
    }
    this.deliveredIndex = this.commitIndex;
    return entries;
  }

  /** Closes the turn: numbers the Ready and remembers what its batch makes durable. */
  close(): Output {
    const closed = this.out;
    this.out = new Output();
    this.readyNumber = this.nextReady;
    if (closed.records.length > 0) {
      // The hint never makes a batch of its own: nothing then waits for a sync that nobody needs.
      if (this.commitIndex > this.hintedCommit) {
        this.hintedCommit = this.commitIndex;
        closed.records.push(committedRecord(this.commitIndex));
      }
      this.outstanding.push({
        number: this.readyNumber,
        takenAt: this.now,
        lastIndex: this.history.lastIndex,
      });
    }
    this.taken.acceptedEpoch = this.acceptedEpoch;
    this.taken.acceptedFrom = this.acceptedFrom;
    this.taken.currentEpoch = this.currentEpoch;
    this.taken.snapshot = this.snapshot;
    this.taken.committed = this.hintedCommit;
    return closed;
  }

  checkpoint(): WalRecord[] {
    const { acceptedEpoch, acceptedFrom, currentEpoch, snapshot, committed } = this.taken;
    const records: WalRecord[] = [];
    if (acceptedEpoch > 0) records.push(acceptedEpochRecord(acceptedEpoch, acceptedFrom));
    if (currentEpoch > 0) records.push(currentEpochRecord(currentEpoch));
    if (snapshot !== null) records.push(snapshotRecord(snapshot));
    if (committed > 0) records.push(committedRecord(committed));
    return records;
  }
}
