import {
  type EngineStatus,
  type NodeId,
  type Ready,
  RecordKind,
  type SnapshotMeta,
  type WalRecord,
} from '@quorate/consensus';
import type { ObservedRun, ProtocolRules } from '@quorate/simulator';
import type { ZabMessage } from '@quorate/zab';
import { ChainBook, type ChainEntry, CommittedChain, foldDurable } from './chain-log.ts';
import { LeaderCompleteness } from './leader-completeness.ts';
import { countBits, RuleSet } from './rule-set.ts';
import { ZabNode } from './zab-node.ts';
import { synchronizes, zabMayLeave } from './zab-speech.ts';

/** The last counter of an epoch: ZooKeeper keeps 32 bits for it. */
const COUNTER_MAX = 0xffff_ffff;

/** ZAB's rules: the invariants Z1 to Z14 of the safety net, and C9, C11, S4 in its words. */
export const zabRules: ProtocolRules<ZabMessage> = (run) => new ZabRules(run);

/** The rule set of one run; `zab-speech.ts` holds the rules for what is said. */
export class ZabRules extends RuleSet<ZabMessage, ZabNode> {
  readonly committed = new CommittedChain();
  readonly leaders = new Map<number, NodeId>();
  /** Whom a counted promise of an epoch was given, by epoch and server. */
  readonly promises = new Map<string, NodeId>();
  /** What servers said of their own histories in votes. */
  readonly toldVotes = new Set<string>();
  private readonly book: ChainBook;
  private readonly complete = new LeaderCompleteness(this.committed);
  /** How far the primary of an epoch had delivered when it broadcast its first transaction. */
  private readonly deliveredBefore = new Map<number, number>();
  private highestBroadcast = 0;

  constructor(run: ObservedRun) {
    super(run, (id, bit) => new ZabNode(id, bit));
    this.book = new ChainBook(
      ({ counter }) => counter,
      (record) => this.markOf(record),
    );
  }

  /** Fails the run unless `holds`. */
  check(holds: boolean, invariant: string, text: () => string): void {
    this.must(holds, invariant, text);
  }

  node(id: NodeId): ZabNode {
    return this.of(id);
  }

  opened(id: NodeId, _snapshot: SnapshotMeta | null, records: Iterable<WalRecord>): void {
    const node = this.of(id);
    node.forget();
    this.foldFacts(node, records);
    const known = (record: WalRecord, previous: ChainEntry | undefined): ChainEntry =>
      this.known(record, previous);
    foldDurable(node.memory, records, known, this.committed);
    node.acceptedEpoch = node.durableAccepted;
    node.acceptedFrom = node.durableFrom;
    node.currentEpoch = node.durableCurrent;
    node.announced = node.memory.snapshotIndex;
    this.must(node.acceptedEpoch >= node.spokenEpoch, 'S4', () => {
      return `server ${id} opens with epoch ${node.acceptedEpoch}, it stated ${node.spokenEpoch}`;
    });
    this.must(node.currentEpoch <= node.acceptedEpoch, 'C6', () => {
      return `server ${id} opens with currentEpoch ${node.currentEpoch} > ${node.acceptedEpoch}`;
    });
  }

  crashed(id: NodeId): void {
    this.of(id).leadershipEnds();
  }

  persisted(id: NodeId, records: readonly WalRecord[]): void {
    this.foldFacts(this.of(id), records);
  }

  received(id: NodeId, from: NodeId, message: ZabMessage): void {
    const node = this.of(id);
    // A stranger's word counts for nothing (C11).
    const member = this.nodes.get(from);
    if (member === undefined) return;
    // A late word of an older epoch takes nothing from what was said in this one.
    if (message.kind === 'ackEpoch' && message.counted && message.epoch >= node.promisedFor) {
      if (node.promisedFor !== message.epoch) node.promised = 0;
      node.promisedFor = message.epoch;
      node.promised |= member.bit;
    } else if (message.kind === 'ack' && message.epoch >= node.acknowledgedFor) {
      if (node.acknowledgedFor !== message.epoch) node.acknowledged = 0;
      node.acknowledgedFor = message.epoch;
      node.acknowledged |= member.bit;
    } else if (message.kind === 'newLeader') {
      node.newLeaders.set(message.epoch, message.index);
    }
  }

