import {
  type EngineStatus,
  type NodeId,
  type ReadLevel,
  type Ready,
  RecordKind,
  type SnapshotMeta,
  type Ticket,
  type WalRecord,
} from '@quorate/consensus';
import type { RaftMessage } from '@quorate/raft';
import type { ObservedRun, ProtocolRules } from '@quorate/simulator';
import { ChainBook, type ChainEntry, CommittedChain, foldDurable } from './chain-log.ts';
import { LeaderCompleteness } from './leader-completeness.ts';
import { answersReads, heardByLeader, leadershipSpeaks } from './raft-leadership.ts';
import { RaftNode } from './raft-node.ts';
import { raftMayLeave } from './raft-speech.ts';
import { countBits, RuleSet } from './rule-set.ts';

/** Raft's rules: the invariants R1 to R14 of the safety net, and C2, C9, C11, S4 in its words. */
export const raftRules: ProtocolRules<RaftMessage> = (run) => new RaftRules(run);

/** What a candidate asked with. */
export interface AskedVote {
  readonly lastLogIndex: number;
  readonly lastLogTerm: number;
}

/** The rule set of one run; other files of this folder hold the rules for what is said. */
export class RaftRules extends RuleSet<RaftMessage, RaftNode> {
  readonly committed = new CommittedChain();
  readonly leaders = new Map<number, NodeId>();
  /** Votes that were told, by term and voter. */
  readonly toldVotes = new Map<string, NodeId>();
  /** What candidates asked with, by term and candidate. */
  readonly askedVotes = new Map<string, AskedVote>();
  private readonly book: ChainBook;
  private readonly complete = new LeaderCompleteness(this.committed);

  constructor(run: ObservedRun) {
    super(run, (id, bit) => new RaftNode(id, bit));
    this.book = new ChainBook(
      ({ index }) => index,
      (record) => this.markOf(record),
    );
  }

  /** Fails the run unless `holds`. */
  check(holds: boolean, invariant: string, text: () => string): void {
    this.must(holds, invariant, text);
  }

  node(id: NodeId): RaftNode {
    return this.of(id);
  }

  get quorum(): number {
    return this.needed;
  }

  opened(id: NodeId, _snapshot: SnapshotMeta | null, records: Iterable<WalRecord>): void {
    const node = this.of(id);
    node.forget();
    this.foldFacts(node, records);
    const { durable, memory } = node;
    node.term = node.durableTerm;
    node.votedFor = node.durableVote;
    node.heardTerm = node.term;
    this.must(node.term >= node.spokenTerm, 'S4', () => {
      return `node ${id} opens in term ${node.term}, it spoke in ${node.spokenTerm}`;
    });
    foldDurable(
      memory,
      records,
      (record, previous) => this.known(record, previous),
      this.committed,
    );
    for (const { kind, index } of records) {
      const commits = kind === RecordKind.commit || kind === RecordKind.snapshot;
      if (commits) node.commitBound = Math.max(node.commitBound, index);
    }
    node.announced = durable.snapshotIndex;
  }

  crashed(id: NodeId): void {
    this.of(id).leadershipEnds();
  }

  persisted(id: NodeId, records: readonly WalRecord[]): void {
    this.foldFacts(this.of(id), records);
  }

  taken(id: NodeId, ready: Ready<RaftMessage>): void {
    const node = this.of(id);
    const led = node.leads;
    const stepsDown = ready.events.some(({ kind }) => kind === 'steppedDown');
    for (const { kind, round } of ready.events) if (kind === 'elected') this.elected(node, round);
    this.fold(node, ready.records, led !== 0 && !stepsDown);
    if (node.leads !== led && node.leads !== 0) this.completeness(node);
    if (stepsDown) node.leadershipEnds();
    if (ready.snapshotToInstall !== null) {
      node.announced = ready.snapshotToInstall.index;
      node.commitBound = Math.max(node.commitBound, node.announced);
    }
    if (ready.committed.length > 0) this.announces(node, ready, led);
    leadershipSpeaks(this, node, ready);
    answersReads(this, node, ready);
  }

  received(id: NodeId, from: NodeId, message: RaftMessage): void {
    const node = this.of(id);
    // A stranger's word counts for nothing (C11).
    const member = this.nodes.get(from);
    if (member === undefined) return;
    const isPreVote = message.kind === 'requestVote' && message.preVote;
    if (!isPreVote) node.heardTerm = Math.max(node.heardTerm, message.term);
    if (message.kind === 'requestVoteResponse') {
      const { requestTerm, voteGranted, preVote } = message;
      if (preVote || !voteGranted) return;
      if (requestTerm > node.voteTerm) node.voters = 0;
      node.voteTerm = Math.max(node.voteTerm, requestTerm);
      if (requestTerm === node.voteTerm) node.voters |= member.bit;
      return;
    }
    if (message.term < node.term) return;
    if (message.kind === 'appendEntries') {
      const covered = message.prevLogIndex + message.entries.length;
      raise(node, Math.min(message.leaderCommit, covered));
    } else if (message.kind === 'heartbeat') raise(node, message.leaderCommit);
    else if (message.kind === 'installSnapshot') raise(node, message.lastIncludedIndex);
    else heardByLeader(node, from, message);
  }

