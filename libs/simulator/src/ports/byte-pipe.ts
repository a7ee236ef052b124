import type { ConnectionHandlers, NodeId } from '@quorate/consensus';
import { byteCount, type Random } from '@quorate/foundation';
import type { EventQueue } from '../event-queue.ts';
import type { LinkMatrix } from '../link-matrix.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** Bytes on the way or waiting at a paused receiver; what exceeds them queues at the sender. */
const WINDOW_BYTES = 256 * 1024;
/** Bytes queued at the sender above which `write` answers false. */
export const HIGH_WATER_BYTES = 64 * 1024;
/** One piece in so many is cut in two: a stream has no frames. */
const SPLIT_ONE_IN = 4;
/** Short writes share an allocation of this size, as an array buffer for each costs most of it. */
const SLAB_BYTES = 64 * 1024;
const SHARED_BYTES_MAX = 4 * 1024;
/** The delay within one machine. */
const LOOPBACK_MICROS = 20;
/** What the loss of a segment costs a stream; doubled for each repeated loss of the same one. */
const RETRANSMIT_MICROS = 200_000;
const RETRANSMITS_MAX = 5;
/** A write starts with the length of its first frame, little endian. */
const LENGTH_BYTES = 4;
const GIGABYTE_BIT = 0x40;

/** What faults of one way between two nodes did so far, in pieces of streams and in dials. */
export interface LinkCounts {
  /** Pieces written while the link was cut. */
  held: number;
  /** Pieces that took longer than the link usually takes. */
  delayed: number;
  /** Pieces that were lost and sent again. */
  resent: number;
  /** Attempts to connect that did not get through. */
  dialsBlocked: number;
}

/** What all pipes of one network share. */
export interface PipeWorld {
  readonly queue: EventQueue;
  readonly links: LinkMatrix;
  readonly random: Random;
  /** The counts of one way; they change nothing. */
  counts(from: NodeId, to: NodeId): LinkCounts;
  /** Sees what is written and what a process gets; it changes nothing. */
  readonly watch: PipeWatch | null;
}

/** Who follows bytes from their writer to their reader. */
export interface PipeWatch {
  written(pipe: object, from: NodeId, to: NodeId, bytes: number): void;
  delivered(pipe: object, from: NodeId, to: NodeId, bytes: number): void;
}

type Piece = Uint8Array | { readonly end: string };

/** One direction of a simulated connection: bytes in order, delayed, held while the link is cut. */
export class BytePipe {
  queuedBytes = 0;
  /** Damages the length in front of the next write's first frame, then tells. */
  corruptNext: (() => void) | null = null;
  private readonly world: PipeWorld;
  private readonly from: SimulatedProcess;
  private readonly to: SimulatedProcess;
  private readonly onDrained: () => void;
  private outgoing: Piece[] = [];
  private arrived: Piece[] = [];
  private windowBytes = 0;
  private floor = 0;
  private wasHigh = false;
  private reading = true;
  private receiver: ConnectionHandlers | null = null;
  private over = false;

  constructor(
    world: PipeWorld,
    from: SimulatedProcess,
    to: SimulatedProcess,
    onDrained: () => void,
  ) {
    this.world = world;
    this.from = from;
    this.to = to;
    this.onDrained = onDrained;
  }

  /** Pieces that wait here because the link is cut or the receiver's window is full. */
  get waiting(): number {
    return this.outgoing.length;
  }

  /** Queues a copy of the parts; false above the high-water mark. */
  write(parts: readonly Uint8Array[]): boolean {
    if (this.over) return false;
    const bytes = room(byteCount(parts));
    this.world.watch?.written(this, this.from.node, this.to.node, bytes.length);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    if (this.corruptNext !== null) this.corruptLength(bytes);
    const pieces = this.split(bytes);
    this.outgoing.push(...pieces);
    if (this.isCut) this.counts.held += pieces.length;
    this.queuedBytes += bytes.length;
    this.pump();
    if (this.queuedBytes > HIGH_WATER_BYTES) this.wasHigh = true;
    return !this.wasHigh;
  }

  /** Says the end behind what is on the way; what is still queued here is lost. */
  end(reason: string): void {
    if (this.over) return;
    this.over = true;
    this.outgoing = [{ end: reason }];
    if (this.isCut) this.counts.held++;
    this.queuedBytes = 0;
    this.pump();
  }