  taken(id: NodeId, ready: Ready<ZabMessage>): void {
    const node = this.of(id);
    const { events, committed, records, snapshotToInstall } = ready;
    if (events.some(({ kind }) => kind === 'elected')) node.newLeaders.clear();
    this.fold(node, records, committed.at(-1)?.index ?? node.announced);
    if (snapshotToInstall !== null) node.announced = snapshotToInstall.index;
    if (committed.length > 0) this.delivers(node, committed.at(-1)?.index ?? 0);
    for (const { kind, round } of events) if (kind === 'serving') this.serves(node, round);
    synchronizes(node, ready);
    if (events.some(({ kind }) => kind === 'steppedDown')) node.leadershipEnds();
  }

  override looked(id: NodeId, { lastIndex }: EngineStatus): void {
    this.endsAsRecorded(id, lastIndex, this.of(id).memory.last);
  }

  mayLeave(from: NodeId, to: NodeId, message: ZabMessage): void {
    zabMayLeave(this, this.of(from), to, message);
  }

  /** C11: broadcast begins when a quorum has acknowledged NEWLEADER. */
  private serves(node: ZabNode, epoch: number): void {
    const own = node.durableCurrent >= epoch ? node.bit : 0;
    const acknowledged = node.acknowledgedFor === epoch ? node.acknowledged & ~node.bit : 0;
    const count = countBits(acknowledged | own);
    this.must(count >= this.needed, 'C11', () => {
      return `server ${node.id} serves epoch ${epoch}, acknowledged by ${count} of ${this.needed}`;
    });
    node.serves = true;
  }

  private fold(node: ZabNode, records: readonly WalRecord[], delivered: number): void {
    records.forEach((record, place) => {
      const { kind, index, round } = record;
      if (kind === RecordKind.promise) {
        this.must(round >= node.acceptedEpoch, 'C6', () => {
          return `server ${node.id} takes acceptedEpoch back to ${round}`;
        });
        node.acceptedEpoch = round;
        node.acceptedFrom = record.node;
      } else if (kind === RecordKind.establish) this.establishes(node, round);
      else if (kind === RecordKind.accept) this.logs(node, record, delivered);
      else if (kind === RecordKind.truncate) {
        this.truncates(node, index, records[place + 1]);
        node.memory.truncate(index);
      } else if (kind === RecordKind.snapshot) {
        const entry = this.committed.at(index);
        const same = entry?.round === round && entry?.counter === record.counter;
        this.must(same, 'Z2', () => {
          return `server ${node.id}: a snapshot ends at ${index} with another transaction`;
        });
        node.memory.cover(index, entry);
      }
    });
  }

  /**
   * Z1, Z10, Z13, C11: who may call an epoch its own. A prospective leader whose epoch found no
   * quorum may follow another server in the very same epoch: its promise counts for itself only,
   * its NEWLEADER says whom it follows.
   */
  private establishes(node: ZabNode, epoch: number): void {
    node.currentEpoch = epoch;
    const end = node.newLeaders.get(epoch);
    if (end !== undefined || node.acceptedFrom !== node.id || node.acceptedEpoch !== epoch) {
      this.must(end === node.memory.last, 'Z13', () => {
        return `server ${node.id} enters epoch ${epoch} at ${node.memory.last}, not at ${end}`;
      });
      return;
    }
    const other = this.leaders.get(epoch);
    this.must(other === undefined || other === node.id, 'Z1', () => {
      return `servers ${other} and ${node.id} both lead epoch ${epoch}`;
    });
    const own = node.durableAccepted === epoch && node.durableFrom === node.id ? node.bit : 0;
    const promised = (node.promisedFor === epoch ? node.promised & ~node.bit : 0) | own;
    this.must(countBits(promised) >= this.needed, 'C11', () => {
      return `server ${node.id} leads epoch ${epoch}, promised by ${countBits(promised)}`;
    });
    this.leaders.set(epoch, node.id);
    node.leads = epoch;
    const lacking = this.complete.begins(epoch, node.memory);
    this.must(lacking === null, 'Z10', () => {
      return `server ${node.id} leads epoch ${epoch} without the committed ${lacking}`;
    });
  }

  private logs(node: ZabNode, record: WalRecord, delivered: number): void {
    const { index, round, counter } = record;
    const { memory } = node;
    const previous = memory.at(index - 1);
    if (previous !== undefined) this.succeeds(node, previous, record);
    const known = this.book.find(record);
    if (known === undefined) {
      this.broadcasts(node, round, delivered);
      memory.append(this.book.create(record, previous ?? null));
      return;
    }
    const difference = this.book.difference(known, record, previous);
    this.must(difference === null, 'Z6', () => {
      return `transaction ${round},${counter} at server ${node.id} ${difference}`;
    });
    memory.append(known);
  }

