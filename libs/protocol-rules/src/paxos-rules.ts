import {
  type NodeId,
  type Ready,
  RecordKind,
  type SnapshotMeta,
  type WalRecord,
} from '@quorate/consensus';
import type { PaxosMessage, PromiseChunk } from '@quorate/multi-paxos';
import { majority } from '@quorate/quorum';
import type { ObservedRun, ProtocolRules } from '@quorate/simulator';
import { compareBallots, NO_BALLOT, PaxosBook, show } from './paxos-book.ts';
import { HeardPhase1, PaxosNode, type SlotView } from './paxos-node.ts';
import { paxosMayLeave } from './paxos-speech.ts';
import { countBits, RuleSet } from './rule-set.ts';

/** Multi-Paxos' rules: the invariants P1 to P12 of the safety net, and C9, C11, S4. */
export const multiPaxosRules: ProtocolRules<PaxosMessage> = (run) => new PaxosRules(run);

/** The rule set of one run; `paxos-speech.ts` holds the rules for what is said. */
export class PaxosRules extends RuleSet<PaxosMessage, PaxosNode> {
  readonly book = new PaxosBook();

  constructor(run: ObservedRun) {
    super(run, (id, bit) => new PaxosNode(id, bit));
    // Both phases take majorities; the engines count with the very function that is asked here.
    const members = run.voters.length;
    this.must(2 * majority(members) > members, 'P9', () => {
      return `two quorums of ${majority(members)} among ${members} need not meet`;
    });
  }

  /** Fails the run unless `holds`. */
  check(holds: boolean, invariant: string, text: () => string): void {
    this.must(holds, invariant, text);
  }

  opened(id: NodeId, snapshot: SnapshotMeta | null, records: Iterable<WalRecord>): void {
    const node = this.of(id);
    const before = node.durablePromise;
    node.forget();
    this.foldDurable(node, records);
    this.must(compareBallots(node.durablePromise, node.spoken) >= 0, 'S4', () => {
      const opened = show(node.durablePromise);
      return `replica ${id} opens with ${opened}, it spoke for ${show(node.spoken)}`;
    });
    this.must(compareBallots(node.durablePromise, before) >= 0, 'P2', () => {
      return `replica ${id} opens with promise ${show(node.durablePromise)} after ${show(before)}`;
    });
    node.promised = node.durablePromise;
    node.memory.snapshotIndex = node.durable.snapshotIndex;
    for (const [slot, { ballot, mark, chosen }] of node.durable.slots) {
      if (ballot.round > 0) node.memory.accept(slot, ballot, mark);
      if (chosen !== null) node.memory.choose(slot, chosen);
    }
    for (const { kind, index } of records) {
      if (kind === RecordKind.commit) node.recoveredPrefix = Math.max(node.recoveredPrefix, index);
    }
    node.announced = snapshot?.index ?? 0;
  }

  crashed(id: NodeId): void {
    this.of(id).phase1 = null;
  }

  persisted(id: NodeId, records: readonly WalRecord[]): void {
    this.foldDurable(this.of(id), records);
  }

  received(id: NodeId, from: NodeId, message: PaxosMessage): void {
    const node = this.of(id);
    // A stranger's word counts for nothing (C11).
    const member = this.nodes.get(from);
    if (member === undefined) return;
    if (message.kind === 'promise') this.heardPromise(node, member, message);
    const notice =
      message.kind === 'accept' || message.kind === 'chosen' || message.kind === 'heartbeat';
    if (!notice) return;
    const key = show(message.ballot);
    node.notices.set(key, Math.max(node.notices.get(key) ?? 0, message.chosenPrefix));
  }

  taken(id: NodeId, ready: Ready<PaxosMessage>): void {
    const node = this.of(id);
    for (const { kind } of ready.events) if (kind === 'elected') this.elected(node);
    for (const record of ready.records) this.fold(node, record);
    for (const { kind, round } of ready.events) {
      if (kind === 'candidacy') this.hearsFrom(node, round);
    }
    const { snapshotToInstall, committed } = ready;
    if (snapshotToInstall !== null) node.announced = snapshotToInstall.index;
    for (const { index, type, payload } of committed) {
      this.executes(node, index, this.markOf({ entryType: type, payload }));
    }
    const { phase1 } = node;
    if (phase1 === null || phase1.over) return;
    for (const { to, message } of ready.messagesAfterPersist) {
      if (message.kind !== 'prepare' || compareBallots(message.ballot, phase1.ballot) !== 0)
        continue;
      for (const peer of to) phase1.asked.set(peer, message.fromSlot);
    }
  }

