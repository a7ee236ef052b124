import {
  type Cancel,
  type Clock,
  type Connection,
  type ConnectionHandlers,
  type Instant,
  instant,
  type Listener,
  type Net,
  NetError,
} from '@quorate/consensus';
import { assert, byteCount, concatBytes, type Random } from '@quorate/foundation';

/** Events that one run may take; a run that needs more is stuck in a loop. */
const EVENTS_MAX = 1_000_000;

interface TimedEvent {
  readonly at: number;
  readonly order: number;
  callback: (() => void) | null;
}

/**
 * Virtual time and an in-memory `Net` for this library's own tests: one queue of events, ordered by
 * time and then by age, so that a run depends on its inputs alone.
 */
export class VirtualWorld {
  readonly clock: Clock;
  private nowMicros = 0;
  private order = 0;
  private readonly events: TimedEvent[] = [];

  constructor() {
    this.clock = {
      now: () => instant(this.nowMicros),
      wallMicros: () => this.nowMicros,
      schedule: (at: Instant, callback: () => void) => this.schedule(at, callback),
      defer: (callback: () => void) => void this.schedule(this.nowMicros, callback),
    };
  }

  /** Calls back at `at`, or in a later turn of the present when that is past. */
  schedule(at: number, callback: () => void): Cancel {
    const event: TimedEvent = {
      at: Math.max(at, this.nowMicros),
      order: this.order++,
      callback,
    };
    this.events.push(event);
    return () => {
      event.callback = null;
    };
  }

  /** Lets `micros` pass, firing everything due. */
  advance(micros: number): void {
    const end = this.nowMicros + micros;
    for (let fired = 0; ; fired++) {
      assert(fired < EVENTS_MAX, 'the world does not come to rest');
      const next = this.takeNext(end);
      if (next === null) break;
      this.nowMicros = next.at;
      next.callback?.();
    }
    this.nowMicros = end;
  }

  private takeNext(end: number): TimedEvent | null {
    let best = -1;
    for (let i = 0; i < this.events.length; i++) {
      const event = this.events[i] as TimedEvent;
      const leader = this.events[best];
      if (event.at > end) continue;
      if (leader === undefined || event.at < leader.at) best = i;
      else if (event.at === leader.at && event.order < leader.order) best = i;
    }
    return best < 0 ? null : (this.events.splice(best, 1)[0] as TimedEvent);
  }
}

/** A `Net` in memory: bytes arrive `latencyMicros` later, cut into random pieces, in order. */
export class MemoryNet implements Net {
  /** Addresses that swallow dials without an answer. */
  readonly silent = new Set<string>();
  /** The end of a connection is not told to the other side, as when a host loses power. */
  losesEnds = false;
  dials = 0;
  readonly world: VirtualWorld;
  readonly random: Random;
  readonly latencyMicros: number;
  private readonly listeners = new Map<string, (connection: Connection) => void>();

  constructor(world: VirtualWorld, random: Random, latencyMicros: number) {
    this.world = world;
    this.random = random;
    this.latencyMicros = latencyMicros;
  }

  listen(
    address: string,
    accept: (connection: Connection) => void,
    done: (error: NetError | null, listener: Listener | null) => void,
  ): void {
    this.world.clock.defer(() => {
      if (this.listeners.has(address)) {
        done(new NetError('EADDRINUSE', 'in use'), null);
        return;
      }
      this.listeners.set(address, accept);
      done(null, { address, close: () => void this.listeners.delete(address) });
    });
  }

  dial(
    address: string,
    done: (error: NetError | null, connection: Connection | null) => void,
  ): Cancel {
    this.dials++;
    if (this.silent.has(address)) return () => {};
    const arrival = this.world.clock.now() + this.latencyMicros;
    return this.world.schedule(arrival, () => {
      const accept = this.listeners.get(address);
      if (accept === undefined) {
        done(new NetError('ECONNREFUSED', 'nobody listens'), null);
        return;
      }
      const near = new MemoryConnection(address, this);
      const far = new MemoryConnection('dialler', this);
      near.other = far;
      far.other = near;
      accept(far);
      done(null, near);
    });
  }
}

class MemoryConnection implements Connection {
  readonly remote: string;
  queuedBytes = 0;
  other: MemoryConnection | null = null;
  private readonly net: MemoryNet;
  private handlers: ConnectionHandlers | null = null;
  private open = true;

  constructor(remote: string, net: MemoryNet) {
    this.remote = remote;
    this.net = net;
  }

  attach(handlers: ConnectionHandlers): void {
    this.handlers = handlers;
  }

  write(parts: readonly Uint8Array[]): boolean {
    if (!this.open) return false;
    const bytes = byteCount(parts);
    const stream = new Uint8Array(concatBytes(parts));
    this.queuedBytes += bytes;
    this.later(() => {
      this.queuedBytes -= bytes;
      this.other?.arrive(stream);
      if (this.open && this.queuedBytes === 0) this.handlers?.drained();
    });
    return true;
  }

  pause(): void {}

  resume(): void {}

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.net.world.clock.defer(() => this.handlers?.closed('closed here'));
    if (!this.net.losesEnds) this.later(() => this.other?.hangUp());
  }

  private arrive(stream: Uint8Array): void {
    for (let offset = 0; offset < stream.length && this.open; ) {
      const end = offset + this.net.random.between(1, stream.length - offset);
      this.handlers?.data(stream.slice(offset, end));
      offset = end;
    }
  }

  private hangUp(): void {
    if (!this.open) return;
    this.open = false;
    this.handlers?.closed('closed by the peer');
  }

  private later(callback: () => void): void {
    const { world, latencyMicros } = this.net;
    world.schedule(world.clock.now() + latencyMicros, callback);
  }
}
