import { EntryType, logIndex, type NodeId, type PeerStatus, type Ticket } from '@quorate/consensus';
import { required } from '@quorate/foundation';
import type { Acceptor } from './acceptor.ts';
import type { Ballot } from './ballot.ts';
import { type Context, NEVER } from './context.ts';
import type { Learner } from './learner.ts';
import type { Accept, Accepted, Chosen } from './messages.ts';
import { PeerProgress } from './peer-progress.ts';
import type { Phase1 } from './phase-1.ts';
import { acceptRecord } from './records.ts';

/**
 * Phase 2 of one ballot: proposes values in slots, sends Accepts, and counts per slot who accepted
 * at this very ballot (the commanders of Paxos Made Moderately Complex, batched). Slots are chosen
 * in any order; only the learner cares for the contiguous prefix.
 */
export class Phase2 {
  readonly ballot: Ballot;
  readonly peers: readonly PeerProgress[];
  /** Something may have been chosen before this ballot up to here; reads wait for it (MP-24). */
  readonly recoveredThrough: number;
  /** True once every slot up to `recoveredThrough` is proposed again: new slots may follow. */
  serving = false;
  private readonly context: Context;
  private readonly acceptor: Acceptor;
  private readonly learner: Learner;
  private nextSlot: number;
  private readonly tickets = new Map<number, Ticket>();
  private readonly ownWrites: { readonly ready: number; last: number }[] = [];
  private ownWritesHead = 0;
  private ownFirst = 0;
  private countedThrough: number;
  private uncommittedBytes = 0;

  constructor(context: Context, acceptor: Acceptor, learner: Learner, phase1: Phase1) {
    this.context = context;
    this.acceptor = acceptor;
    this.learner = learner;
    this.ballot = phase1.ballot;
    this.recoveredThrough = phase1.highestReported;
    this.nextSlot = phase1.highestReported + 1;
    this.countedThrough = learner.chosenPrefix;
    this.peers = context.voters.peers.map(
      (id) => new PeerProgress(id, context.voters.bitOf(id), this.nextSlot, context.now),
    );
  }

  /** The peer's progress, or null for a stranger. */
  peer(id: NodeId): PeerProgress | null {
    return this.peers.find((peer) => peer.id === id) ?? null;
  }

  /**
   * Proposes again what phase 1 found, slot by slot under the new ballot, with no-ops in the holes.
   * The caller has learned everything up to the reported trim mark (P12).
   */
  recover(phase1: Phase1): void {
    const first = this.learner.chosenPrefix + 1;
    this.countedThrough = this.learner.chosenPrefix;
    this.ownFirst = first;
    for (let slot = first; slot <= this.recoveredThrough; slot++) {
      this.put(phase1.proposal(slot));
    }
    this.nextSlot = Math.max(this.nextSlot, first);
    for (const peer of this.peers) peer.next = first;
    this.serving = true;
  }

  /** Slots proposed here and not chosen in order yet. */
  get uncommitted(): number {
    return this.nextSlot - 1 - this.learner.chosenPrefix;
  }

  /** True when the window has room for a payload of this size. */
  hasRoom(bytes: number): boolean {
    const { uncommittedEntriesMax, uncommittedBytesMax } = this.context.config.limits;
    const count = this.uncommitted;
    if (count >= uncommittedEntriesMax) return false;
    return count === 0 || this.uncommittedBytes + bytes <= uncommittedBytesMax;
  }

  /** Proposes a new value in the next free slot. */
  propose(payload: Uint8Array, ticket: Ticket): void {
    const slot = this.nextSlot++;
    this.tickets.set(slot, ticket);
    this.put(acceptRecord(this.ballot, slot, EntryType.command, payload));
  }

  /** The ticket of a slot, taken once. */
  takeTicket(slot: number): Ticket | null {
    const ticket = this.tickets.get(slot);
    if (ticket === undefined) return null;
    this.tickets.delete(slot);
    return ticket;
  }

  /** Gives up: the tickets of everything proposed and not handed over. */
  abandonAll(): Ticket[] {
    const abandoned = [...this.tickets.values()];
    this.tickets.clear();
    return abandoned;
  }

  /** The own accepts in Readies up to `upTo` are durable now and count. */
  persisted(upTo: number): void {
    const { slots, voters } = this.context;
    while (this.ownWritesHead < this.ownWrites.length) {
      const write = required(this.ownWrites[this.ownWritesHead], 'a queued write exists');
      if (write.ready > upTo) break;
      const first = Math.max(this.ownFirst, this.learner.chosenPrefix + 1);
      for (let slot = first; slot <= write.last; slot++) this.count(slot, voters.ownBit);
      this.ownFirst = write.last + 1;
      this.ownWritesHead++;
    }
    if (this.ownWritesHead === this.ownWrites.length) {
      this.ownWrites.length = 0;
      this.ownWritesHead = 0;
    }
    if (slots.last > this.learner.chosenPrefix) this.advance();
  }

  /** Phase 2b from a peer: only accepts at this ballot count, per slot (MP-04). */
  onAccepted(peer: PeerProgress, message: Accepted): void {
    if (!this.serving) return; // Nothing was proposed yet, so nothing can be accepted.
    peer.learned(Math.min(message.chosenPrefix, this.learner.chosenPrefix));
    peer.answered(message, this.context.now, this.retransmitMicros);
    for (const range of message.ranges) {
      const first = Math.max(range.first, this.learner.chosenPrefix + 1);
      const last = Math.min(range.last, this.nextSlot - 1);
      for (let slot = first; slot <= last; slot++) this.count(slot, peer.bit);
    }
    this.advance();
  }

