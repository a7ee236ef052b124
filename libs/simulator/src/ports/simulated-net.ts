import {
  type Cancel,
  type Connection,
  type ConnectionHandlers,
  type Listener,
  type Net,
  NetError,
  type NodeId,
} from '@quorate/consensus';
import type { Random } from '@quorate/foundation';
import type { EventQueue } from '../event-queue.ts';
import type { LinkMatrix } from '../link-matrix.ts';
import { BytePipe, type LinkCounts, type PipeWatch, type PipeWorld } from './byte-pipe.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** How long a dial waits behind a cut link, and how often it looks again. */
const DIAL_TIMEOUT_MICROS = 3_000_000;
const DIAL_RETRY_MICROS = 50_000;
const DIAL_MICROS = 200;
/** From a write on a connection that the other machine does not know to the answer. */
const RESET_MICROS = 400;
/** The kernel's own probe of an idle connection may come so late; nobody should need it. */
const KEEP_ALIVE_MICROS = 75_000_000;
const FIRST_FREE_PORT = 40_000;

interface OpenPort {
  readonly process: SimulatedProcess;
  readonly accept: (connection: Connection) => void;
}

/**
 * A network of byte streams between simulated processes, over the same link matrix as messages. A
 * cut link holds bytes and dials until it mends; a killed process breaks its connections. `netOf`
 * gives a process its `Net` port.
 */
export class SimulatedNetwork {
  readonly world: PipeWorld;
  private readonly ports = new Map<string, OpenPort>();
  private readonly linkCounts = new Map<string, LinkCounts>();
  private readonly pipes = new Map<string, Set<BytePipe>>();
  private readonly ends = new Map<string, Set<StreamEnd>>();
  /** Ends whose other end lost power, by the node that did. */
  private readonly halfOpen = new Map<NodeId, StreamEnd[]>();
  private nextPort = FIRST_FREE_PORT;

  constructor(
    queue: EventQueue,
    links: LinkMatrix,
    random: Random,
    watch: PipeWatch | null = null,
  ) {
    const counts = (from: NodeId, to: NodeId): LinkCounts => this.counts(from, to);
    this.world = { queue, links, random, watch, counts };
    links.onChange((from, to) => {
      for (const pipe of this.pipes.get(`${from}>${to}`) ?? []) pipe.pump();
    });
  }

  /** The `Net` port of a process. */
  netOf(process: SimulatedProcess): Net {
    return {
      listen: (address, accept, done) => this.listen(process, address, accept, done),
      dial: (address, done) => this.dial(process, address, done),
    };
  }

  /** What faults of one way did so far; the object goes on counting. */
  counts(from: NodeId, to: NodeId): LinkCounts {
    const key = `${from}>${to}`;
    let counts = this.linkCounts.get(key);
    if (counts === undefined) {
      counts = { held: 0, delayed: 0, resent: 0, dialsBlocked: 0 };
      this.linkCounts.set(key, counts);
    }
    return counts;
  }

  /** Pieces that wait to be sent from one node to another. */
  waiting(from: NodeId, to: NodeId): number {
    let pieces = 0;
    for (const pipe of this.pipes.get(`${from}>${to}`) ?? []) pieces += pipe.waiting;
    return pieces;
  }

  /** Breaks every connection between two nodes; both ends learn it, what is on the way is lost. */
  reset(a: NodeId, b: NodeId): number {
    const ends = [...(this.ends.get(pairKey(a, b)) ?? [])];
    for (const end of ends) end.reset();
    return ends.length;
  }

  /** Damages the length of the next frame on each connection from one node to another. */
  corruptLength(from: NodeId, to: NodeId, onDamage: () => void): void {
    for (const pipe of this.pipes.get(`${from}>${to}`) ?? []) pipe.corruptNext = onDamage;
  }

  private listen(
    process: SimulatedProcess,
    asked: string,
    accept: (connection: Connection) => void,
    done: (error: NetError | null, listener: Listener | null) => void,
  ): void {
    const address = asked.endsWith(':0') ? `${asked.slice(0, -1)}${this.nextPort++}` : asked;
    const taken = this.ports.get(address)?.process.alive ?? false;
    const port: OpenPort = { process, accept };
    // The machine is back and knows nothing of old connections: it resets them when they are used.
    for (const end of this.halfOpen.get(process.node) ?? []) end.becomeStrange();
    this.halfOpen.delete(process.node);
    if (!taken) this.ports.set(address, port);
    const close = (): void => {
      if (this.ports.get(address) === port) this.ports.delete(address);
    };
    process.whenKilled(close);
    this.world.queue.after(0, () => {
      process.enter(() => {
        if (taken) done(new NetError('EADDRINUSE', `${address} is in use`), null);
        else done(null, { address, close });
      });
    });
  }

  private dial(
    process: SimulatedProcess,
    address: string,
    done: (error: NetError | null, connection: Connection | null) => void,
  ): Cancel {
    const { queue } = this.world;
    const deadline = queue.now() + DIAL_TIMEOUT_MICROS;
    let given = false;
    const answer = (error: NetError | null, connection: Connection | null): void => {
      process.enter(() => {
        if (given) connection?.close();
        else done(error, connection);
        given = true;
      });
    };
    const attempt = (): void => {
      if (given || !process.alive) return;
      const port = this.ports.get(address);
      if (port === undefined) {
        answer(new NetError('ECONNREFUSED', `nobody listens at ${address}`), null);
      } else if (!this.reaches(process.node, port.process.node)) {
        this.blocked(process.node, port.process.node);
        if (queue.now() >= deadline)
          answer(new NetError('ETIMEDOUT', `${address} is silent`), null);
        else queue.after(DIAL_RETRY_MICROS, attempt);
      } else {
        this.establish(process, port, address, answer);
      }
    };
    queue.after(DIAL_MICROS, attempt);
    return () => {
      given = true;
    };
  }

