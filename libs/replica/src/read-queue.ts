import type { ConsensusEngine, LogIndex, NodeId, Ticket } from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import type { ReplicaLimits } from './limits.ts';
import type { ReadDone, ReadOutcome } from './types.ts';

/** Reads that are confirmed and wait until the state machine has applied `index`. */
interface ConfirmedReads {
  readonly index: LogIndex;
  readonly dones: readonly ReadDone[];
}

/**
 * Linearizable reads: all reads of a turn share one ticket, so that the quorum round that confirms
 * it is paid once (Raft thesis, section 6.4, and its counterparts). A read asked after a ticket was
 * handed to the engine must not join it: the index could be older than what its client has seen.
 */
export class ReadQueue {
  reads = 0;
  ticketsUsed = 0;
  private readonly limits: ReplicaLimits;
  private queuedReads: ReadDone[] = [];
  private concluded = false;
  private readonly tickets = new Map<Ticket, readonly ReadDone[]>();
  private confirmedReads: ConfirmedReads[] = [];
  private refusals: { readonly done: ReadDone; readonly outcome: ReadOutcome }[] = [];

  constructor(limits: ReplicaLimits) {
    this.limits = limits;
  }

  get queued(): number {
    return this.queuedReads.length;
  }

  get ticketsInFlight(): number {
    return this.tickets.size;
  }

  /** True when a turn would get further: something was concluded since the last `submit`. */
  get hasWork(): boolean {
    return this.refusals.length > 0 || (this.queued > 0 && this.concluded);
  }

  /** Takes a linearizable read, or notes its refusal for the next turn. */
  add(done: ReadDone): void {
    this.reads++;
    if (this.queuedReads.length >= this.limits.readsQueuedMax) {
      this.refuseLater(done, { kind: 'busy' });
    } else {
      this.queuedReads.push(done);
    }
  }

  /** Refuses in the next turn. */
  refuseLater(done: ReadDone, outcome: ReadOutcome): void {
    this.refusals.push({ done, outcome });
  }

  /** Takes a stale read that must wait for a restore to end. */
  addWaiting(done: ReadDone, index: LogIndex): void {
    this.confirmedReads.push({ index, dones: [done] });
  }

  deliverRefusals(): void {
    if (this.refusals.length === 0) return;
    const refusals = this.refusals;
    this.refusals = [];
    for (const { done, outcome } of refusals) done(outcome);
  }

  /** Asks the engine for all waiting reads with one ticket. */
  submit(engine: Pick<ConsensusEngine<never>, 'read' | 'status'>, nextTicket: () => Ticket): void {
    this.concluded = false;
    if (this.queuedReads.length === 0) return;
    if (this.tickets.size >= this.limits.inFlightReadTicketsMax) return;
    const ticket = nextTicket();
    const status = engine.read('linearizable', ticket);
    if (status === 'busy') return;
    const dones = this.queuedReads;
    this.queuedReads = [];
    if (status === 'accepted') {
      this.tickets.set(ticket, dones);
      this.ticketsUsed++;
      return;
    }
    assert(status === 'notLeader', 'the engine reads or says who does');
    const leader = engine.status().leader ?? 0;
    for (const done of dones) done({ kind: 'notLeader', leader });
  }

  /** The engine says that the reads of `ticket` may be served once `index` is applied. */
  confirmed(ticket: Ticket, index: LogIndex): void {
    const dones = this.tickets.get(ticket);
    if (dones === undefined) return;
    this.tickets.delete(ticket);
    this.concluded = true;
    this.confirmedReads.push({ index, dones });
  }

  /** The engine will not conclude `ticket`; true when it was a read's. */
  abandoned(ticket: Ticket, leader: NodeId | 0): boolean {
    const dones = this.tickets.get(ticket);
    if (dones === undefined) return false;
    this.tickets.delete(ticket);
    this.concluded = true;
    const outcome: ReadOutcome =
      leader === 0 ? { kind: 'abandoned' } : { kind: 'notLeader', leader };
    for (const done of dones) done(outcome);
    return true;
  }

  /** Serves every confirmed read that `appliedIndex` satisfies. */
  serve(appliedIndex: LogIndex): void {
    if (this.confirmedReads.length === 0) return;
    const waiting = this.confirmedReads;
    this.confirmedReads = [];
    for (const confirmed of waiting) {
      if (confirmed.index > appliedIndex) {
        this.confirmedReads.push(confirmed);
        continue;
      }
      for (const done of confirmed.dones) done({ kind: 'ready', appliedIndex });
    }
  }

  /** Answers every read. */
  failAll(outcome: ReadOutcome): void {
    const dones = [...this.queuedReads];
    for (const ticketDones of this.tickets.values()) dones.push(...ticketDones);
    for (const confirmed of this.confirmedReads) dones.push(...confirmed.dones);
    this.queuedReads = [];
    this.tickets.clear();
    this.confirmedReads = [];
    for (const done of dones) done(outcome);
  }
}
