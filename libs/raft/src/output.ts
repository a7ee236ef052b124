import type {
  AbandonedRequest,
  EngineEvent,
  MembershipView,
  NodeId,
  Outbound,
  ReadState,
  SnapshotMeta,
  SnapshotTransfer,
  WalRecord,
} from '@quorate/consensus';
import type { RaftMessage } from './messages.ts';

/**
 * What one turn has produced so far. A new one begins with each Ready, because the arrays of a
 * Ready belong to the host from then on.
 */
export class Output {
  readonly records: WalRecord[] = [];
  readonly messages: Outbound<RaftMessage>[] = [];
  readonly messagesAfterPersist: Outbound<RaftMessage>[] = [];
  readonly snapshotsToSend: SnapshotTransfer[] = [];
  readonly readStates: ReadState[] = [];
  readonly abandoned: AbandonedRequest[] = [];
  readonly events: EngineEvent[] = [];
  snapshotToInstall: SnapshotMeta | null = null;
  membership: MembershipView | null = null;

  /**
   * Sends without waiting for the disk. The only senders, each with its reason, are `Broadcast`
   * (a leader's messages), `LeaderReads` and `Follower` (answers that state only the term).
   */
  early(to: readonly NodeId[], message: RaftMessage): void {
    this.messages.push({ to, message });
  }

  /** Sends once everything recorded so far is durable: the default (output-commit rule). */
  afterPersist(to: readonly NodeId[], message: RaftMessage): void {
    this.messagesAfterPersist.push({ to, message });
  }

  get isEmpty(): boolean {
    return (
      this.records.length === 0 &&
      this.messages.length === 0 &&
      this.messagesAfterPersist.length === 0 &&
      this.snapshotsToSend.length === 0 &&
      this.readStates.length === 0 &&
      this.abandoned.length === 0 &&
      this.events.length === 0 &&
      this.snapshotToInstall === null &&
      this.membership === null
    );
  }
}
