import type {
  AbandonedRequest,
  CommittedEntry,
  EngineEvent,
  LogIndex,
  NodeId,
  Outbound,
  ReadState,
  Ready,
  ReadyNumber,
  SnapshotMeta,
  SnapshotTransfer,
  Ticket,
  WalRecord,
} from '@quorate/consensus';
import type { PaxosMessage } from './messages.ts';

/**
 * What the engine has to say since the last Ready. Every method adds; {@link Outbox.take} hands all
 * of it over in fresh arrays.
 *
 * A message leaves after persist unless one of these early sends is argued (the output-commit rule
 * of the engine contract):
 *
 * - Accept, Heartbeat and Chosen of a leader: they rest on its ballot, which was durable before its
 *   Prepare left, and on values that count only once a quorum has them on disk. The leader counts
 *   its own acceptance only after `persisted`, and a restarted proposer takes a higher ballot.
 * - CatchUpReply and SnapshotOffer: they state what is chosen, which no crash takes back.
 * - HeartbeatReply once the promise of its ballot is durable: it states that ballot and a chosen
 *   prefix of durable Readies, and a crash takes neither back.
 * - ReadRequest and CatchUpRequest: they ask and state nothing. ReadReply: it states a read index
 *   that a quorum has confirmed.
 */
export class Outbox {
  /** The number of the Ready that is being filled. */
  number = 1;
  snapshotToInstall: SnapshotMeta | null = null;
  private records: WalRecord[] = [];
  private mustSync = false;
  private early: Outbound<PaxosMessage>[] = [];
  private afterPersist: Outbound<PaxosMessage>[] = [];
  private transfers: SnapshotTransfer[] = [];
  private readStates: ReadState[] = [];
  private abandoned: AbandonedRequest[] = [];
  private events: EngineEvent[] = [];

  /** Logs a fact that must be durable before what rests on it is said. */
  fact(record: WalRecord): void {
    this.records.push(record);
    this.mustSync = true;
  }

  /** Logs a hint, which may ride with a later sync. */
  hint(record: WalRecord): void {
    this.records.push(record);
  }

  /** Sends at once; the caller's kind stands in the list above. */
  send(to: readonly NodeId[], message: PaxosMessage): void {
    if (to.length > 0) this.early.push({ to, message });
  }

  /** Sends when everything recorded so far is durable. */
  sendAfterPersist(to: readonly NodeId[], message: PaxosMessage): void {
    if (to.length > 0) this.afterPersist.push({ to, message });
  }

  /** Asks the host to stream a snapshot. */
  transfer(to: NodeId, meta: SnapshotMeta): void {
    this.transfers.push({ to, meta });
  }

  /** Concludes a read. */
  readState(ticket: Ticket, index: number): void {
    this.readStates.push({ ticket, index: index as LogIndex });
  }

  /** Concludes a request that may or may not happen; reads go the same way. */
  abandon(ticket: Ticket): void {
    this.abandoned.push({ ticket, outcome: 'unknown' });
  }

  /** Notes an event. */
  event(event: EngineEvent): void {
    this.events.push(event);
  }

  /** True when there is something to hand over. */
  get filled(): boolean {
    return (
      this.records.length > 0 ||
      this.early.length > 0 ||
      this.afterPersist.length > 0 ||
      this.transfers.length > 0 ||
      this.readStates.length > 0 ||
      this.abandoned.length > 0 ||
      this.events.length > 0 ||
      this.snapshotToInstall !== null
    );
  }

  /** Hands everything over, with the committed entries, and starts the next Ready. */
  take(committed: readonly CommittedEntry[]): Ready<PaxosMessage> {
    const ready: Ready<PaxosMessage> = {
      number: this.number as ReadyNumber,
      snapshotToInstall: this.snapshotToInstall,
      records: this.records,
      mustSync: this.mustSync,
      messages: this.early,
      messagesAfterPersist: this.afterPersist,
      snapshotsToSend: this.transfers,
      committed,
      readStates: this.readStates,
      abandoned: this.abandoned,
      membership: null,
      sessionsToReset: [],
      events: this.events,
    };
    this.number++;
    this.snapshotToInstall = null;
    this.records = [];
    this.mustSync = false;
    this.early = [];
    this.afterPersist = [];
    this.transfers = [];
    this.readStates = [];
    this.abandoned = [];
    this.events = [];
    return ready;
  }
}
