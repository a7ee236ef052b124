import {
  type EngineEvent,
  type EngineStatus,
  type NodeId,
  type ReadLevel,
  type Ready,
  RecordKind,
  type Ticket,
  type WalRecord,
} from '@quorate/consensus';
import type { Crc32 } from '@quorate/foundation';
import { majority } from '@quorate/quorum';
import type { Fail } from '../engine-level/ghost-state.ts';
import { DurableFacts, entryMark } from './durable-facts.ts';
import type { ProbeCounts } from './probes.ts';

/** What the ghost knows of one node, over all its incarnations. */
interface NodeGhost {
  durable: DurableFacts;
  /** Batches appended and not yet done, oldest first: each may or may not survive a crash. */
  inFlight: (readonly WalRecord[])[];
  /** The next index that the running incarnation announces as committed. */
  nextIndex: number;
  status: EngineStatus | null;
  /** Linearizable reads that are open, with what was committed anywhere when they were asked. */
  readonly reads: Map<Ticket, number>;
  /** The highest promise that the running incarnation handed to its log, or found there. */
  promisedRound: number;
}

/**
 * What an all-knowing observer remembers of the replicas of a run: what each announced, what would
 * survive a power cut of it now, who led. The names of the checks are those of the safety net. No
 * replica sees it, and nothing in it is ever forgotten.
 */
export class ReplicaGhost {
  /** Marks of the committed entries, from index 1; the first announcement counts for ever. */
  readonly committed: number[] = [0];
  private readonly nodes = new Map<NodeId, NodeGhost>();
  private highestLedRound = 0;
  private readonly fail: Fail;
  private readonly crc32: Crc32;
  private readonly probes: ProbeCounts;

  constructor(
    ids: readonly NodeId[],
    parts: {
      readonly fail: Fail;
      readonly crc32: Crc32;
      readonly probes: ProbeCounts;
    },
  ) {
    this.fail = parts.fail;
    this.crc32 = parts.crc32;
    this.probes = parts.probes;
    for (const id of ids) {
      this.nodes.set(id, {
        durable: new DurableFacts(this.crc32),
        inFlight: [],
        nextIndex: 1,
        status: null,
        reads: new Map(),
        promisedRound: 0,
      });
    }
  }

  /** An invariant that somebody else checks is broken. */
  broke(invariant: string, message: string): never {
    return this.fail(invariant, message);
  }

  /** The highest index that any replica announced. */
  get committedIndex(): number {
    return this.committed.length - 1;
  }

  /** Batches of a node that are on their way to its disk. */
  batchesInFlight(id: NodeId): number {
    return this.of(id).inFlight.length;
  }

  /** A node's process ended: what was in flight may or may not come back. */
  crashed(id: NodeId): void {
    const node = this.of(id);
    node.status = null;
    node.reads.clear();
  }

  /** A read was asked of an engine. */
  asked(id: NodeId, level: ReadLevel, ticket: Ticket): void {
    if (level === 'linearizable') this.of(id).reads.set(ticket, this.committedIndex);
  }

  /**
   * A log was opened: it must give back everything durable (S1, K3), unless a batch in flight at
   * the crash replaced it, and from now on answers for all that it gave back. Of a disk that may
   * have lost something (`mayMiss`) the answer says what, or null; nothing is changed then.
   */
  recovered(id: NodeId, records: Iterable<WalRecord>, mayMiss = false): string | null {
    const node = this.of(id);
    const facts = new DurableFacts(this.crc32);
    facts.fold(records);
    const missing = this.missing(node, facts);
    if (missing !== null) {
      if (mayMiss) return missing;
      this.fail('S1', `node ${id} came back without ${missing}`);
    }
    node.promisedRound = facts.promisedRound;
    node.durable = facts;
    node.inFlight = [];
    return null;
  }

