import type {
  EngineStatus,
  NodeId,
  Outbound,
  ReadLevel,
  Ready,
  SnapshotMeta,
  Ticket,
  WalRecord,
} from '@quorate/consensus';
import type { Crc32 } from '@quorate/foundation';
import type { Fail } from './engine-level/ghost-state.ts';

/** What an observer of one run may ask, and how it stops the run. */
export interface ObservedRun {
  readonly voters: readonly NodeId[];
  /** Names the broken invariant of the safety net; does not return. */
  readonly fail: Fail;
  readonly crc32: Crc32;
}

/**
 * What an all-knowing observer is told of the replicas of a run, in the order of virtual time. It
 * sees what crosses the engines' contract and nothing else, so it serves whole replicas and engines
 * alone alike; it changes nothing. The words are the contract's: a rule set for one protocol gives
 * them that protocol's meaning.
 */
export interface RunObserver<M> {
  /** An engine was opened over what its disk held, oldest record first. All of it is durable. */
  opened(node: NodeId, snapshot: SnapshotMeta | null, records: Iterable<WalRecord>): void;
  /** The process is gone; what was in flight to its disk may or may not come back. */
  crashed(node: NodeId): void;
  /** The engine took a request for a read. */
  asked(node: NodeId, level: ReadLevel, ticket: Ticket): void;
  /** The engine is about to step a message. */
  received(node: NodeId, from: NodeId, message: M): void;
  /** A Ready was taken; nothing of it is done yet. */
  taken(node: NodeId, ready: Ready<M>): void;
  /** A batch of records became durable. */
  persisted(node: NodeId, records: readonly WalRecord[]): void;
  /**
   * From this moment on the message may leave: at once after its Ready was taken, or when the batch
   * of that Ready has become durable. All that it states must hold now, whenever it really leaves.
   */
  mayLeave(from: NodeId, to: NodeId, message: M): void;
  /** A look at an engine between two of its turns. */
  looked(node: NodeId, status: EngineStatus): void;
}

/** Rules for one protocol: an observer for each run, which fails the run that breaks one. */
export type ProtocolRules<M> = (run: ObservedRun) => RunObserver<M>;

/** Messages of one incarnation that wait until the log is durable up to a number. */
export class MessageGate<M> {
  private waiting: { readonly needs: number; readonly outbound: readonly Outbound<M>[] }[] = [];
  private readonly mayLeave: (to: NodeId, message: M) => void;

  constructor(mayLeave: (to: NodeId, message: M) => void) {
    this.mayLeave = mayLeave;
  }

  /** A Ready was taken; its after-persist messages wait for `needs`, `durable` is reached. */
  taken(ready: Ready<M>, needs: number, durable: number): void {
    this.release(ready.messages);
    const { messagesAfterPersist: held } = ready;
    if (held.length === 0) return;
    if (needs <= durable) this.release(held);
    else this.waiting.push({ needs, outbound: held });
  }

  /** The log is durable up to this number. */
  durable(upTo: number): void {
    let count = 0;
    for (const { needs, outbound } of this.waiting) {
      if (needs > upTo) break;
      count++;
      this.release(outbound);
    }
    if (count > 0) this.waiting = this.waiting.slice(count);
  }

  private release(outbound: readonly Outbound<M>[]): void {
    for (const { to, message } of outbound) for (const peer of to) this.mayLeave(peer, message);
  }
}