  mayLeave(from: NodeId, to: NodeId, message: PaxosMessage): void {
    paxosMayLeave(this, this.of(from), to, message);
  }

  /** P8: a slot that is called chosen was accepted by a quorum at one and the same ballot. */
  isChosen(node: PaxosNode, slot: number, mark: number | null): void {
    const chosen = this.book.chosen.get(slot);
    this.must(chosen !== undefined && (mark === null || chosen.mark === mark), 'P8', () => {
      const instead = chosen === undefined ? 'nothing' : 'another value';
      return `replica ${node.id} calls slot ${slot} chosen, ${instead} is`;
    });
  }

  /** The marks of values are compared, never their bytes. */
  valueMark(record: WalRecord): number {
    return this.markOf(record);
  }

  /** Phase 1 begins: what the proposer holds itself is its own promise. */
  private hearsFrom(node: PaxosNode, round: number): void {
    const phase1 = new HeardPhase1({ round, node: node.id });
    node.phase1 = phase1;
    for (const [slot, { ballot, mark, chosen }] of node.memory.slots) {
      if (slot <= node.memory.snapshotIndex) continue;
      if (chosen === null) phase1.merge(slot, { ballot, mark, chosen: false }, false);
      else phase1.merge(slot, { ballot, mark: chosen, chosen: true }, false);
    }
  }

  private heardPromise(node: PaxosNode, member: PaxosNode, chunk: PromiseChunk): void {
    const { phase1 } = node;
    if (phase1 === null || phase1.over) return;
    if (compareBallots(chunk.ballot, phase1.ballot) !== 0) return;
    if (phase1.asked.get(member.id) !== chunk.fromSlot) return;
    const won = countBits(phase1.promised | node.bit) >= this.needed;
    for (const record of chunk.accepted) {
      const chosen = record.kind === RecordKind.chosen || record.index <= chunk.chosenPrefix;
      const { round, node: owner } = record;
      const report = { ballot: { round, node: owner }, mark: this.markOf(record), chosen };
      phase1.merge(record.index, report, won);
    }
    // As with values: a quorum without this acceptor may have been enough within the same turn.
    if (!won) phase1.trimMark = Math.max(phase1.trimMark, chunk.trimMark);
    if (chunk.last) {
      phase1.asked.delete(member.id);
      phase1.promised |= member.bit;
    } else phase1.asked.set(member.id, chunk.throughSlot + 1);
  }

  /** C11: a quorum of different members has promised, the own promise only when durable. */
  private elected(node: PaxosNode): void {
    const { phase1 } = node;
    if (phase1 === null) return;
    phase1.over = true;
    const own = compareBallots(node.durablePromise, phase1.ballot) >= 0 ? node.bit : 0;
    const count = countBits((phase1.promised & ~node.bit) | own);
    this.must(count >= this.needed, 'C11', () => {
      return `replica ${node.id} leads ${show(phase1.ballot)}, promised by ${count}`;
    });
  }

  private fold(node: PaxosNode, record: WalRecord): void {
    const { kind, index, round, node: owner } = record;
    const ballot = { round, node: owner };
    if (kind === RecordKind.promise) {
      this.must(compareBallots(ballot, node.promised) >= 0, 'P2', () => {
        return `replica ${node.id} promises ${show(ballot)} after ${show(node.promised)}`;
      });
      node.promised = ballot;
    } else if (kind === RecordKind.accept) {
      this.must(compareBallots(ballot, node.promised) >= 0, 'P3', () => {
        const promised = show(node.promised);
        return `replica ${node.id} accepts ${show(ballot)} after it promised ${promised}`;
      });
      this.must(index > node.memory.snapshotIndex, 'P12', () => {
        return `replica ${node.id} accepts in slot ${index}, which is trimmed`;
      });
      const mark = this.markOf(record);
      if (owner === node.id) this.proposes(node, index, ballot, mark);
      this.accepts(node, index, ballot, mark);
      node.promised = ballot;
      node.memory.accept(index, ballot, mark);
    } else if (kind === RecordKind.chosen) {
      const mark = this.markOf(record);
      this.isChosen(node, index, mark);
      node.memory.choose(index, mark);
    } else if (kind === RecordKind.snapshot) {
      this.must(index <= this.book.chosenThrough, 'P12', () => {
        return `replica ${node.id} trims through ${index}; chosen is ${this.book.chosenThrough}`;
      });
      node.memory.snapshotIndex = Math.max(node.memory.snapshotIndex, index);
    }
  }

