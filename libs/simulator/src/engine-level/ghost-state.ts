import {
  type EngineStatus,
  EntryType,
  type LogIndex,
  type NodeId,
  type Ready,
  RecordKind,
  type SnapshotMeta,
  type Ticket,
  type WalRecord,
} from '@quorate/consensus';
import { majority } from '@quorate/quorum';
import type { ClientRequest } from '../options.ts';
import { entryKey, type MachineImage } from './memory-machine.ts';

/** Stops the run: names the broken invariant of the safety net and says what was seen. */
export type Fail = (invariant: string, message: string) => never;

/** What would survive a power cut of one node now. */
interface DurableFacts {
  readonly entries: Map<number, string>;
  lastIndex: number;
  snapshotIndex: number;
  promisedRound: number;
}

/** What one incarnation of one node has told. */
interface Incarnation {
  nextIndex: number;
  status: EngineStatus | null;
  readonly tickets: Map<Ticket, ClientRequest>;
}

/**
 * What an all-knowing observer remembers of a run, engines and crashes aside. Every check compares
 * what a replica just did with it; nothing in it is ever forgotten, so the invariants hold over the
 * whole run and not only for replicas alive at the same instant.
 */
export class GhostState {
  private readonly voters: readonly NodeId[];
  private readonly fail: Fail;
  private readonly keys: string[] = [''];
  private readonly proposed = new Map<string, ClientRequest>();
  private readonly durable = new Map<NodeId, DurableFacts>();
  private readonly incarnations = new Map<NodeId, Incarnation>();
  private readonly never = new Set<string>();

  constructor(voters: readonly NodeId[], fail: Fail) {
    this.voters = voters;
    this.fail = fail;
    for (const id of voters) {
      this.durable.set(id, {
        entries: new Map(),
        lastIndex: 0,
        snapshotIndex: 0,
        promisedRound: 0,
      });
    }
  }

  /** The highest index that any replica has announced as committed. */
  get committedIndex(): LogIndex {
    return (this.keys.length - 1) as LogIndex;
  }

  /** The key of a committed entry. */
  committedKey(index: LogIndex): string | undefined {
    return this.keys[index];
  }

  /** A client asked for something and got its first answer. */
  requested(request: ClientRequest): void {
    if (request.kind === 'propose') {
      const key = `command:${request.text}`;
      if (this.proposed.has(key)) this.fail('C7', `text "${request.text}" is not unique`);
      this.proposed.set(key, request);
      if (request.status !== 'accepted') this.never.add(key);
    }
    if (request.status === 'accepted') this.of(request.node).tickets.set(request.ticket, request);
  }

  /** An engine was opened: it must know all that was durable. */
  opened(node: NodeId, snapshot: SnapshotMeta | null, status: EngineStatus): void {
    const facts = this.facts(node);
    if (status.round < facts.promisedRound) {
      this.fail('C6', `node ${node} forgot round ${facts.promisedRound}: ${status.round}`);
    }
    const nextIndex = (snapshot?.index ?? 0) + 1;
    this.incarnations.set(node, { nextIndex, status: null, tickets: new Map() });
  }

  /** A node went down: what it had not concluded is unknown to its clients. */
  crashed(node: NodeId): void {
    for (const request of this.of(node).tickets.values()) {
      if (request.outcome === 'pending') request.outcome = 'unknown';
    }
    this.incarnations.delete(node);
  }

  /** A Ready was taken: C1, C3, C4, C5, C7, tickets and read indexes. */
  taken<M>(node: NodeId, ready: Ready<M>): void {
    const incarnation = this.of(node);
    if (!ready.mustSync && ready.records.some((record) => record.kind !== RecordKind.commit)) {
      this.fail('contract', `node ${node} does not want facts synced`);
    }
    if (ready.snapshotToInstall !== null) this.installs(node, ready.snapshotToInstall);
    for (const { index, type, payload, ticket } of ready.committed) {
      this.announce(node, index, entryKey(type, payload));
      if (type === EntryType.none) this.fail('C7', `entry ${index} has no type`);
      if (ticket !== 0) this.concludeProposal(node, ticket, index, entryKey(type, payload));
    }
    for (const { ticket, index } of ready.readStates) this.concludeRead(node, ticket, index);
    for (const { ticket, outcome } of ready.abandoned) {
      const request = this.conclude(incarnation, node, ticket);
      request.outcome = outcome;
      const key = `command:${request.text}`;
      if (outcome !== 'lost' || request.kind !== 'propose') continue;
      this.never.add(key);
      if (this.keys.includes(key)) this.fail('C13', `lost "${request.text}" was committed before`);
    }
  }

  /** After each turn: C6 and the order of the indexes. */
  checkStatus(node: NodeId, status: EngineStatus): void {
    const incarnation = this.of(node);
    const last = incarnation.status;
    incarnation.status = status;
    const { snapshotIndex, commitIndex, lastIndex, round } = status;
    if (snapshotIndex > commitIndex || commitIndex > lastIndex) {
      const indexes = `${snapshotIndex}, ${commitIndex}, ${lastIndex}`;
      this.fail('C6', `node ${node}: snapshot <= commit <= last does not hold: ${indexes}`);
    }
    if (last === null) return;
    if (round < last.round) this.fail('C6', `node ${node}: round ${last.round} -> ${round}`);
    if (commitIndex < last.commitIndex) {
      this.fail('C6', `node ${node}: commit ${last.commitIndex} -> ${commitIndex}`);
    }
    if (snapshotIndex < last.snapshotIndex) {
      this.fail('C6', `node ${node}: snapshot ${last.snapshotIndex} -> ${snapshotIndex}`);
    }
  }

