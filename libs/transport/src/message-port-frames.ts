import type { MessagePort } from 'node:worker_threads';
import type { Cancel } from '@quorate/consensus';
import { networkError, type TransportError } from './errors.ts';
import { MessagePortChannel } from './message-port-channel.ts';
import type { BrokerAnswer, BrokerRequest } from './port-broker.ts';
import { FRAME_BYTES_MAX, type FrameLimits } from './tcp-frames.ts';
import type { FrameChannel, FrameListener, FrameNetwork } from './types.ts';

type Listening = (error: TransportError | null, listener: FrameListener | null) => void;
type Accept = (channel: FrameChannel) => void;

interface PendingListen {
  readonly asked: string;
  readonly accept: Accept;
  readonly done: Listening;
}

/**
 * Frames between the worker threads of one process. `control` comes from the `PortBroker` of the
 * parent thread, which resolves addresses (any text; one that ends in `:0` gets a free number).
 * The frames of one flush are copied into one buffer, which is transferred, not cloned.
 */
export function messagePortFrames(
  control: MessagePort,
  limits: Partial<FrameLimits> = {},
): FrameNetwork {
  return new MessagePortNetwork(control, limits.frameBytesMax ?? FRAME_BYTES_MAX);
}

class MessagePortNetwork implements FrameNetwork {
  readonly name = 'message-port';
  private readonly control: MessagePort;
  private readonly frameBytesMax: number;
  private readonly listens = new Map<number, PendingListen>();
  private readonly accepts = new Map<string, Accept>();
  private readonly dials = new Map<
    number,
    { readonly address: string; readonly done: Parameters<FrameNetwork['dial']>[1] }
  >();
  private lastId = 0;

  constructor(control: MessagePort, frameBytesMax: number) {
    this.control = control;
    this.frameBytesMax = frameBytesMax;
    control.on('message', (answer: BrokerAnswer) => this.answered(answer));
    control.on('close', () => this.brokerGone());
    this.hold();
  }

  listen(address: string, accept: Accept, done: Listening): void {
    const id = ++this.lastId;
    this.listens.set(id, { asked: address, accept, done });
    this.ask({ kind: 'listen', id, address });
  }

  dial(address: string, done: Parameters<FrameNetwork['dial']>[1]): Cancel {
    const id = ++this.lastId;
    this.dials.set(id, { address, done });
    this.ask({ kind: 'dial', id, address });
    return () => {
      this.dials.delete(id);
      this.hold();
    };
  }

  private ask(request: BrokerRequest): void {
    this.control.postMessage(request);
    this.hold();
  }

  /** A listener or an open request keeps the thread alive, as a socket would; nothing else does. */
  private hold(): void {
    if (this.listens.size + this.accepts.size + this.dials.size > 0) this.control.ref();
    else this.control.unref();
  }

  private answered(answer: BrokerAnswer): void {
    if (answer.kind === 'listening') {
      this.listening(answer.id, answer.address, answer.error);
    } else if (answer.kind === 'accept') {
      const accept = this.accepts.get(answer.address);
      if (accept === undefined) answer.port.close();
      else accept(new MessagePortChannel(answer.port, answer.remote, this.frameBytesMax));
    } else {
      this.dialled(answer.id, answer.port, answer.error);
    }
    this.hold();
  }

  private listening(id: number, address: string, code: string): void {
    const pending = this.listens.get(id);
    if (pending === undefined) return;
    this.listens.delete(id);
    if (code !== '') {
      const text = 'another thread listens there';
      pending.done(networkError(code, pending.asked, text), null);
      return;
    }
    this.accepts.set(address, pending.accept);
    const close = (): void => {
      this.accepts.delete(address);
      this.ask({ kind: 'unlisten', address });
    };
    pending.done(null, { address, close });
  }

  private dialled(id: number, port: MessagePort | null, code: string): void {
    const pending = this.dials.get(id);
    this.dials.delete(id);
    if (pending === undefined) {
      port?.close();
    } else if (port === null) {
      pending.done(networkError(code, pending.address, 'nobody listens there'), null);
    } else {
      pending.done(null, new MessagePortChannel(port, pending.address, this.frameBytesMax));
    }
  }

  private brokerGone(): void {
    const gone = (address: string): TransportError =>
      networkError('EPIPE', address, 'the broker is gone');
    for (const pending of this.listens.values()) pending.done(gone(pending.asked), null);
    for (const pending of this.dials.values()) pending.done(gone(pending.address), null);
    this.listens.clear();
    this.dials.clear();
  }
}
