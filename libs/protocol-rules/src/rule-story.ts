import {
  EntryType,
  type NodeId,
  nodeId,
  type Ready,
  RecordKind,
  type SnapshotMeta,
  type WalRecord,
  type WalRecordFields,
  walRecord,
} from '@quorate/consensus';
import { crc32Table } from '@quorate/foundation';
import type { ProtocolRules, RunObserver } from '@quorate/simulator';

/** What a handmade Ready holds; the rest is empty. */
interface Turn<M> {
  readonly records?: readonly WalRecord[];
  /** Messages that leave at once, and those that wait for the records: receiver, message. */
  readonly says?: readonly (readonly [number, M])[];
  readonly saysAfter?: readonly (readonly [number, M])[];
  /** Entries announced as committed, as the records that hold them. */
  readonly commits?: readonly WalRecord[];
  readonly events?: readonly (readonly [string, number])[];
  readonly reads?: readonly number[];
  /** False leaves the records on their way to the disk, and what waits for them unsaid. */
  readonly durable?: boolean;
}

class Broken extends Error {}

/** Tells a rule set a handmade story of some replicas, in a few words a turn. */
export class RuleStory<M> {
  readonly observer: RunObserver<M>;
  private readonly disks = new Map<number, WalRecord[]>();
  private readies = 0;

  constructor(rules: ProtocolRules<M>, nodes = 3) {
    const voters = Array.from({ length: nodes }, (_, i) => nodeId(i + 1));
    const fail = (invariant: string, message: string): never => {
      throw new Broken(`${invariant}: ${message}`);
    };
    this.observer = rules({ voters, fail, crc32: crc32Table });
    for (const id of voters) {
      this.disks.set(id, []);
      this.restart(id);
    }
  }

  /** Opens a replica over what its disk holds, or over these records. */
  restart(node: number, records: readonly WalRecord[] = this.disk(node)): void {
    this.disks.set(node, [...records]);
    const last = records.findLast(({ kind }) => kind === RecordKind.snapshot);
    const snapshot = last === undefined ? null : ({ index: last.index } as SnapshotMeta);
    this.observer.crashed(nodeId(node));
    this.observer.opened(nodeId(node), snapshot, records);
  }

  /** One turn: the Ready, early messages, durability, the messages that waited for it. */
  turn(node: number, turn: Turn<M>): void {
    const id = nodeId(node);
    const { records = [], says = [], saysAfter = [], durable = true } = turn;
    const outbound = (all: readonly (readonly [number, M])[]) =>
      all.map(([to, message]) => ({ to: [nodeId(to)], message }));
    this.observer.taken(id, {
      number: ++this.readies,
      snapshotToInstall: null,
      records,
      messages: outbound(says),
      messagesAfterPersist: outbound(saysAfter),
      committed: (turn.commits ?? []).map(({ index, entryType, payload }) => {
        return { index, type: entryType, payload, ticket: 0 };
      }),
      events: (turn.events ?? []).map(([kind, round]) => ({ kind, round, node: id })),
      readStates: (turn.reads ?? []).map((ticket) => ({ ticket, index: 0 })),
      abandoned: [],
    } as unknown as Ready<M>);
    for (const [to, message] of says) this.observer.mayLeave(id, nodeId(to), message);
    if (!durable) return;
    this.persist(node, records);
    for (const [to, message] of saysAfter) this.observer.mayLeave(id, nodeId(to), message);
  }

  /** Records become durable. */
  persist(node: number, records: readonly WalRecord[]): void {
    this.disk(node).push(...records);
    this.observer.persisted(nodeId(node), records);
  }

  /** A message is stepped. */
  hears(node: number, from: number, message: M): void {
    this.observer.received(nodeId(node), nodeId(from), message);
  }

  /** What the replica's disk holds, oldest first. */
  disk(node: number): WalRecord[] {
    return this.disks.get(node) ?? [];
  }
}

/** The invariant that a story breaks, or null. */
export function brokenBy(story: () => void): string | null {
  try {
    story();
  } catch (error) {
    if (error instanceof Broken) return error.message.split(':')[0] ?? null;
    throw error;
  }
  return null;
}

type Loose = { [K in keyof WalRecordFields]: WalRecordFields[K] extends number ? number : unknown };

/** A record from plain numbers. */
export function fact(kind: RecordKind, fields: Partial<Loose> & { readonly value?: string }) {
  const { value, ...rest } = fields;
  const entry =
    value === undefined
      ? {}
      : { entryType: EntryType.command, payload: new TextEncoder().encode(value) };
  return walRecord({ kind, ...rest, ...entry } as WalRecordFields);
}

/** A promise of a round to a node. */
export const promise = (round: number, node: number): WalRecord =>
  fact(RecordKind.promise, { round, node: node as NodeId });

/** The hint that everything up to an index is committed. */
export const commit = (index: number): WalRecord => fact(RecordKind.commit, { index });

/** Entries from an index on are gone. */
export const truncate = (index: number): WalRecord => fact(RecordKind.truncate, { index });