  /** Records became durable on a node. */
  persisted(node: NodeId, records: readonly WalRecord[]): void {
    const facts = this.facts(node);
    for (const record of records) {
      const { kind, index } = record;
      if (kind === RecordKind.promise && record.round > facts.promisedRound) {
        facts.promisedRound = record.round;
      } else if (kind === RecordKind.accept || kind === RecordKind.chosen) {
        facts.entries.set(index, entryKey(record.entryType, record.payload));
        facts.lastIndex = Math.max(facts.lastIndex, index);
      } else if (kind === RecordKind.truncate) {
        for (let i: number = index; i <= facts.lastIndex; i++) facts.entries.delete(i);
        facts.lastIndex = Math.min(facts.lastIndex, index - 1);
      } else if (kind === RecordKind.snapshot && index > facts.snapshotIndex) {
        facts.snapshotIndex = index;
      }
    }
  }

  /** A snapshot's content must be what was committed. */
  checkImage(node: NodeId, image: MachineImage): void {
    image.keys.forEach((key, i) => {
      if (this.keys[i + 1] !== key) {
        this.fail('C8', `node ${node}: snapshot ${image.index} differs at ${i + 1}`);
      }
    });
  }

  /** Requests of a node that it accepted and has not concluded. */
  unconcluded(node: NodeId): ClientRequest[] {
    return [...(this.incarnations.get(node)?.tickets.values() ?? [])];
  }

  private announce(node: NodeId, index: LogIndex, key: string): void {
    const incarnation = this.of(node);
    if (index !== incarnation.nextIndex) {
      this.fail('C5', `node ${node} announced ${index} instead of ${incarnation.nextIndex}`);
    }
    incarnation.nextIndex++;
    const known = this.keys[index];
    if (known !== undefined) {
      if (known !== key) this.fail('C3', `index ${index}: "${known}", at ${node} "${key}"`);
      return;
    }
    if (index !== this.keys.length) this.fail('C5', `index ${index} was committed out of order`);
    if (key.startsWith('command:') && !this.proposed.has(key)) {
      this.fail('C7', `nobody proposed "${key}"`);
    }
    if (this.never.has(key)) this.fail('C13', `"${key}" was refused or lost, then committed`);
    this.checkDurable(node, index, key);
    this.keys.push(key);
  }

  /** C4: a majority of the voters would still hold the entry after a power cut of all of them. */
  private checkDurable(node: NodeId, index: LogIndex, key: string): void {
    const holders = this.voters.filter((voter) => {
      const facts = this.facts(voter);
      return facts.snapshotIndex >= index || facts.entries.get(index) === key;
    });
    if (holders.length < majority(this.voters.length)) {
      this.fail('C4', `node ${node} committed ${index} "${key}", durable only on [${holders}]`);
    }
  }

  private installs(node: NodeId, meta: SnapshotMeta): void {
    const incarnation = this.of(node);
    if (meta.index < incarnation.nextIndex) {
      this.fail('C5', `node ${node} installs ${meta.index} behind ${incarnation.nextIndex - 1}`);
    }
    if (meta.index > this.committedIndex) {
      this.fail('C3', `node ${node} installs ${meta.index}, which nobody committed`);
    }
    incarnation.nextIndex = meta.index + 1;
  }

  private concludeProposal(node: NodeId, ticket: Ticket, index: LogIndex, key: string): void {
    const request = this.conclude(this.of(node), node, ticket);
    if (`command:${request.text}` !== key || request.kind !== 'propose') {
      this.fail('ticket', `node ${node}: ticket ${ticket} asked for "${request.text}", got ${key}`);
    }
    request.outcome = 'done';
    request.index = index;
  }

  private concludeRead(node: NodeId, ticket: Ticket, index: LogIndex): void {
    const request = this.conclude(this.of(node), node, ticket);
    if (request.kind === 'propose') this.fail('ticket', `ticket ${ticket} was no read`);
    if (request.kind !== 'stale' && index < request.committedBefore) {
      const behind = `${index}, committed before it was asked: ${request.committedBefore}`;
      this.fail('R14', `node ${node}: ${request.kind} read at ${behind}`);
    }
    // The index may be above what is committed: the host serves the read once it has applied it.
    request.outcome = 'done';
    request.index = index;
  }

  private conclude(incarnation: Incarnation, node: NodeId, ticket: Ticket): ClientRequest {
    const request = incarnation.tickets.get(ticket);
    if (request === undefined) {
      return this.fail('ticket', `node ${node} concluded ticket ${ticket}, which is not open`);
    }
    incarnation.tickets.delete(ticket);
    return request;
  }

  private of(node: NodeId): Incarnation {
    const incarnation = this.incarnations.get(node);
    return incarnation ?? this.fail('simulation', `node ${node} is not running`);
  }

  private facts(node: NodeId): DurableFacts {
    return this.durable.get(node) ?? this.fail('simulation', `node ${node} is unknown`);
  }
}
