import type { NodeId } from '@quorate/consensus';
import { type Random, required } from '@quorate/foundation';
import type { EventQueue } from '../event-queue.ts';
import type { LinkMatrix } from '../link-matrix.ts';
import type { PipeWatch } from './byte-pipe.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** Old datagrams kept for replays, and the largest that is kept. */
const KEPT_MAX = 512;
const KEPT_BYTES_MAX = 16 * 1024;
/** A datagram that is reordered waits up to so much longer. */
const REORDER_MICROS = 200_000;
/** The second copy of a datagram comes up to so much later. */
const DUPLICATE_MICROS = 50_000;

/** Takes what arrives at one node. */
export type DatagramReceiver = (from: NodeId, bytes: Uint8Array) => void;

/** What became of the datagrams of a run. */
export interface DatagramCounts {
  sent: number;
  lost: number;
  duplicated: number;
  reordered: number;
  replayed: number;
}

interface Kept {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly bytes: Uint8Array;
}

/**
 * A network of single messages between nodes, as UDP is one: by the link matrix each is lost,
 * duplicated or overtaken on its own, and nobody learns of it. Samples of everything that was ever
 * sent are kept, so that very old messages can come again, over restarts and rounds.
 */
export class DatagramNetwork {
  readonly counts: DatagramCounts = { sent: 0, lost: 0, duplicated: 0, reordered: 0, replayed: 0 };
  private readonly queue: EventQueue;
  private readonly links: LinkMatrix;
  private readonly random: Random;
  private readonly open = new Map<NodeId, [SimulatedProcess, DatagramReceiver]>();
  private readonly kept: Kept[] = [];

  private readonly watch: PipeWatch | null;

  constructor(
    queue: EventQueue,
    links: LinkMatrix,
    random: Random,
    watch: PipeWatch | null = null,
  ) {
    this.watch = watch;
    this.queue = queue;
    this.links = links;
    this.random = random;
  }

  /** The process takes what arrives at its node from now on, until it is killed or another does. */
  listen(process: SimulatedProcess, receiver: DatagramReceiver): void {
    const entry: [SimulatedProcess, DatagramReceiver] = [process, receiver];
    this.open.set(process.node, entry);
    process.whenKilled(() => {
      if (this.open.get(process.node) === entry) this.open.delete(process.node);
    });
  }

  /** Sends one message, which nobody changes afterwards. */
  send(from: NodeId, to: NodeId, bytes: Uint8Array): void {
    const { counts, random } = this;
    const { loss, duplication, reordering } = this.links.settings(from, to);
    counts.sent++;
    this.keep({ from, to, bytes });
    if (this.links.isCut(from, to) || (loss > 0 && random.fraction() < loss)) {
      counts.lost++;
      return;
    }
    let late = 0;
    if (reordering > 0 && random.fraction() < reordering) {
      counts.reordered++;
      late = random.below(REORDER_MICROS);
    }
    this.carry({ from, to, bytes }, late);
    if (duplication === 0 || random.fraction() >= duplication) return;
    counts.duplicated++;
    this.carry({ from, to, bytes }, random.below(DUPLICATE_MICROS));
  }

  /** Delivers one message of the past again; false when none is kept. */
  replay(random: Random): boolean {
    if (this.kept.length === 0) return false;
    const message = required(this.kept[random.below(this.kept.length)], 'a message');
    this.counts.replayed++;
    this.carry(message, 0, false);
    return true;
  }

  /** `isNew`: its sender says it now, so that it may have caused what its receiver does. */
  private carry({ from, to, bytes }: Kept, lateMicros: number, isNew = true): void {
    const { watch } = this;
    const { delayMinMicros, delayMaxMicros } = this.links.settings(from, to);
    const delay = this.random.between(delayMinMicros, delayMaxMicros) + lateMicros;
    const pipe = {};
    if (isNew) watch?.written(pipe, from, to, bytes.length);
    this.queue.after(delay, () => {
      const entry = this.open.get(to);
      if (entry === undefined) return;
      const [process, receiver] = entry;
      process.enter(() => {
        if (isNew) watch?.delivered(pipe, from, to, bytes.length);
        receiver(from, bytes.slice()); // The receiver may keep views into its own copy.
      });
    });
  }

  /** A uniform sample of all messages so far (reservoir sampling, Vitter 1985). */
  private keep(message: Kept): void {
    if (message.bytes.length > KEPT_BYTES_MAX) return;
    if (this.kept.length < KEPT_MAX) {
      this.kept.push(message);
      return;
    }
    const place = this.random.below(this.counts.sent);
    if (place < KEPT_MAX) this.kept[place] = message;
  }
}
