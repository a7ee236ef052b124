import type { NodeId, SnapshotTransfer } from '@quorate/consensus';
import { type Random, required } from '@quorate/foundation';
import type { EventQueue } from '../event-queue.ts';
import type { LinkMatrix } from '../link-matrix.ts';
import type { NetworkOptions } from '../options.ts';
import type { MachineImage } from './memory-machine.ts';
import { type PairListener, SessionTable } from './session-table.ts';

/** Whom the network delivers to. */
export interface MessageReceiver<M> extends PairListener {
  message(from: NodeId, to: NodeId, message: M): void;
  snapshot(from: NodeId, to: NodeId, transfer: SnapshotTransfer, image: MachineImage): void;
}

/** A snapshot of these runs takes 1 to 20 ms to stream. */
const TRANSFER_MIN_MICROS = 1_000;
const TRANSFER_MAX_MICROS = 20_000;
/** How much later than its own delay a reordered message may come. */
const REORDER_FACTOR = 10;
/** Messages remembered for each receiver: about what it gets in the time between two elections. */
const REMEMBERED_MAX = 256;

interface Remembered<M> {
  readonly messages: { readonly from: NodeId; readonly message: M }[];
  next: number;
}

/**
 * Carries messages between replicas over a link matrix, in FIFO sessions or each for itself. A cut
 * link holds the messages of a session until it mends or the session ends, as TCP does.
 */
export class MessageNetwork<M> {
  readonly sessions: SessionTable;
  /** Messages handed over since the start, by sender. */
  readonly sentBy = new Map<NodeId, number>();
  private readonly queue: EventQueue;
  private readonly links: LinkMatrix;
  private readonly random: Random;
  private readonly options: NetworkOptions;
  private readonly receiver: MessageReceiver<M>;
  private readonly held = new Map<string, { session: number; deliver: () => void }[]>();
  private readonly floors = new Map<string, number>();
  /** By receiver, what was last sent to it one by one; the oldest is overwritten first. */
  private readonly remembered = new Map<NodeId, Remembered<M>>();
  private readonly replays: Random;

  constructor(
    world: { queue: EventQueue; links: LinkMatrix; random: Random; options: NetworkOptions },
    receiver: MessageReceiver<M>,
  ) {
    this.queue = world.queue;
    this.links = world.links;
    this.random = world.random;
    this.replays = world.random.split('replays');
    this.options = world.options;
    this.receiver = receiver;
    this.sessions = new SessionTable(world, receiver);
    this.links.onChange((from, to) => this.linkChanged(from, to));
  }

  /** A message leaves a node. */
  send(from: NodeId, to: NodeId, message: M): void {
    this.sentBy.set(from, (this.sentBy.get(from) ?? 0) + 1);
    if (this.options.channels === 'fifo') this.sendInSession(from, to, message);
    else {
      this.remember(from, to, message);
      this.sendAlone(from, to, message);
    }
  }

  /** A node won an election: some of the messages that were sent to it come once more. */
  elected(to: NodeId): void {
    const messages = this.remembered.get(to)?.messages ?? [];
    const count = messages.length === 0 ? 0 : this.options.replaysAtElection;
    for (let i = 0; i < count; i++) {
      const place = this.replays.below(messages.length);
      const { from, message } = required(messages[place], 'a place in the list');
      const { delayMaxMicros } = this.links.settings(from, to);
      this.queue.after(this.replays.below(2 * delayMaxMicros), () => {
        if (!this.links.isCut(from, to)) this.receiver.message(from, to, message);
      });
    }
  }

