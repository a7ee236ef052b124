import type { SnapshotMeta, StateMachine } from '@quorate/consensus';
import type { SnapshotError, SnapshotStore } from '@quorate/snapshot-store';

/**
 * Restores `stateMachine` from a stored snapshot. `done` gets the store's error, or the words with
 * which the state machine refused bytes whose digest was right, or two nulls.
 */
export function restoreFromStore(
  store: SnapshotStore,
  stateMachine: StateMachine,
  meta: SnapshotMeta,
  done: (error: SnapshotError | null, refusal: string | null) => void,
): void {
  let refusal: string | null = null;
  store.restore(
    meta,
    (bytes, last) => {
      if (refusal !== null) return;
      try {
        stateMachine.restore(bytes, last);
      } catch (error) {
        refusal = error instanceof Error ? error.message : String(error);
      }
    },
    (error) => done(error, refusal),
  );
}
