import {
  type ConsensusEngine,
  encodeCommandBatch,
  type LogIndex,
  type NodeId,
  type Ticket,
} from '@quorate/consensus';
import { assert, required } from '@quorate/foundation';
import type { ReplicaLimits } from './limits.ts';
import type { ProposeDone, ProposeOutcome } from './types.ts';

/** Who waits for the results of one proposed batch, in the order of its commands. */
type Batch = readonly ProposeDone[];

/** What a submission needs of the replica around it. */
export interface SubmitContext {
  readonly engine: Pick<ConsensusEngine<never>, 'propose' | 'status'>;
  readonly wallMicros: number;
  readonly nextTicket: () => Ticket;
}

/**
 * The commands of this replica's clients: waiting, then proposed as batches with one ticket each,
 * then concluded one by one. Commands of a turn form a batch; while enough batches are in flight
 * they gather, so that batches grow with the load and no timer delays a lonely command.
 */
export class ProposalQueue {
  commandsProposed = 0;
  batchesProposed = 0;
  private readonly limits: ReplicaLimits;
  private commands: Uint8Array[] = [];
  private dones: ProposeDone[] = [];
  /** Commands before this position have been proposed. */
  private head = 0;
  private bytes = 0;
  /** True when a batch ended since the last `submit`: there may be room for another. */
  private concluded = false;
  private readonly inFlight = new Map<Ticket, Batch>();
  private refusals: { readonly done: ProposeDone; readonly outcome: ProposeOutcome }[] = [];

  constructor(limits: ReplicaLimits) {
    this.limits = limits;
  }

  get queued(): number {
    return this.commands.length - this.head;
  }

  get queuedBytes(): number {
    return this.bytes;
  }

  get batchesInFlight(): number {
    return this.inFlight.size;
  }

  /** True when a turn would get further: something was concluded since the last `submit`. */
  get hasWork(): boolean {
    return this.refusals.length > 0 || (this.queued > 0 && this.concluded);
  }

  /** Takes a command, or notes its refusal for the next turn. */
  add(command: Uint8Array, done: ProposeDone): void {
    const { commandBytesMax, proposalsQueuedMax, proposalsQueuedBytesMax } = this.limits;
    if (command.length > commandBytesMax) {
      this.refuseLater(done, { kind: 'tooLarge' });
    } else if (
      this.queued >= proposalsQueuedMax ||
      this.bytes + command.length > proposalsQueuedBytesMax
    ) {
      this.refuseLater(done, { kind: 'busy' });
    } else {
      this.commands.push(command);
      this.dones.push(done);
      this.bytes += command.length;
    }
  }

  /** Refuses in the next turn, because `done` is never called inside `propose`. */
  refuseLater(done: ProposeDone, outcome: ProposeOutcome): void {
    this.refusals.push({ done, outcome });
  }

  /** Delivers the refusals noted since the last turn. */
  deliverRefusals(): void {
    if (this.refusals.length === 0) return;
    const refusals = this.refusals;
    this.refusals = [];
    for (const { done, outcome } of refusals) done(outcome);
  }

  /**
   * Proposes what waits, batch by batch, until the window is full or the engine does not take more.
   * What a busy engine refused stays queued, since the queue is bounded and `busy` passes.
   */
  submit(context: SubmitContext): void {
    this.concluded = false;
    while (this.queued > 0 && this.inFlight.size < this.limits.inFlightBatchesMax) {
      const count = this.batchCount();
      const end = this.head + count;
      const commands = this.commands.slice(this.head, end);
      const ticket = context.nextTicket();
      const proposedAtMicros = context.wallMicros;
      const status = context.engine.propose(
        encodeCommandBatch({ proposedAtMicros, commands }),
        ticket,
      );
      if (status === 'busy') return;
      if (status === 'notLeader') {
        this.failQueued({ kind: 'notLeader', leader: context.engine.status().leader ?? 0 });
        return;
      }
      const dones = this.take(count, commands);
      if (status === 'accepted') {
        this.inFlight.set(ticket, dones);
        this.commandsProposed += count;
        this.batchesProposed++;
      } else {
        assert(status === 'tooLarge', 'the engine proposes or says why not');
        for (const done of dones) done({ kind: 'tooLarge' });
      }
    }
  }

  /** A batch of this replica was applied. An unknown ticket was given up before. */
  committed(ticket: Ticket, index: LogIndex, results: readonly Uint8Array[]): void {
    const dones = this.inFlight.get(ticket);
    if (dones === undefined) return;
    this.inFlight.delete(ticket);
    this.concluded = true;
    assert(results.length === dones.length, 'a batch has one result for each command');
    for (let i = 0; i < dones.length; i++) {
      const result = required(results[i], 'results have no holes');
      required(dones[i], 'a batch has no holes')({ kind: 'applied', index, result });
    }
  }

  /** A batch will not be concluded here; `lost` is definite, so another replica may be asked. */
  abandoned(ticket: Ticket, outcome: 'lost' | 'unknown', leader: NodeId | 0): boolean {
    const dones = this.inFlight.get(ticket);
    if (dones === undefined) return false;
    this.inFlight.delete(ticket);
    this.concluded = true;
    const answer: ProposeOutcome =
      outcome === 'lost' ? { kind: 'notLeader', leader } : { kind: 'unknown' };
    for (const done of dones) done(answer);
    return true;
  }

  /** Answers everything that was not proposed. */
  failQueued(outcome: ProposeOutcome): void {
    const dones = this.head === 0 ? this.dones : this.dones.slice(this.head);
    this.commands = [];
    this.dones = [];
    this.head = 0;
    this.bytes = 0;
    for (const done of dones) done(outcome);
  }

  /** Answers everything that was proposed with `unknown`. */
  failInFlight(): void {
    const batches = [...this.inFlight.values()];
    this.inFlight.clear();
    for (const dones of batches) for (const done of dones) done({ kind: 'unknown' });
  }

  /** How many of the waiting commands form the next batch: at least one. */
  private batchCount(): number {
    const { commandsMax, batchBytesMax } = this.limits;
    const max = Math.min(this.queued, commandsMax);
    let bytes = 0;
    for (let count = 0; count < max; count++) {
      bytes += required(this.commands[this.head + count], 'the queue has no holes').length;
      if (bytes > batchBytesMax) return Math.max(count, 1);
    }
    return max;
  }

  private take(count: number, commands: readonly Uint8Array[]): Batch {
    for (const command of commands) this.bytes -= command.length;
    const end = this.head + count;
    if (end === this.commands.length) {
      const dones = this.head === 0 ? this.dones : this.dones.slice(this.head);
      this.commands = [];
      this.dones = [];
      this.head = 0;
      return dones;
    }
    const dones = this.dones.slice(this.head, end);
    this.head = end;
    this.compact();
    return dones;
  }

  /** Drops what was proposed once it is the larger half, so that each command moves once. */
  private compact(): void {
    if (this.head * 2 < this.commands.length) return;
    this.commands = this.commands.slice(this.head);
    this.dones = this.dones.slice(this.head);
    this.head = 0;
  }
}