  /** A snapshot's stream starts behind the messages sent so far; `sent` hears how it ended. */
  stream(
    from: NodeId,
    transfer: SnapshotTransfer,
    image: MachineImage,
    sent: (delivered: boolean) => void,
  ): void {
    const { to } = transfer;
    const session = this.sessions.current(from, to);
    const delay = this.random.between(TRANSFER_MIN_MICROS, TRANSFER_MAX_MICROS);
    const at = Math.max(this.queue.now(), this.floor(from, to)) + delay;
    this.queue.schedule(at, () => {
      const cut = this.links.isCut(from, to) || this.links.isCut(to, from);
      const alive = session !== null && this.sessions.current(from, to) === session && !cut;
      if (alive) this.receiver.snapshot(from, to, transfer, image);
      this.queue.after(this.delay(to, from), () => sent(alive));
    });
  }

  private sendInSession(from: NodeId, to: NodeId, message: M): void {
    const session = this.sessions.current(from, to);
    if (session === null || !this.sessions.isOpenAt(from, to)) return;
    const { loss } = this.links.settings(from, to);
    if (loss > 0 && this.random.fraction() < loss) {
      this.sessions.end(from, to);
      return;
    }
    const deliver = (): void => {
      const at = Math.max(this.queue.now() + this.delay(from, to), this.floor(from, to));
      this.floors.set(way(from, to), at);
      this.queue.schedule(at, () => {
        if (this.sessions.current(from, to) === session) this.receiver.message(from, to, message);
      });
    };
    if (!this.links.isCut(from, to)) deliver();
    else this.hold(from, to, session, deliver);
  }

  private sendAlone(from: NodeId, to: NodeId, message: M): void {
    const { loss, duplication, reordering } = this.links.settings(from, to);
    const copies = duplication > 0 && this.random.fraction() < duplication ? 2 : 1;
    const { replayMaxMicros } = this.options;
    for (let copy = 0; copy < copies; copy++) {
      if (this.links.isCut(from, to)) return;
      if (copy > 0 && replayMaxMicros > 0) {
        this.queue.after(this.random.below(replayMaxMicros), () => {
          if (!this.links.isCut(from, to)) this.receiver.message(from, to, message);
        });
        continue;
      }
      if (loss > 0 && this.random.fraction() < loss) continue;
      let at = this.queue.now() + this.delay(from, to);
      if (reordering > 0 && this.random.fraction() < reordering) {
        at += this.delay(from, to) * this.random.below(REORDER_FACTOR);
      } else {
        at = Math.max(at, this.floor(from, to));
        this.floors.set(way(from, to), at);
      }
      this.queue.schedule(at, () => this.receiver.message(from, to, message));
    }
  }

  private remember(from: NodeId, to: NodeId, message: M): void {
    if (this.options.replaysAtElection === 0) return;
    let memory = this.remembered.get(to);
    if (memory === undefined) {
      memory = { messages: [], next: 0 };
      this.remembered.set(to, memory);
    }
    memory.messages[memory.next] = { from, message };
    memory.next = (memory.next + 1) % REMEMBERED_MAX;
  }

  private hold(from: NodeId, to: NodeId, session: number, deliver: () => void): void {
    const held = this.held.get(way(from, to));
    if (held === undefined) this.held.set(way(from, to), [{ session, deliver }]);
    else held.push({ session, deliver });
  }

  private linkChanged(from: NodeId, to: NodeId): void {
    if (this.links.isCut(from, to)) {
      this.sessions.linkCut(from, to);
      return;
    }
    const held = this.held.get(way(from, to)) ?? [];
    this.held.delete(way(from, to));
    for (const { session, deliver } of held) {
      if (this.sessions.current(from, to) === session) deliver();
    }
  }

  private floor(from: NodeId, to: NodeId): number {
    const opened = this.sessions.openedAt(from, to);
    return Math.max(this.floors.get(way(from, to)) ?? 0, opened);
  }

  private delay(from: NodeId, to: NodeId): number {
    const { delayMinMicros, delayMaxMicros } = this.links.settings(from, to);
    return this.random.between(delayMinMicros, delayMaxMicros);
  }
}

function way(from: NodeId, to: NodeId): string {
  return `${from}>${to}`;
}
