import { type NodeId, RecordKind, type SnapshotMeta, type WalRecord } from '@quorate/consensus';
import { required } from '@quorate/foundation';
import type { Acceptor } from './acceptor.ts';
import { type Context, NEVER } from './context.ts';
import type { Learner } from './learner.ts';
import type { CatchUpReply, SnapshotOffer } from './messages.ts';
import { chosenRecord, holdsValue } from './records.ts';

/** After how many election timeouts the sender of an announced snapshot is asked how it goes. */
const SNAPSHOT_PATIENCE_TIMEOUTS = 2;

/**
 * Asks other replicas for chosen values that this one missed. Any replica that knows them may
 * answer. One request is on its way at a time, so a replica far behind is not flooded. It waits
 * half a heartbeat before it asks, since what it misses may only be late.
 */
export class CatchUp {
  private readonly context: Context;
  private readonly learner: Learner;
  private target = 0;
  private source: NodeId | 0 = 0;
  private asked = false;
  private announced: SnapshotOffer | null = null;
  private progressedThrough = 0;
  /** When to ask, or to ask somebody else. */
  deadline: number = NEVER;

  constructor(context: Context, learner: Learner) {
    this.context = context;
    this.learner = learner;
  }

  /** A replica states its chosen prefix; when it is ahead, there is something to learn. */
  notice(source: NodeId, chosenPrefix: number): void {
    if (chosenPrefix <= this.learner.chosenPrefix) return;
    // An answer to a former life may have set the target and named nobody to ask (SIM-13).
    const isNews = chosenPrefix > this.target || this.source === 0;
    if (isNews && !this.asked) this.source = source;
    this.target = Math.max(this.target, chosenPrefix);
    if (this.deadline === NEVER) this.wait(this.context.config.heartbeatMicros / 2);
  }

  /** Asks a source at once: a new leader must learn what is trimmed before it proposes. */
  urge(source: NodeId, chosenPrefix: number): void {
    this.target = Math.max(this.target, chosenPrefix);
    if (this.asked) return;
    this.source = source;
    this.ask();
  }

  /** Asks when it is time; an unanswered question, or an empty answer, goes to the next replica. */
  tick(): void {
    if (this.deadline > this.context.now) return;
    this.deadline = NEVER;
    const awaitsFile = this.announced !== null;
    this.announced = null;
    const prefix = this.learner.chosenPrefix;
    if (prefix >= this.target) {
      this.asked = false;
      return;
    }
    if (!this.asked && prefix > this.progressedThrough) {
      // What was missing is still coming in; only a standstill is worth a question.
      this.progressedThrough = prefix;
      this.wait(this.context.config.heartbeatMicros / 2);
      return;
    }
    if (this.asked && !awaitsFile) this.source = this.another();
    this.ask();
  }

  /** Takes chosen values; why they were ignored, or null. */
  onReply(from: NodeId, message: CatchUpReply): string | null {
    let slot = message.firstSlot;
    for (const record of message.chosen) {
      const expected = record.kind === RecordKind.chosen && record.index === slot;
      if (!expected || !holdsValue(record)) return 'catch-up holds a foreign record';
      slot++;
    }
    if (message.firstSlot > this.learner.chosenPrefix + 1) return 'catch-up beyond a gap';
    const before = this.learner.chosenPrefix;
    for (const record of message.chosen) {
      if (!this.learner.learn(record)) return 'catch-up contradicts a chosen value';
    }
    this.learner.advance();
    this.target = Math.max(this.target, message.chosenPrefix);
    if (from !== this.source || !this.asked) return null;
    this.asked = false;
    this.deadline = NEVER;
    if (this.learner.chosenPrefix >= this.target) return null;
    if (this.learner.chosenPrefix > before) {
      this.ask();
      return null;
    }
    // It knows no more than this replica, however healthy it is: somebody else is ahead (SIM-12).
    if (message.chosenPrefix <= before) this.source = this.another();
    this.wait(this.context.config.heartbeatMicros / 2);
    return null;
  }

