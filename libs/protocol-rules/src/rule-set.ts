import type {
  EngineStatus,
  NodeId,
  ReadLevel,
  Ready,
  SnapshotMeta,
  Ticket,
  WalRecord,
} from '@quorate/consensus';
import { entryMark, type ObservedRun, type RunObserver } from '@quorate/simulator';

/**
 * What the rule sets have in common: who counts, and how a rule is broken. Rules count for
 * themselves, since what they check counts too.
 */
export abstract class RuleSet<M, N> implements RunObserver<M> {
  protected readonly nodes = new Map<NodeId, N>();
  protected readonly run: ObservedRun;
  /** The least number of members that is more than half of them. */
  protected readonly needed: number;

  constructor(run: ObservedRun, build: (id: NodeId, bit: number) => N) {
    this.run = run;
    this.needed = Math.floor(run.voters.length / 2) + 1;
    run.voters.forEach((id, place) => {
      this.nodes.set(id, build(id, 1 << place));
    });
  }

  abstract opened(node: NodeId, snapshot: SnapshotMeta | null, records: Iterable<WalRecord>): void;
  abstract crashed(node: NodeId): void;
  abstract taken(node: NodeId, ready: Ready<M>): void;
  abstract persisted(node: NodeId, records: readonly WalRecord[]): void;
  abstract received(node: NodeId, from: NodeId, message: M): void;
  abstract mayLeave(from: NodeId, to: NodeId, message: M): void;

  asked(_node: NodeId, _level: ReadLevel, _ticket: Ticket): void {}

  looked(_node: NodeId, _status: EngineStatus): void {}

  /** S4: a log in memory ends where the records that were handed to the disk say. */
  protected endsAsRecorded(id: NodeId, lastIndex: number, recorded: number): void {
    if (lastIndex === recorded) return;
    this.run.fail('S4', `node ${id} holds ${lastIndex} entries, its records say ${recorded}`);
  }

  protected of(id: NodeId): N {
    return this.nodes.get(id) ?? this.run.fail('C11', `node ${id} is no member`);
  }

  protected markOf(record: Pick<WalRecord, 'entryType' | 'payload'>): number {
    return entryMark(this.run.crc32, record.entryType, record.payload);
  }

  protected must(holds: boolean, invariant: string, text: () => string): void {
    if (!holds) this.run.fail(invariant, text());
  }
}

/** The number of bits set. */
export function countBits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}