  /** P6, P12, C11: what a proposer may propose in a slot under its ballot. */
  private proposes(
    node: PaxosNode,
    slot: number,
    ballot: { readonly round: number; readonly node: number },
    mark: number,
  ): void {
    if (this.book.find(slot, ballot) !== undefined) return;
    const { phase1 } = node;
    const mine = phase1 !== null && compareBallots(phase1.ballot, ballot) === 0 && phase1.over;
    const text = (): string => `replica ${node.id} proposes in ${slot} under ${show(ballot)}`;
    this.must(mine, 'P6', () => `${text()} without a quorum of promises`);
    this.must(slot > (phase1?.trimMark ?? 0), 'P12', () => `${text()}, which is trimmed`);
    const found = phase1?.found.get(slot);
    this.must(found === undefined || found.marks.includes(mark), 'P6', () => {
      return `${text()} another value than was reported at ${show(found?.ballot ?? NO_BALLOT)}`;
    });
    // A leader that was overtaken may still propose; what is chosen binds the later ballots.
    const chosen = this.book.chosen.get(slot);
    const bound = chosen !== undefined && compareBallots(chosen, ballot) < 0;
    this.must(!bound || chosen.mark === mark, 'P6', () => {
      return `${text()} another value than is chosen`;
    });
  }

  /** P4: one value a ballot and slot. */
  private accepts(
    node: PaxosNode,
    slot: number,
    ballot: { readonly round: number; readonly node: number },
    mark: number,
  ): void {
    const known = this.book.find(slot, ballot) ?? this.book.add(slot, ballot, mark);
    this.must(known.mark === mark, 'P4', () => {
      return `ballot ${show(ballot)} has two values in slot ${slot}`;
    });
    known.handed |= node.bit;
  }

  /** P8, P10: slots in order, each because the replica had a reason to call it chosen. */
  private executes(node: PaxosNode, slot: number, mark: number): void {
    this.must(slot === node.announced + 1, 'P10', () => {
      return `replica ${node.id} executes slot ${slot} after ${node.announced}`;
    });
    node.announced = slot;
    this.isChosen(node, slot, mark);
    if (slot <= node.recoveredPrefix || node.memory.slots.get(slot)?.chosen === mark) return;
    const noticed = this.book.of(slot).some((one) => {
      if ((one.handed & node.bit) === 0) return false;
      return one.node === node.id || (node.notices.get(show(one)) ?? 0) >= slot;
    });
    this.must(noticed, 'P8', () => {
      return `replica ${node.id} executes slot ${slot}, never chosen under a ballot it accepted`;
    });
  }

  private foldDurable(node: PaxosNode, records: Iterable<WalRecord>): void {
    const { durable } = node;
    for (const record of records) {
      const { kind, index, round, node: owner } = record;
      const ballot = { round, node: owner };
      const promises = kind === RecordKind.promise || kind === RecordKind.accept;
      if (promises && compareBallots(ballot, node.durablePromise) > 0) node.durablePromise = ballot;
      if (kind === RecordKind.accept) {
        const mark = this.markOf(record);
        durable.accept(index, ballot, mark);
        const known = this.book.find(index, ballot) ?? this.book.add(index, ballot, mark);
        known.durable |= node.bit;
        if (countBits(known.durable) >= this.needed) {
          // P1: a quorum at one ballot has accepted the value; no other may be chosen.
          this.must(this.book.choose(index, known), 'P1', () => {
            return `two values are chosen in slot ${index}`;
          });
        }
      } else if (kind === RecordKind.chosen) durable.choose(index, this.markOf(record));
      else if (kind === RecordKind.snapshot) coverSlots(durable, index);
    }
  }
}

function coverSlots(view: SlotView, index: number): void {
  view.snapshotIndex = Math.max(view.snapshotIndex, index);
  if (view.last < index) view.last = index;
}
