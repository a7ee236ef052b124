import type {
  AbandonedRequest,
  EngineEvent,
  NodeId,
  Outbound,
  ReadState,
  SnapshotMeta,
  SnapshotTransfer,
  WalRecord,
} from '@quorate/consensus';
import type { ZabMessage } from './messages.ts';

/** Events of ignored messages in one Ready; the rest of a flood is not worth its memory. */
const IGNORED_EVENTS_MAX = 64;

/** What one turn produces, collected until the host takes it. */
export class Output {
  records: WalRecord[] = [];
  messages: Outbound<ZabMessage>[] = [];
  messagesAfterPersist: Outbound<ZabMessage>[] = [];
  snapshotsToSend: SnapshotTransfer[] = [];
  readStates: ReadState[] = [];
  abandoned: AbandonedRequest[] = [];
  sessionsToReset: NodeId[] = [];
  events: EngineEvent[] = [];
  snapshotToInstall: SnapshotMeta | null = null;
  private ignoredEvents = 0;
  private readonly held = new Set<NodeId>();

  get isEmpty(): boolean {
    return (
      this.records.length === 0 &&
      this.messages.length === 0 &&
      this.messagesAfterPersist.length === 0 &&
      this.snapshotsToSend.length === 0 &&
      this.readStates.length === 0 &&
      this.abandoned.length === 0 &&
      this.sessionsToReset.length === 0 &&
      this.events.length === 0 &&
      this.snapshotToInstall === null
    );
  }

  /** Queues a message that states something of the disk: it waits for this turn's batch. */
  sendAfterPersist(to: readonly NodeId[], message: ZabMessage): void {
    if (to.length === 0) return;
    this.messagesAfterPersist.push({ to, message });
    for (const peer of to) this.held.add(peer);
  }

  /**
   * Queues a message that may leave before this turn's batch is durable. To a peer for which an
   * earlier message of this turn waits, it waits too: channels stay first-in, first-out (ZB-29).
   */
  sendEarly(to: readonly NodeId[], message: ZabMessage): void {
    if (to.length === 0) return;
    if (this.held.size === 0) {
      this.messages.push({ to, message });
      return;
    }
    const free = to.filter((peer) => !this.held.has(peer));
    const waiting = to.filter((peer) => this.held.has(peer));
    if (free.length > 0) this.messages.push({ to: free, message });
    if (waiting.length > 0) this.messagesAfterPersist.push({ to: waiting, message });
  }

  /** Notes an event; ignored messages beyond a limit are dropped. */
  note(event: EngineEvent): void {
    if (event.kind === 'messageIgnored' && ++this.ignoredEvents > IGNORED_EVENTS_MAX) return;
    this.events.push(event);
  }
}
