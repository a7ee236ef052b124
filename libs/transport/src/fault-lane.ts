import { type Cancel, type Clock, instant } from '@quorate/consensus';
import { assert, BoundedQueue, type Random } from '@quorate/foundation';
import type { DirectionCounters, LinkFault } from './types.ts';

/** Frames that one direction of a link may hold back; beyond it the session is closed. */
export const LANE_FRAMES_MAX = 262_144;
/** Times that one frame may be lost in a row; a real connection would give up about there. */
const LOSSES_IN_A_ROW_MAX = 6;
/** Linux's least retransmission timeout (TCP_RTO_MIN), what one loss costs by default. */
const RETRANSMIT_MICROS = 200_000;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface WaitingFrame {
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  /** The instant of delivery, ignored while a cut is in force. */
  readonly due: number;
}

/** What a lane is made of. */
export interface FaultLaneOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Passes one frame on. */
  readonly deliver: (parts: readonly Uint8Array[]) => void;
  /** Called after a batch of held frames was passed on. */
  readonly released: () => void;
}

/**
 * One direction of a link with its fault. Frames keep their order whatever the fault does: a cut
 * holds them, a delay or a loss makes them and all later ones wait. Healing releases everything
 * that waits at once, in order. While `idle`, the caller passes frames by itself and only `count`s.
 */
export class FaultLane {
  readonly counters: Mutable<DirectionCounters> = {
    frames: 0,
    bytes: 0,
    framesHeld: 0,
    bytesHeld: 0,
    framesDelayed: 0,
    bytesDelayed: 0,
    framesLost: 0,
    bytesLost: 0,
    framesReleased: 0,
    bytesReleased: 0,
    framesDropped: 0,
    bytesDropped: 0,
    framesWaiting: 0,
    bytesWaiting: 0,
    handshakesBlocked: 0,
  };
  /** True when no fault is in force and nothing waits: frames pass straight through. */
  idle = true;
  private readonly options: FaultLaneOptions;
  private readonly waiting = new BoundedQueue<WaitingFrame>(LANE_FRAMES_MAX);
  private fault: LinkFault | null = null;
  private lastDue = 0;
  private cancel: Cancel | null = null;

  constructor(options: FaultLaneOptions) {
    this.options = options;
  }

  /** Counts one frame of `bytes` bytes that enters this direction. */
  count(bytes: number): void {
    this.counters.frames++;
    this.counters.bytes += bytes;
  }

  /** Takes a counted frame while not idle; false when the lane is full and the frame is dropped. */
  offer(parts: readonly Uint8Array[], bytes: number): boolean {
    assert(!this.idle, 'an idle lane holds nothing back');
    const now = this.options.clock.now();
    const due = this.fault === null || this.fault.cut === true ? 0 : this.dueOf(this.fault, bytes);
    if (!this.waiting.push({ parts, bytes, due: Math.max(due, this.lastDue) })) return false;
    const counters = this.counters;
    counters.framesWaiting++;
    counters.bytesWaiting += bytes;
    if (this.fault?.cut === true) {
      counters.framesHeld++;
      counters.bytesHeld += bytes;
      return true;
    }
    this.lastDue = Math.max(due, this.lastDue);
    if (this.lastDue > now) {
      counters.framesDelayed++;
      counters.bytesDelayed += bytes;
    }
    this.arm();
    return true;
  }

  /** Replaces the fault in force; frames that waited for the old one are released in order. */
  setFault(fault: LinkFault | null): void {
    this.fault = fault;
    this.lastDue = 0;
    this.idle = fault === null && this.waiting.length === 0;
    this.disarm();
    if (fault?.cut === true || this.waiting.length === 0) return;
    const overdue = this.waiting.drain();
    for (const frame of overdue) this.waiting.push({ ...frame, due: 0 });
    this.arm();
  }

  /** Drops everything that waits: its session ended. The fault stays in force. */
  drop(): void {
    this.disarm();
    const counters = this.counters;
    counters.framesDropped += counters.framesWaiting;
    counters.bytesDropped += counters.bytesWaiting;
    counters.framesWaiting = 0;
    counters.bytesWaiting = 0;
    this.waiting.drain();
    this.lastDue = 0;
    this.idle = this.fault === null;
  }

  private dueOf(fault: LinkFault, bytes: number): number {
    const random = this.options.random;
    let due = this.options.clock.now() + (fault.delayMicros ?? 0);
    const jitter = fault.jitterMicros ?? 0;
    if (jitter > 0) due += random.between(0, jitter);
    const loss = fault.lossFraction ?? 0;
    let retransmit = fault.retransmitMicros ?? RETRANSMIT_MICROS;
    let losses = 0;
    while (loss > 0 && losses < LOSSES_IN_A_ROW_MAX && random.fraction() < loss) {
      due += retransmit;
      retransmit *= 2;
      losses++;
    }
    if (losses > 0) {
      this.counters.framesLost++;
      this.counters.bytesLost += bytes;
    }
    return due;
  }

  private arm(): void {
    const next = this.waiting.peek();
    if (next === undefined || this.cancel !== null) return;
    const at = Math.max(next.due, this.options.clock.now());
    this.cancel = this.options.clock.schedule(instant(at), () => {
      this.cancel = null;
      this.release();
    });
  }

  private disarm(): void {
    this.cancel?.();
    this.cancel = null;
  }

  private release(): void {
    const now = this.options.clock.now();
    const counters = this.counters;
    for (;;) {
      const next = this.waiting.peek();
      // A delivery may have ended the session or set another fault; then the queue says so.
      if (next === undefined || this.fault?.cut === true || next.due > now) break;
      this.waiting.shift();
      counters.framesWaiting--;
      counters.bytesWaiting -= next.bytes;
      counters.framesReleased++;
      counters.bytesReleased += next.bytes;
      this.options.deliver(next.parts);
    }
    this.idle = this.fault === null && this.waiting.length === 0;
    this.options.released();
    if (this.fault?.cut !== true) this.arm();
  }
}