  /** What was durable and is not there; what was in flight at the crash may have replaced it. */
  private missing(node: NodeGhost, facts: DurableFacts): string | null {
    const { durable } = node;
    if (facts.promisedRound < durable.promisedRound) {
      return `its promise of round ${durable.promisedRound}: ${facts.promisedRound}`;
    }
    const { promisedRound, promisedNode, establishedRound } = facts;
    const anew = promisedRound > durable.promisedRound || promisedNode === durable.promisedNode;
    if (!anew && !promises(node.inFlight, promisedRound, promisedNode)) {
      return `its promise to ${durable.promisedNode} in round ${promisedRound}: ${promisedNode}`;
    }
    if (establishedRound < durable.establishedRound) {
      return `its establishing of round ${durable.establishedRound}: ${establishedRound}`;
    }
    if (facts.snapshotIndex < durable.snapshotIndex) {
      return `its snapshot ${durable.snapshotIndex}: ${facts.snapshotIndex}`;
    }
    const replacedFrom = lowestReplaced(node.inFlight);
    for (const [index, mark] of durable.entries) {
      if (index >= replacedFrom || facts.snapshotIndex >= index) continue;
      const isSame = facts.storedUnder.get(index) === durable.storedUnder.get(index);
      if (facts.holds(index, mark) && isSame) continue;
      const found = `snapshot ${facts.snapshotIndex}, last ${facts.lastIndex}`;
      return `its durable entry ${index}; ${found}`;
    }
    return null;
  }

  /** An engine was opened over a snapshot (0: none). */
  opened(id: NodeId, snapshotIndex: number, status: EngineStatus): void {
    const node = this.of(id);
    if (status.round < node.durable.promisedRound) {
      this.fail('C6', `node ${id} forgot round ${node.durable.promisedRound}: ${status.round}`);
    }
    // The disk must hold one whole chain: the snapshot that the log names, and what follows it.
    if (snapshotIndex !== node.durable.snapshotIndex) {
      const named = `${node.durable.snapshotIndex}, which its log names`;
      this.fail('S6', `node ${id} opens over snapshot ${snapshotIndex} instead of ${named}`);
    }
    for (let index = snapshotIndex + 1; index <= node.durable.commitHint; index++) {
      if (!node.durable.entries.has(index)) {
        this.fail('S6', `node ${id} knows ${node.durable.commitHint} committed, lacks ${index}`);
      }
    }
    node.nextIndex = snapshotIndex + 1;
    node.status = null;
  }

  /** A batch went to the log. */
  appended(id: NodeId, records: readonly WalRecord[]): void {
    const node = this.of(id);
    node.inFlight.push(records);
    for (const record of records) {
      if (record.kind !== RecordKind.promise) continue;
      if (record.round < node.promisedRound) {
        this.fail('C6', `node ${id} promises ${record.round} after ${node.promisedRound}`);
      }
      node.promisedRound = record.round;
    }
  }

  /** The oldest batch in flight became durable, as the log says; returns it. */
  persisted(id: NodeId): readonly WalRecord[] {
    const node = this.of(id);
    const batch = node.inFlight.shift();
    if (batch === undefined) {
      return this.fail('simulation', `node ${id} persisted what it did not append`);
    }
    this.probes.hit('suffixRemoved', node.durable.fold(batch) > 0 ? 1 : 0);
    return batch;
  }

  /** A Ready was taken: C3, C4, C5, R14. */
  taken<M>(id: NodeId, ready: Ready<M>): void {
    const node = this.of(id);
    const { snapshotToInstall: installed } = ready;
    if (installed !== null) {
      if (installed.index < node.nextIndex) {
        this.fail('C5', `node ${id} installs ${installed.index} behind ${node.nextIndex - 1}`);
      }
      if (installed.index > this.committedIndex) {
        this.fail('C3', `node ${id} installs ${installed.index}, which nobody committed`);
      }
      node.nextIndex = installed.index + 1;
    }
    for (const { index, type, payload } of ready.committed) {
      if (index !== node.nextIndex) {
        this.fail('C5', `node ${id} announced ${index} instead of ${node.nextIndex}`);
      }
      node.nextIndex++;
      this.announced(id, index, entryMark(this.crc32, type, payload));
    }
    for (const { ticket, index } of ready.readStates) {
      const committedBefore = node.reads.get(ticket) ?? 0;
      node.reads.delete(ticket);
      if (index >= committedBefore) continue;
      this.fail('R14', `node ${id} reads at ${index}; asked when ${committedBefore} was committed`);
    }
    for (const { ticket } of ready.abandoned) node.reads.delete(ticket);
  }