  /** True when a peer with an open window has slots to be sent, or a prefix to be told. */
  get sending(): boolean {
    if (!this.serving) return false;
    return this.peers.some((peer) => this.mayProposeTo(peer) || this.mayNotify(peer));
  }

  /**
   * Sends each peer at most one Accept, shared where peers stand at the same slot, and a notice of
   * the chosen prefix to those who got none.
   */
  send(): void {
    if (!this.serving) return;
    const { outbox, now } = this.context;
    const messages = new Map<number, { message: Accept; bytes: number; to: NodeId[] }>();
    const notified: NodeId[] = [];
    const chosenPrefix = this.learner.chosenPrefix;
    for (const peer of this.peers) {
      if (this.mayProposeTo(peer)) {
        const first = this.firstFor(peer);
        const made = messages.get(first) ?? { ...this.acceptFrom(first), to: [] };
        messages.set(first, made);
        made.to.push(peer.id);
        peer.sent(made.message, made.bytes, now, this.retransmitMicros);
      } else if (this.mayNotify(peer)) {
        notified.push(peer.id);
        peer.told = chosenPrefix;
      }
    }
    for (const { message, to } of messages.values()) outbox.send(to, message);
    const notice: Chosen = { kind: 'chosen', ballot: this.ballot, chosenPrefix };
    outbox.send(notified, notice);
  }

  /** When the first unanswered Accept counts as lost. */
  get retransmitAt(): number {
    let at: number = NEVER;
    for (const peer of this.peers) at = Math.min(at, peer.retransmitAt);
    return at;
  }

  /** Sends again, slot by slot, what is neither chosen nor accepted by a peer that is late. */
  retransmit(): void {
    for (const peer of this.peers) if (peer.retransmitAt <= this.context.now) this.resend(peer);
  }

  /** Starts again with a peer: what was in flight is lost. */
  resend(peer: PeerProgress): void {
    if (this.serving) peer.restart(this.firstMissing(peer));
  }

  /** The peers as they are shown to people. */
  describePeers(): PeerStatus[] {
    return this.peers.map((peer) => ({
      id: peer.id,
      matchIndex: logIndex(peer.match),
      state: peer.inflightCount === 0 ? 'idle' : 'accepting',
    }));
  }

  private get retransmitMicros(): number {
    return this.context.config.heartbeatMicros;
  }

  private put(record: ReturnType<typeof acceptRecord>): void {
    this.acceptor.acceptOwn(record);
    this.uncommittedBytes += record.payload.length;
    const ready = this.context.outbox.number;
    const newest = this.ownWrites[this.ownWrites.length - 1];
    if (newest !== undefined && newest.ready === ready) newest.last = record.index;
    else this.ownWrites.push({ ready, last: record.index });
  }

  private count(slot: number, bit: number): void {
    const { slots, voters } = this.context;
    const accepted = slots.acknowledge(slot, bit);
    if (voters.isQuorum(accepted) && !slots.isChosen(slot)) slots.markChosen(slot);
  }

  /** Moves the learner's prefix over what this ballot chose and frees the window. */
  advance(): void {
    this.learner.advance();
    const { slots } = this.context;
    while (this.countedThrough < this.learner.chosenPrefix) {
      this.countedThrough++;
      const record = slots.record(this.countedThrough);
      if (record !== null && this.serving) this.uncommittedBytes -= record.payload.length;
    }
  }

  private mayProposeTo(peer: PeerProgress): boolean {
    return this.firstFor(peer) < this.nextSlot && this.windowOpen(peer);
  }

  private mayNotify(peer: PeerProgress): boolean {
    return peer.told < this.learner.chosenPrefix && this.windowOpen(peer);
  }

  private windowOpen(peer: PeerProgress): boolean {
    const { inflightMessagesMax, inflightBytesMax } = this.context.config.limits;
    return peer.windowOpen(inflightMessagesMax, inflightBytesMax);
  }

  /** Behind the window in memory, or what the peer knows already, there is nothing to propose. */
  private firstFor(peer: PeerProgress): number {
    if (peer.next > this.context.slots.trimMark) return Math.max(peer.next, peer.chosenPrefix + 1);
    return Math.max(this.learner.chosenPrefix, peer.chosenPrefix) + 1;
  }

  private firstMissing(peer: PeerProgress): number {
    const { slots } = this.context;
    let slot = this.learner.chosenPrefix + 1;
    while (slot < this.nextSlot) {
      if (!slots.isChosen(slot) && (slots.acknowledged(slot) & peer.bit) === 0) break;
      slot++;
    }
    return slot;
  }

  private acceptFrom(firstSlot: number): { message: Accept; bytes: number } {
    const { slots, config } = this.context;
    const { appendEntriesMax, appendBytesMax } = config.limits;
    const proposals = [];
    let bytes = 0;
    for (let slot = firstSlot; slot < this.nextSlot; slot++) {
      const record = required(slots.record(slot), 'a proposed slot is held');
      const full =
        proposals.length >= appendEntriesMax || bytes + record.payload.length > appendBytesMax;
      if (full && proposals.length > 0) break;
      proposals.push(record);
      bytes += record.payload.length;
    }
    const chosenPrefix = this.learner.chosenPrefix;
    return {
      message: { kind: 'accept', ballot: this.ballot, firstSlot, chosenPrefix, proposals },
      bytes,
    };
  }
}