  /**
   * A snapshot is on its way. Its sender is asked again from time to time: it says so again while
   * it sends, starts anew when the transfer failed, and is replaced when it is silent.
   */
  onOffer(from: NodeId, message: SnapshotOffer): string | null {
    if (message.slot <= this.learner.chosenPrefix) return 'snapshot offer covers nothing new';
    this.announced = message;
    this.source = from;
    this.asked = true;
    this.wait(this.context.config.electionTimeoutMaxMicros * SNAPSHOT_PATIENCE_TIMEOUTS);
    return null;
  }

  /**
   * True when the file is another one than its sender announced. Without an announcement (it may
   * be lost, or late) any replica's snapshot is welcome: it covers only what is chosen.
   */
  contradicts(from: NodeId, meta: SnapshotMeta): boolean {
    const offer = this.announced;
    if (offer === null || this.source !== from || offer.slot !== meta.index) return false;
    return offer.digest !== meta.digest || offer.bytes !== meta.bytes;
  }

  /** The announced snapshot arrived or will not. */
  snapshotEnded(): void {
    this.announced = null;
    this.asked = false;
    this.deadline = NEVER;
    if (this.learner.chosenPrefix < this.target) this.ask();
  }

  /** A session ended: an answer on its way is lost. */
  peerGone(peer: NodeId): void {
    if (peer !== this.source || !this.asked) return;
    this.announced = null;
    this.wait(this.context.config.heartbeatMicros);
  }

  private ask(): void {
    if (this.source === 0) return;
    this.asked = true;
    this.progressedThrough = this.learner.chosenPrefix;
    this.wait(this.context.config.electionTimeoutMinMicros);
    const fromSlot = this.learner.chosenPrefix + 1;
    this.context.outbox.send([this.source], { kind: 'catchUpRequest', fromSlot });
  }

  private wait(micros: number): void {
    this.deadline = this.context.now + Math.ceil(micros);
  }

  private another(): NodeId | 0 {
    const { peers } = this.context.voters;
    const next = peers.find((peer) => peer > this.source);
    return next ?? peers[0] ?? 0;
  }
}

/**
 * Answers those who ask for chosen values, at any replica. What is trimmed from memory is served by
 * the latest snapshot, never by a no-op or by silence (MP-13); one transfer a peer at a time.
 */
export class CatchUpServer {
  /** The latest durable snapshot of this replica. */
  snapshot: SnapshotMeta | null;
  private readonly context: Context;
  private readonly learner: Learner;
  private readonly acceptor: Acceptor;
  private readonly transfers = new Set<NodeId>();

  constructor(
    context: Context,
    learner: Learner,
    acceptor: Acceptor,
    snapshot: SnapshotMeta | null,
  ) {
    this.context = context;
    this.learner = learner;
    this.acceptor = acceptor;
    this.snapshot = snapshot;
  }

  /** Answers one request. */
  onRequest(from: NodeId, fromSlot: number): void {
    if (fromSlot <= this.context.slots.trimMark) {
      this.offer(from);
      return;
    }
    const chosenPrefix = this.learner.chosenPrefix;
    const { appendEntriesMax, appendBytesMax } = this.context.config.limits;
    const chosen: WalRecord[] = [];
    let bytes = 0;
    for (let slot = fromSlot; slot <= chosenPrefix; slot++) {
      const record = required(this.context.slots.record(slot), 'a chosen slot is held');
      bytes += record.payload.length;
      const full = chosen.length >= appendEntriesMax || bytes > appendBytesMax;
      if (full && chosen.length > 0) break;
      chosen.push(chosenRecord(record));
    }
    const reply: CatchUpReply = { kind: 'catchUpReply', firstSlot: fromSlot, chosenPrefix, chosen };
    this.context.outbox.send([from], reply);
  }

  /** The transfer to a peer ended; it may ask again. */
  transferEnded(to: NodeId): void {
    this.transfers.delete(to);
  }

  private offer(to: NodeId): void {
    const meta = this.snapshot;
    if (meta === null) return;
    this.context.outbox.send([to], {
      kind: 'snapshotOffer',
      promised: this.acceptor.promised,
      slot: meta.index,
      digest: meta.digest,
      bytes: meta.bytes,
    });
    if (this.transfers.has(to)) return;
    this.transfers.add(to);
    this.context.outbox.transfer(to, meta);
  }
}
