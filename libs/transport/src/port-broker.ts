import { MessageChannel, type MessagePort } from 'node:worker_threads';

/** What a thread asks of the broker. `id` names the request in the answer. */
export type BrokerRequest =
  | { readonly kind: 'listen'; readonly id: number; readonly address: string }
  | { readonly kind: 'unlisten'; readonly address: string }
  | { readonly kind: 'dial'; readonly id: number; readonly address: string };

/** What the broker tells a thread; `error` is empty or a system code such as EADDRINUSE. */
export type BrokerAnswer =
  | {
      readonly kind: 'listening';
      readonly id: number;
      readonly address: string;
      readonly error: string;
    }
  | {
      readonly kind: 'accept';
      readonly address: string;
      readonly remote: string;
      readonly port: MessagePort;
    }
  | {
      readonly kind: 'dialled';
      readonly id: number;
      readonly port: MessagePort | null;
      readonly error: string;
    };

/**
 * Joins threads of one process: it knows which thread listens at which address and hands both ends
 * of a new `MessageChannel` over on request. Frames never pass through it.
 */
export interface PortBroker {
  /**
   * A control port for one thread: give it to a worker with `transferList`, then open the network
   * there with `messagePortFrames(port)`. When the thread ends, its listeners are forgotten.
   */
  connect(): MessagePort;
  /** Closes every control port. */
  stop(): void;
}

/** Makes the broker of a process; the thread that owns the workers holds it. */
export function createPortBroker(): PortBroker {
  return new Broker();
}

class Broker implements PortBroker {
  private readonly listeners = new Map<string, MessagePort>();
  private readonly controls = new Set<MessagePort>();
  private lastPort = 0;
  private lastDial = 0;

  connect(): MessagePort {
    const { port1: here, port2: there } = new MessageChannel();
    this.controls.add(here);
    here.on('message', (request: BrokerRequest) => this.answer(here, request));
    here.on('close', () => this.forget(here));
    here.unref(); // The broker alone keeps no process alive.
    return there;
  }

  stop(): void {
    for (const control of this.controls) control.close();
  }

  private answer(control: MessagePort, request: BrokerRequest): void {
    if (request.kind === 'listen') this.listen(control, request.id, request.address);
    else if (request.kind === 'dial') this.dial(control, request.id, request.address);
    else if (this.listeners.get(request.address) === control) {
      this.listeners.delete(request.address);
    }
  }

  private listen(control: MessagePort, id: number, asked: string): void {
    const address = asked.endsWith(':0') ? `${asked.slice(0, -1)}${++this.lastPort}` : asked;
    const taken = this.listeners.has(address);
    if (!taken) this.listeners.set(address, control);
    tell(control, { kind: 'listening', id, address, error: taken ? 'EADDRINUSE' : '' });
  }

  private dial(control: MessagePort, id: number, address: string): void {
    const listener = this.listeners.get(address);
    if (listener === undefined) {
      tell(control, { kind: 'dialled', id, port: null, error: 'ECONNREFUSED' });
      return;
    }
    const { port1, port2 } = new MessageChannel();
    const remote = `thread:${++this.lastDial}`;
    tell(listener, { kind: 'accept', address, remote, port: port1 });
    tell(control, { kind: 'dialled', id, port: port2, error: '' });
  }

  private forget(control: MessagePort): void {
    this.controls.delete(control);
    for (const [address, owner] of this.listeners) {
      if (owner === control) this.listeners.delete(address);
    }
  }
}

function tell(control: MessagePort, answer: BrokerAnswer): void {
  const port = 'port' in answer ? answer.port : null;
  control.postMessage(answer, port === null ? [] : [port]);
}