  private establish(
    process: SimulatedProcess,
    port: OpenPort,
    address: string,
    answer: (error: null, connection: Connection) => void,
  ): void {
    const near = new StreamEnd(this.world.queue, process, address);
    const far = new StreamEnd(this.world.queue, port.process, `node-${process.node}:0`);
    const there = this.pipe(process, port.process, near);
    const back = this.pipe(port.process, process, far);
    near.join(there, back);
    far.join(back, there);
    this.remember(pairKey(process.node, port.process.node), near, far);
    const { node } = process;
    process.whenKilled((silently) => this.ended(near, far, silently ? node : null));
    const other = port.process.node;
    port.process.whenKilled((silently) => this.ended(far, near, silently ? other : null));
    port.process.enter(() => port.accept(far));
    answer(null, near);
  }

  private ended(end: StreamEnd, other: StreamEnd, withoutPower: NodeId | null): void {
    if (withoutPower === null) {
      end.close();
      return;
    }
    end.vanish();
    const ends = this.halfOpen.get(withoutPower);
    if (ends === undefined) this.halfOpen.set(withoutPower, [other]);
    else ends.push(other);
  }

  private remember(key: string, near: StreamEnd, far: StreamEnd): void {
    const known = this.ends.get(key) ?? new Set<StreamEnd>();
    this.ends.set(key, known);
    for (const end of [near, far]) {
      known.add(end);
      end.onForget = () => known.delete(end);
    }
  }

  private pipe(from: SimulatedProcess, to: SimulatedProcess, sender: StreamEnd): BytePipe {
    const pipe = new BytePipe(this.world, from, to, () => sender.drained());
    const key = `${from.node}>${to.node}`;
    const known = this.pipes.get(key);
    if (known === undefined) this.pipes.set(key, new Set([pipe]));
    else known.add(pipe);
    sender.onClose = () => {
      if (!this.world.links.isCut(from.node, to.node)) this.pipes.get(key)?.delete(pipe);
    };
    return pipe;
  }

  private blocked(a: NodeId, b: NodeId): void {
    const { links } = this.world;
    if (links.isCut(a, b)) this.counts(a, b).dialsBlocked++;
    if (links.isCut(b, a)) this.counts(b, a).dialsBlocked++;
  }

  private reaches(a: NodeId, b: NodeId): boolean {
    const { links } = this.world;
    return a === b || (!links.isCut(a, b) && !links.isCut(b, a));
  }
}

function pairKey(a: NodeId, b: NodeId): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`;
}

/** One end of a simulated connection. */
class StreamEnd implements Connection {
  readonly remote: string;
  onClose: () => void = () => {};
  onForget: () => void = () => {};
  /** The machine at the other end restarted and does not know this connection. */
  private strange = false;
  private readonly queue: EventQueue;
  private readonly process: SimulatedProcess;
  private out: BytePipe | null = null;
  private in: BytePipe | null = null;
  private handlers: ConnectionHandlers | null = null;
  private closed = false;

  constructor(queue: EventQueue, process: SimulatedProcess, remote: string) {
    this.queue = queue;
    this.process = process;
    this.remote = remote;
  }

  join(out: BytePipe, into: BytePipe): void {
    this.out = out;
    this.in = into;
  }

  get queuedBytes(): number {
    return this.out?.queuedBytes ?? 0;
  }

  attach(handlers: ConnectionHandlers): void {
    this.handlers = handlers;
    const guarded: ConnectionHandlers = {
      data: (bytes) => {
        if (!this.closed) handlers.data(bytes);
      },
      drained: () => {},
      closed: (reason) => this.ended(reason),
    };
    // Nothing is handed over inside this call.
    this.queue.after(0, () => this.in?.attach(guarded));
  }

  write(parts: readonly Uint8Array[]): boolean {
    if (this.strange) this.queue.after(RESET_MICROS, () => this.reset());
    return this.closed ? false : (this.out?.write(parts) ?? false);
  }

  pause(): void {
    this.in?.setReading(false);
  }

  resume(): void {
    this.in?.setReading(true);
  }

  close(): void {
    if (this.closed) return;
    this.queue.after(0, () => this.process.enter(() => this.handlers?.closed('closed here')));
    this.shut('closed by the peer');
  }

  /** The other machine is back: it resets this connection at the next write or keep-alive probe. */
  becomeStrange(): void {
    this.strange = true;
    this.queue.after(KEEP_ALIVE_MICROS, () => this.reset());
  }

  /** The machine of this end loses power: nobody is told anything. */
  vanish(): void {
    this.closed = true;
    this.onClose();
    this.onForget();
  }

  /** The network breaks the connection under both ends. */
  reset(): void {
    if (this.closed) return;
    this.process.enter(() => this.ended('connection reset'));
  }

  drained(): void {
    if (!this.closed) this.handlers?.drained();
  }

  private ended(reason: string): void {
    if (this.closed) return;
    this.shut('closed by the peer');
    this.handlers?.closed(reason);
  }

  private shut(reason: string): void {
    this.closed = true;
    this.in?.setReading(true);
    this.out?.end(reason);
    this.onClose();
    this.onForget();
  }
}