  mayLeave(from: NodeId, to: NodeId, message: RaftMessage): void {
    raftMayLeave(this, this.of(from), to, message);
  }

  override asked(id: NodeId, level: ReadLevel, ticket: Ticket): void {
    const node = this.of(id);
    if (node.leads !== 0 && level === 'linearizable') node.ownReads.set(ticket, node.confirmation);
  }

  override looked(id: NodeId, { role, round, peers, lastIndex }: EngineStatus): void {
    const leader = this.of(id);
    this.endsAsRecorded(id, lastIndex, leader.memory.last);
    if (role !== 'leader' || round !== leader.leads) return;
    for (const { id: peer, matchIndex } of peers) {
      const shown = leader.shownMatch.get(peer) ?? 0;
      this.must(matchIndex >= shown, 'R9', () => {
        return `leader ${id} takes match of ${peer} back from ${shown} to ${matchIndex}`;
      });
      // A follower of a later term may have given up since what it acknowledged to this leader.
      const follows = this.of(peer).durableTerm <= round;
      if (matchIndex > shown && follows) this.matches(leader, peer, matchIndex);
      leader.shownMatch.set(peer, matchIndex);
    }
  }

  /** R9: up to `index` the follower's disk holds what the leader holds. */
  matches(leader: RaftNode, follower: NodeId, index: number): void {
    const entry = leader.memory.at(index);
    if (entry === undefined) return;
    this.must(this.of(follower).durable.holds(entry), 'R9', () => {
      return `leader ${leader.id} counts on ${follower} up to ${index}, whose disk differs there`;
    });
  }

  private elected(node: RaftNode, term: number): void {
    const other = this.leaders.get(term);
    this.must(other === undefined || other === node.id, 'R1', () => {
      return `nodes ${other} and ${node.id} both lead in term ${term}`;
    });
    this.leaders.set(term, node.id);
    const own = node.durableTerm === term && node.durableVote === node.id ? node.bit : 0;
    const votes = (node.voteTerm === term ? node.voters & ~node.bit : 0) | own;
    this.must(countBits(votes) >= this.needed, 'C11', () => {
      const count = countBits(votes);
      return `node ${node.id} leads term ${term} with ${count} votes of ${this.needed}`;
    });
    node.leadershipEnds();
    node.leads = term;
  }

  /** R5: a leader holds what was committed in earlier terms. */
  private completeness(node: RaftNode): void {
    const lacking = this.complete.begins(node.leads, node.memory);
    this.must(lacking === null, 'R5', () => {
      return `node ${node.id} leads term ${node.leads} without the committed entry ${lacking}`;
    });
  }

  private fold(node: RaftNode, records: readonly WalRecord[], leading: boolean): void {
    records.forEach((record, place) => {
      const { kind, index } = record;
      if (kind === RecordKind.promise) this.promises(node, record);
      else if (kind === RecordKind.accept) this.appends(node, record, leading);
      else if (kind === RecordKind.truncate) {
        this.must(!leading, 'R3', () => `leader ${node.id} truncates its log at ${index}`);
        this.truncates(node, index, records[place + 1]);
        node.memory.truncate(index);
      } else if (kind === RecordKind.snapshot) {
        this.snapshotIs(node, index, record.round);
        node.memory.cover(index, this.committed.at(index));
      }
    });
  }

  /** R2: one vote a term; a term rises by what was heard, or by one in an own candidacy. */
  private promises(node: RaftNode, { round, node: vote }: WalRecord): void {
    if (round === node.term) {
      this.must(node.votedFor === 0 || vote === node.votedFor, 'R2', () => {
        return `node ${node.id} votes for ${node.votedFor}, then ${vote} in term ${round}`;
      });
    } else {
      const heard = Math.max(node.term, node.heardTerm);
      this.must(round <= (vote === node.id ? heard + 1 : heard), 'R2', () => {
        return `node ${node.id} goes to term ${round}, ${heard} is the highest that it may know`;
      });
    }
    node.term = round;
    node.votedFor = vote;
  }