  /** Z7, Z12, Z13: a history goes on by the next zxid of the epoch, or a later one's first. */
  private succeeds(node: ZabNode, previous: ChainEntry, { round, counter }: WalRecord): void {
    const text = (): string => {
      const behind = `${previous.round},${previous.counter}`;
      return `server ${node.id} logs ${round},${counter} behind ${behind}`;
    };
    this.must(round >= previous.round, 'Z7', text);
    const next = round === previous.round ? previous.counter + 1 : 1;
    this.must(counter > next - 1 && counter <= COUNTER_MAX, 'Z13', text);
    this.must(counter === next, 'Z12', text);
  }

  /** Z3, Z8: only its primary makes transactions of an epoch, and it has delivered the earlier. */
  private broadcasts(node: ZabNode, epoch: number, delivered: number): void {
    this.must(node.leads === epoch, 'Z3', () => {
      return `server ${node.id} logs a transaction of epoch ${epoch} that no primary broadcast`;
    });
    if (this.deliveredBefore.has(epoch)) return;
    this.deliveredBefore.set(epoch, delivered);
    this.highestBroadcast = Math.max(this.highestBroadcast, epoch);
    const earlier = this.committed.lastBefore(epoch);
    this.must(delivered >= earlier, 'Z8', () => {
      return `server ${node.id} broadcasts in epoch ${epoch} before it delivers ${earlier}`;
    });
  }

  /** Z11: what is committed is never truncated. */
  private truncates(node: ZabNode, from: number, next: WalRecord | undefined): void {
    const covered = next?.kind === RecordKind.snapshot ? next.index : from - 1;
    const lost = node.memory.at(covered + 1);
    const keeps = lost === undefined || lost !== this.committed.at(covered + 1);
    this.must(from > node.announced && keeps, 'Z11', () => {
      const gone = Math.max(from, covered + 1);
      return `server ${node.id} truncates the committed transaction ${gone}`;
    });
  }

  private delivers(node: ZabNode, last: number): void {
    const { memory, id } = node;
    const end = memory.at(last);
    for (let index = this.committed.last + 1; index <= last; index++) {
      const entry = memory.at(index);
      if (entry === undefined || entry.previous !== this.committed.at(index - 1)) {
        this.run.fail('Z6', `server ${id} delivers ${index} without what was broadcast before it`);
      }
      this.committed.push(entry, node.currentEpoch);
      this.deliveredFirst(entry, node.currentEpoch);
    }
    this.must(end !== undefined && this.committed.at(last) === end, 'Z2', () => {
      return `server ${id} delivers another transaction at ${last} than was committed`;
    });
    node.announced = last;
    if (node.leads === 0 || end === undefined) return;
    let holders = 0;
    for (const { durable } of this.nodes.values()) if (durable.holds(end)) holders++;
    this.must(holders >= this.needed, 'C4', () => {
      return `server ${id} commits ${last}, which ${holders} disks hold`;
    });
  }

  /** Z8, Z10 from the other side: an entry that is first delivered behind a later epoch's begin. */
  private deliveredFirst(entry: ChainEntry, epoch: number): void {
    const later = this.complete.announced(entry, epoch);
    this.must(later === null, 'Z10', () => {
      return `the leader of epoch ${later} began without transaction ${entry.index}`;
    });
    if (entry.round >= this.highestBroadcast) return;
    for (const [broadcast, delivered] of this.deliveredBefore) {
      this.must(broadcast <= entry.round || delivered >= entry.index, 'Z8', () => {
        return `the primary of epoch ${broadcast} had not delivered ${entry.index}`;
      });
    }
  }

  private foldFacts(node: ZabNode, records: Iterable<WalRecord>): void {
    for (const { kind, round, node: from } of records) {
      if (kind === RecordKind.promise && round >= node.durableAccepted) {
        node.durableAccepted = round;
        node.durableFrom = from;
      } else if (kind === RecordKind.establish && round > node.durableCurrent) {
        node.durableCurrent = round;
      }
    }
    const known = (record: WalRecord, previous: ChainEntry | undefined): ChainEntry =>
      this.known(record, previous);
    foldDurable(node.durable, records, known, this.committed);
  }

  private known(record: WalRecord, previous: ChainEntry | undefined): ChainEntry {
    return this.book.find(record) ?? this.book.create(record, previous ?? null);
  }
}
