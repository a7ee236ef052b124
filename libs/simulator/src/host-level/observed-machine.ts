import type { LogIndex, SnapshotReader, StateMachine } from '@quorate/consensus';
import { KV_SESSION_LIMITS_DEFAULT, KvStateMachine } from '@quorate/kv';
import type { StoreGhost } from './store-ghost.ts';

/** The production state machine of one incarnation; the ghost sees what it applies. */
export class ObservedMachine implements StateMachine {
  readonly kv: KvStateMachine;
  private readonly node: number;
  private readonly ghost: StoreGhost;

  constructor(node: number, ghost: StoreGhost, resultsPerSessionMax: number) {
    this.kv = new KvStateMachine({ ...KV_SESSION_LIMITS_DEFAULT, resultsPerSessionMax });
    this.node = node;
    this.ghost = ghost;
  }

  apply(index: LogIndex, batch: Uint8Array): readonly Uint8Array[] {
    const results = this.kv.apply(index, batch);
    this.ghost.applied(this.node, index, batch, results, () => this.kv.digest());
    return results;
  }

  snapshot(): SnapshotReader {
    this.ghost.compareDigest(this.node, this.kv.appliedIndex, this.kv.digest());
    return this.kv.snapshot();
  }

  restore(slice: Uint8Array, last: boolean): void {
    this.kv.restore(slice, last);
    if (last) this.ghost.compareDigest(this.node, this.kv.appliedIndex, this.kv.digest());
  }
}