  private appends(node: RaftNode, record: WalRecord, leading: boolean): void {
    const { index, round } = record;
    const { memory } = node;
    this.must(!leading || index > memory.last, 'R3', () => {
      return `leader ${node.id} writes index ${index} again`;
    });
    const previous = memory.at(index - 1);
    const known = this.book.find(record);
    if (known === undefined) {
      this.must(this.leaders.get(round) === node.id, 'R4', () => {
        return `node ${node.id} has an entry ${index} of term ${round} that no leader made`;
      });
      memory.append(this.book.create(record, previous ?? null));
      return;
    }
    const difference = this.book.difference(known, record, previous);
    this.must(difference === null, 'R4', () => {
      return `entry ${index} of term ${round} at node ${node.id} ${difference}`;
    });
    memory.append(known);
  }

  /** R8: only above what is committed, and only where another entry or a snapshot follows. */
  private truncates(node: RaftNode, from: number, next: WalRecord | undefined): void {
    const { memory, id } = node;
    this.must(from > node.announced, 'R8', () => {
      return `node ${id} truncates at ${from}; ${node.announced} is committed`;
    });
    const covered = next?.kind === RecordKind.snapshot ? next.index : from - 1;
    const lost = memory.at(covered + 1);
    this.must(lost === undefined || lost !== this.committed.at(covered + 1), 'R8', () => {
      return `node ${id} truncates at ${from} the committed entry ${covered + 1}`;
    });
    if (next?.kind === RecordKind.snapshot) return;
    const conflicts =
      next?.kind === RecordKind.accept &&
      next.index === from &&
      next.round !== memory.at(from)?.round;
    this.must(conflicts, 'R8', () => `node ${id} truncates at ${from} without a conflict there`);
  }

  /** R13: a snapshot ends with the entry that was committed there. */
  snapshotIs(node: RaftNode, index: number, term: number): void {
    const entry = this.committed.at(index);
    this.must(entry !== undefined && entry.round === term, 'R13', () => {
      const there = entry === undefined ? 'nothing' : `an entry of term ${entry.round}`;
      return `node ${node.id}: a snapshot ends at ${index} in term ${term}, committed is ${there}`;
    });
  }

  private announces(node: RaftNode, ready: Ready<RaftMessage>, led: number): void {
    const { memory, id } = node;
    const first = this.committed.last + 1;
    const last = ready.committed.at(-1)?.index ?? 0;
    node.announced = last;
    const end = memory.at(last);
    if (end === undefined) {
      this.run.fail('C2', `node ${id} announces ${last}, which its log does not hold`);
    }
    for (let index = first; index <= last; index++) {
      const entry = memory.at(index);
      const before = this.committed.at(index - 1);
      if (entry === undefined || entry.previous !== before) {
        this.run.fail('C2', `node ${id} commits ${index} behind another entry than was committed`);
      }
      this.committed.push(entry, node.term);
      const later = this.complete.announced(entry, node.term);
      this.must(later === null, 'R5', () => {
        return `the leader of term ${later} was elected without entry ${index}`;
      });
    }
    this.must(this.committed.at(last) === end, 'C2', () => {
      return `node ${id} announces another entry at ${last} than was committed`;
    });
    const leads = led !== 0 && led === node.leads;
    if (leads) this.commitsByRule(node, end);
    else if (led === 0 && node.leads === 0) {
      this.must(last <= node.commitBound, 'R7', () => {
        return `node ${id} commits ${last}; what it was told covers ${node.commitBound}`;
      });
    }
    raise(node, last);
  }

  /** R6: an entry of the own term, on the disks of a quorum. */
  private commitsByRule(node: RaftNode, entry: ChainEntry): void {
    this.must(entry.round === node.leads, 'R6', () => {
      const what = `entry ${entry.index} of term ${entry.round}`;
      return `node ${node.id} commits ${what} in term ${node.leads} by counting`;
    });
    let holders = 0;
    for (const { durable } of this.nodes.values()) if (durable.holds(entry)) holders++;
    this.must(holders >= this.needed, 'R6', () => {
      return `node ${node.id} commits ${entry.index}, which ${holders} disks hold`;
    });
  }

  private foldFacts(node: RaftNode, records: Iterable<WalRecord>): void {
    for (const { kind, round, node: vote } of records) {
      if (kind !== RecordKind.promise || round < node.durableTerm) continue;
      node.durableTerm = round;
      node.durableVote = vote;
    }
    const known = (record: WalRecord, previous: ChainEntry | undefined): ChainEntry =>
      this.known(record, previous);
    foldDurable(node.durable, records, known, this.committed);
  }

  private known(record: WalRecord, previous: ChainEntry | undefined): ChainEntry {
    return this.book.find(record) ?? this.book.create(record, previous ?? null);
  }
}

/** What a follower may commit by what it was told. */
function raise(node: RaftNode, index: number): void {
  if (index > node.commitBound) node.commitBound = index;
}