  /** The receiver takes what arrived and what will. */
  attach(receiver: ConnectionHandlers | null): void {
    this.receiver = receiver;
    this.hand();
  }

  /** Stops or continues handing bytes to the receiver; a full window stops the sender. */
  setReading(reading: boolean): void {
    this.reading = reading;
    if (reading) this.world.queue.after(0, () => this.hand());
  }

  /** Moves queued pieces onto the way, as far as the link and the window allow. */
  pump(): void {
    const { queue } = this.world;
    const cut = this.isCut;
    let sent = 0;
    while (!cut && sent < this.outgoing.length && this.windowBytes < WINDOW_BYTES) {
      const piece = this.outgoing[sent++] as Piece;
      const bytes = piece instanceof Uint8Array ? piece.length : 0;
      this.queuedBytes = Math.max(0, this.queuedBytes - bytes);
      this.windowBytes += bytes;
      this.floor = Math.max(this.floor, queue.now() + this.delay());
      queue.schedule(this.floor, () => {
        this.arrived.push(piece);
        this.hand();
      });
    }
    if (sent > 0) this.outgoing = this.outgoing.slice(sent);
    if (this.wasHigh && this.queuedBytes === 0 && !this.over) {
      this.wasHigh = false;
      queue.after(0, () => this.from.enter(this.onDrained));
    }
  }

  /** A frame of a gigabyte is announced, which every receiver refuses. */
  private corruptLength(bytes: Uint8Array): void {
    if (bytes.length < LENGTH_BYTES) return;
    bytes[LENGTH_BYTES - 1] = (bytes[LENGTH_BYTES - 1] as number) | GIGABYTE_BIT;
    this.corruptNext?.();
    this.corruptNext = null;
  }

  private hand(): void {
    const { receiver } = this;
    if (receiver === null || !this.reading) return;
    const pieces = this.arrived;
    this.arrived = [];
    for (const piece of pieces) {
      if (piece instanceof Uint8Array) {
        this.windowBytes -= piece.length;
        this.to.enter(() => this.take(piece));
      } else {
        this.to.enter(() => {
          const told = this.receiver;
          this.receiver = null;
          told?.closed(piece.end);
        });
      }
    }
    if (pieces.length > 0) this.pump();
  }

  private take(piece: Uint8Array): void {
    if (this.receiver === null) return;
    this.world.watch?.delivered(this, this.from.node, this.to.node, piece.length);
    this.receiver.data(piece);
  }

  private split(bytes: Uint8Array): Uint8Array[] {
    if (bytes.length < 2 || this.world.random.below(SPLIT_ONE_IN) > 0) return [bytes];
    const at = 1 + this.world.random.below(bytes.length - 1);
    return [bytes.subarray(0, at), bytes.subarray(at)];
  }

  private get local(): boolean {
    return this.from.node === this.to.node;
  }

  private get isCut(): boolean {
    return !this.local && this.world.links.isCut(this.from.node, this.to.node);
  }

  private get counts(): LinkCounts {
    return this.world.counts(this.from.node, this.to.node);
  }

  private delay(): number {
    if (this.local) return LOOPBACK_MICROS;
    const { links, random } = this.world;
    const settings = links.settings(this.from.node, this.to.node);
    let delay = random.between(settings.delayMinMicros, settings.delayMaxMicros);
    const slower = settings.delayMaxMicros > links.usual.delayMaxMicros;
    if (slower) this.counts.delayed++;
    // A stream loses nothing: a lost segment is sent again, and everything behind it waits.
    let resend = RETRANSMIT_MICROS;
    for (let i = 0; i < RETRANSMITS_MAX && settings.loss > 0; i++) {
      if (random.fraction() >= settings.loss) break;
      if (resend === RETRANSMIT_MICROS) this.counts.resent++;
      delay += resend;
      resend *= 2;
    }
    return delay;
  }
}

let slab = new Uint8Array(0);
let slabUsed = 0;

/** Bytes to be written once and never again. */
function room(length: number): Uint8Array {
  if (length > SHARED_BYTES_MAX) return new Uint8Array(length);
  if (slabUsed + length > slab.length) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  slabUsed += length;
  return slab.subarray(slabUsed - length, slabUsed);
}
