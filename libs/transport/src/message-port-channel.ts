import type { MessagePort } from 'node:worker_threads';
import { byteCount } from '@quorate/foundation';
import { ownBytes, tooLarge } from './frame-splitter.ts';
import type { FrameChannel, FrameHandlers } from './types.ts';

/** The receiver tells the sender after this many bytes that it took them. */
const ACKNOWLEDGED_BYTES = 65_536;

/** The frames of one flush, one behind the other in `slab`. */
interface FrameSlab {
  readonly slab: ArrayBuffer;
  readonly lengths: readonly number[];
}

/**
 * What crosses the port: frames, or a number of bytes that the receiver took. A port has no
 * back-pressure of its own; the numbers give the sender its `queuedBytes`.
 */
type PortMessage = FrameSlab | number;

/** One `MessageChannel` end as a {@link FrameChannel}. */
export class MessagePortChannel implements FrameChannel {
  readonly remote: string;
  private readonly port: MessagePort;
  private readonly frameBytesMax: number;
  private handlers: FrameHandlers | null = null;
  private unflushed: (readonly Uint8Array[])[] = [];
  private lengths: number[] = [];
  private unflushedBytes = 0;
  /** Bytes posted and not acknowledged; below one acknowledgement's worth they count as taken. */
  private unacknowledged = 0;
  /** Bytes taken here and not yet acknowledged. */
  private taken = 0;
  private paused = false;
  /** What arrived while paused; the sender's queue limit bounds it, as nothing is acknowledged. */
  private inbox: FrameSlab[] = [];
  private open = true;
  private reason = 'closed by the peer';

  constructor(port: MessagePort, remote: string, frameBytesMax: number) {
    this.port = port;
    this.remote = remote;
    this.frameBytesMax = frameBytesMax;
  }

  get queuedBytes(): number {
    return this.unflushedBytes + Math.max(0, this.unacknowledged - ACKNOWLEDGED_BYTES);
  }

  attach(handlers: FrameHandlers): void {
    this.handlers = handlers;
    this.port.on('message', (message: PortMessage) => this.receive(message));
    // Also emitted when the other thread ended, however it did.
    this.port.on('close', () => {
      this.open = false;
      handlers.closed(this.reason);
    });
  }

  send(parts: readonly Uint8Array[]): void {
    if (!this.open) return;
    const bytes = byteCount(parts);
    if (bytes > this.frameBytesMax) throw tooLarge(bytes, this.frameBytesMax);
    this.unflushed.push(parts);
    this.lengths.push(bytes);
    this.unflushedBytes += bytes;
  }

  flush(): void {
    if (!this.open || this.unflushed.length === 0) return;
    // The parts are shared with the log and other peers, so they are copied; the copy is ours alone
    // and can change hands.
    const slab = new ArrayBuffer(this.unflushedBytes);
    const bytes = new Uint8Array(slab);
    let offset = 0;
    for (const parts of this.unflushed) {
      for (const part of parts) {
        bytes.set(part, offset);
        offset += part.length;
      }
    }
    const message: FrameSlab = { slab, lengths: this.lengths };
    this.unacknowledged += this.unflushedBytes;
    this.unflushed = [];
    this.lengths = [];
    this.unflushedBytes = 0;
    this.port.postMessage(message, [slab]);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (this.inbox.length > 0) setImmediate(() => this.drainInbox());
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.reason = 'closed here';
    this.port.close();
  }

  private receive(message: PortMessage): void {
    if (!this.open) return;
    if (typeof message === 'number') this.acknowledged(message);
    else if (this.paused || this.inbox.length > 0) this.inbox.push(message);
    else this.deliver(message);
  }

  private drainInbox(): void {
    while (this.open && !this.paused) {
      const message = this.inbox.shift();
      if (message === undefined) return;
      this.deliver(message);
    }
  }

  private deliver(message: FrameSlab): void {
    const bytes = message.slab.byteLength;
    let offset = 0;
    for (const length of message.lengths) {
      const frame = new Uint8Array(message.slab, offset, length);
      offset += length;
      this.handlers?.frame(ownBytes(frame, bytes));
      if (!this.open) return;
    }
    this.taken += bytes;
    if (this.taken < ACKNOWLEDGED_BYTES) return;
    this.port.postMessage(this.taken);
    this.taken = 0;
  }

  private acknowledged(bytes: number): void {
    const before = this.queuedBytes;
    this.unacknowledged -= bytes;
    if (before > 0 && this.queuedBytes === 0) this.handlers?.drained();
  }
}