  /** After a turn: C6 and the order of the indexes. */
  looked(id: NodeId, status: EngineStatus): void {
    const node = this.of(id);
    const last = node.status;
    node.status = status;
    const { snapshotIndex, commitIndex, lastIndex, round } = status;
    if (snapshotIndex > commitIndex || commitIndex > lastIndex) {
      const indexes = `${snapshotIndex}, ${commitIndex}, ${lastIndex}`;
      this.fail('C6', `node ${id}: snapshot <= commit <= last does not hold: ${indexes}`);
    }
    if (last === null) return;
    const back = (what: string, from: number, to: number): void => {
      if (to < from) this.fail('C6', `node ${id}: ${what} goes back from ${from} to ${to}`);
    };
    back('round', last.round, round);
    back('commit', last.commitIndex, commitIndex);
    back('snapshot', last.snapshotIndex, snapshotIndex);
  }

  /** An engine told an event: R5, in the words of all protocols. */
  told(id: NodeId, event: EngineEvent, status: EngineStatus): void {
    if (event.kind === 'elected') this.probes.hit('elected');
    if (event.kind === 'candidacyFailed') this.probes.hit('candidacyFailed');
    if (event.kind === 'steppedDown') this.probes.hit('steppedDown');
    if (event.kind === 'serving') this.serves(id, event, status);
  }

  /** A leader of the highest round so far holds every entry that was ever committed. */
  private serves(id: NodeId, event: EngineEvent, status: EngineStatus): void {
    if (event.round <= this.highestLedRound) {
      this.probes.hit('servedBehindNewerRound');
      return;
    }
    this.highestLedRound = event.round;
    if (status.role !== 'leader' || status.round !== event.round) return;
    if (status.lastIndex < this.committedIndex) {
      const text = `node ${id} leads round ${event.round} with ${status.lastIndex} entries`;
      this.fail('R5', `${text}; ${this.committedIndex} are committed`);
    }
  }

  private announced(id: NodeId, index: number, mark: number): void {
    const known = this.committed[index];
    if (known !== undefined) {
      if (known !== mark) this.fail('C3', `node ${id} announced another entry at ${index}`);
      return;
    }
    if (index !== this.committed.length) {
      this.fail('C5', `node ${id} was the first to announce ${index}, out of order`);
    }
    const holders = [...this.nodes].filter(([, { durable }]) => durable.holds(index, mark));
    if (holders.length < majority(this.nodes.size)) {
      const where = holders.map(([holder]) => holder).join(', ');
      this.fail('C4', `node ${id} committed ${index}, durable only on [${where}]`);
    }
    this.committed.push(mark);
  }

  private of(id: NodeId): NodeGhost {
    return this.nodes.get(id) ?? this.fail('simulation', `node ${id} is unknown`);
  }
}

/** The lowest index that a batch in flight may have replaced. */
function lowestReplaced(batches: readonly (readonly WalRecord[])[]): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (const { kind, index } of batches.flat()) {
    const replaces =
      kind === RecordKind.accept || kind === RecordKind.chosen || kind === RecordKind.truncate;
    if (replaces) lowest = Math.min(lowest, index);
  }
  return lowest;
}

/** True when one of the batches promises just this. */
function promises(batches: readonly (readonly WalRecord[])[], round: number, to: number): boolean {
  return batches.flat().some((record) => {
    return record.kind === RecordKind.promise && record.round === round && record.node === to;
  });
}
