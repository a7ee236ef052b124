import type { ClientDuplexStream, ServerDuplexStream } from '@grpc/grpc-js';
import { byteCount, required } from '@quorate/foundation';
import { tooLarge } from './frame-splitter.ts';
import type { FrameChannel, FrameHandlers } from './types.ts';

/** Either end of a bidirectional stream of bytes. */
export type GrpcStream = ClientDuplexStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;

/** What a gRPC channel is made of. */
export interface GrpcChannelOptions {
  /** A client's or a server's bidirectional stream of whole messages. */
  readonly stream: GrpcStream;
  readonly remote: string;
  readonly frameBytesMax: number;
  /** Ends the stream at once, whatever is queued. */
  readonly end: () => void;
}

/** One bidirectional gRPC stream as a {@link FrameChannel}; a frame is a message. */
export class GrpcFrameChannel implements FrameChannel {
  readonly remote: string;
  queuedBytes = 0;
  private readonly options: GrpcChannelOptions;
  private readonly stream: GrpcStream;
  private handlers: FrameHandlers | null = null;
  private unflushed: Buffer[] = [];
  private open = true;
  private over = false;
  private reason = 'closed by the peer';

  constructor(options: GrpcChannelOptions) {
    this.options = options;
    this.stream = options.stream;
    this.remote = options.remote;
    this.stream.on('error', (error: Error) => this.ended(error.message));
  }

  attach(handlers: FrameHandlers): void {
    this.handlers = handlers;
    const { stream } = this;
    // grpc-js assembles each message in a buffer of its own, so the bytes are the receiver's.
    stream.on('data', (bytes: Buffer) => {
      if (this.open) handlers.frame(bytes);
    });
    // `cancelled`: the other end or its connection is gone. `end`: it closed in good order.
    stream.on('cancelled', () => this.ended(this.reason));
    stream.on('end', () => this.ended(this.reason));
    stream.on('close', () => this.ended(this.reason));
  }

  send(parts: readonly Uint8Array[]): void {
    if (!this.open) return;
    const bytes = byteCount(parts);
    if (bytes > this.options.frameBytesMax) throw tooLarge(bytes, this.options.frameBytesMax);
    this.queuedBytes += bytes;
    this.unflushed.push(asBuffer(parts, bytes));
  }

  flush(): void {
    if (!this.open || this.unflushed.length === 0) return;
    const frames = this.unflushed;
    this.unflushed = [];
    for (const frame of frames) this.stream.write(frame, () => this.taken(frame.length));
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.reason = 'closed here';
    this.options.end();
    process.nextTick(() => this.ended(this.reason));
  }

  private taken(bytes: number): void {
    this.queuedBytes -= bytes;
    if (this.queuedBytes === 0 && this.open) this.handlers?.drained();
  }

  private ended(reason: string): void {
    if (this.over || this.handlers === null) return;
    this.over = true;
    if (this.open) this.options.end();
    this.open = false;
    this.handlers.closed(this.reason === 'closed here' ? this.reason : reason);
  }
}

/** The parts as one buffer; a single part is left to grpc-js, which copies it anyway. */
function asBuffer(parts: readonly Uint8Array[], bytes: number): Buffer {
  if (parts.length !== 1) return Buffer.concat(parts, bytes);
  const only = required(parts[0], 'one part');
  return Buffer.from(only.buffer, only.byteOffset, only.length);
}
