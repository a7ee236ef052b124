import type { Cancel, Connection, ConnectionHandlers, Net } from '@quorate/consensus';
import { byteCount } from '@quorate/foundation';
import { networkError, type TransportError } from './errors.ts';
import { FrameGather } from './frame-gather.ts';
import { FrameSplitter, tooLarge } from './frame-splitter.ts';
import type { FrameChannel, FrameHandlers, FrameListener, FrameNetwork } from './types.ts';

/** The default limit of one frame: the largest entry, or the largest ZAB DIFF, with room. */
export const FRAME_BYTES_MAX = 64 * 1024 * 1024;

/** Settings of a frame network. */
export interface FrameLimits {
  /** The largest frame that may be sent or received, in bytes. */
  readonly frameBytesMax: number;
}

/**
 * Frames over byte streams: a 4-byte little-endian length, then the frame. Works on any `Net`:
 * `nodeNet()` in a process, the simulated one in the simulator.
 */
export function tcpFrames(net: Net, limits: Partial<FrameLimits> = {}): FrameNetwork {
  return new TcpFrameNetwork(net, limits.frameBytesMax ?? FRAME_BYTES_MAX);
}

class TcpFrameNetwork implements FrameNetwork {
  readonly name = 'tcp';
  private readonly net: Net;
  private readonly frameBytesMax: number;

  constructor(net: Net, frameBytesMax: number) {
    this.net = net;
    this.frameBytesMax = frameBytesMax;
  }

  listen(
    address: string,
    accept: (channel: FrameChannel) => void,
    done: (error: TransportError | null, listener: FrameListener | null) => void,
  ): void {
    this.net.listen(
      address,
      (connection) => accept(new TcpFrameChannel(connection, this.frameBytesMax)),
      (error, listener) => {
        done(error === null ? null : networkError(error.code, address, error.message), listener);
      },
    );
  }

  dial(
    address: string,
    done: (error: TransportError | null, channel: FrameChannel | null) => void,
  ): Cancel {
    return this.net.dial(address, (error, connection) => {
      if (error !== null) done(networkError(error.code, address, error.message), null);
      else if (connection !== null) {
        done(null, new TcpFrameChannel(connection, this.frameBytesMax));
      }
    });
  }
}

class TcpFrameChannel implements FrameChannel, ConnectionHandlers {
  private readonly connection: Connection;
  private readonly frameBytesMax: number;
  private readonly gather = new FrameGather();
  private readonly splitter: FrameSplitter;
  private handlers: FrameHandlers | null = null;
  private open = true;
  private failure: string | null = null;

  constructor(connection: Connection, frameBytesMax: number) {
    this.connection = connection;
    this.frameBytesMax = frameBytesMax;
    this.splitter = new FrameSplitter(frameBytesMax, (frame) => {
      this.handlers?.frame(frame);
      return this.open;
    });
  }

  get remote(): string {
    return this.connection.remote;
  }

  get queuedBytes(): number {
    return this.gather.queuedBytes + this.connection.queuedBytes;
  }

  attach(handlers: FrameHandlers): void {
    this.handlers = handlers;
    this.connection.attach(this);
  }

  send(parts: readonly Uint8Array[]): void {
    if (!this.open) return;
    const frameBytes = byteCount(parts);
    if (frameBytes > this.frameBytesMax) throw tooLarge(frameBytes, this.frameBytesMax);
    this.gather.add(parts, frameBytes);
  }

  flush(): void {
    if (this.open && this.gather.queuedBytes > 0) this.connection.write(this.gather.take());
  }

  pause(): void {
    this.connection.pause();
  }

  resume(): void {
    this.connection.resume();
  }

  close(): void {
    this.open = false;
    this.connection.close();
  }

  data(bytes: Uint8Array): void {
    if (!this.open) return;
    const error = this.splitter.push(bytes);
    if (error === null) return;
    this.failure = `${error.code}: ${error.message}`;
    this.close();
  }

  drained(): void {
    if (this.open && this.gather.queuedBytes === 0) this.handlers?.drained();
  }

  closed(reason: string): void {
    this.open = false;
    this.handlers?.closed(this.failure ?? reason);
  }
}
