import type { NodeId } from '@quorate/consensus';
import { type Random, required } from '@quorate/foundation';
import type { EventQueue } from '../event-queue.ts';
import type { LinkMatrix } from '../link-matrix.ts';
import type { NetworkOptions } from '../options.ts';

/** Who is told about sessions; one duplex connection is one session for both of its ends. */
export interface PairListener {
  isUp(node: NodeId): boolean;
  connected(node: NodeId, peer: NodeId): void;
  disconnected(node: NodeId, peer: NodeId): void;
}

interface Pair {
  readonly low: NodeId;
  readonly high: NodeId;
  /** The number of the session that is alive, or null. */
  alive: number | null;
  /** When the second end got to know of the session: nothing arrives there earlier. */
  openedAt: number;
  /** The ends that were told of a session and not yet of its end. */
  readonly openAt: Set<NodeId>;
}

/** The sessions of all pairs of nodes: dialled, ended by faults, dialled again. */
export class SessionTable {
  private readonly pairs = new Map<string, Pair>();
  private readonly queue: EventQueue;
  private readonly links: LinkMatrix;
  private readonly random: Random;
  private readonly options: NetworkOptions;
  private readonly listener: PairListener;
  private sessions = 0;

  constructor(
    world: { queue: EventQueue; links: LinkMatrix; random: Random; options: NetworkOptions },
    listener: PairListener,
  ) {
    this.queue = world.queue;
    this.links = world.links;
    this.random = world.random;
    this.options = world.options;
    this.listener = listener;
  }

  /** Adds a pair of nodes and starts dialling. */
  add(a: NodeId, b: NodeId): void {
    const [low, high] = a < b ? [a, b] : [b, a];
    this.pairs.set(`${low}-${high}`, {
      low,
      high,
      alive: null,
      openedAt: 0,
      openAt: new Set(),
    });
    this.queue.after(0, () => this.dial(this.pair(low, high)));
  }

  /** The number of the session between two nodes, or null. */
  current(a: NodeId, b: NodeId): number | null {
    return this.pair(a, b).alive;
  }

  /** True when `node` knows of a living session with `peer`. */
  isOpenAt(node: NodeId, peer: NodeId): boolean {
    return this.pair(node, peer).openAt.has(node);
  }

  /** When the session was known at both ends. */
  openedAt(a: NodeId, b: NodeId): number {
    return this.pair(a, b).openedAt;
  }

  /** Ends the session, first at `initiator`; anything in flight on it is lost. */
  end(initiator: NodeId, peer: NodeId): void {
    const pair = this.pair(initiator, peer);
    if (pair.alive === null) return;
    pair.alive = null;
    this.tellEnd(pair, initiator, peer);
    // The other end may not yet know that the session began: the end comes behind the beginning.
    const at = Math.max(this.queue.now() + this.delay(initiator, peer), pair.openedAt);
    this.queue.schedule(at, () => {
      this.tellEnd(pair, peer, initiator);
      this.queue.after(this.options.redialMicros, () => this.dial(pair));
    });
  }

  /** A node went down: its sessions end, and it is told nothing. */
  nodeDown(node: NodeId): void {
    for (const pair of this.pairs.values()) {
      if (pair.low !== node && pair.high !== node) continue;
      pair.openAt.delete(node);
      this.end(node, pair.low === node ? pair.high : pair.low);
    }
  }

  /** A link was cut: the session ends after a while unless the link mends first. */
  linkCut(from: NodeId, to: NodeId): void {
    const session = this.current(from, to);
    if (session === null) return;
    this.queue.after(this.random.below(this.options.sessionTimeoutMicros + 1), () => {
      const same = this.current(from, to) === session;
      if (same && this.links.isCut(from, to)) this.end(from, to);
    });
  }

  private dial(pair: Pair): void {
    const { low, high } = pair;
    if (pair.alive !== null) return;
    const cut = this.links.isCut(low, high) || this.links.isCut(high, low);
    const ready = this.listener.isUp(low) && this.listener.isUp(high) && pair.openAt.size === 0;
    if (cut || !ready) {
      this.queue.after(this.options.redialMicros, () => this.dial(pair));
      return;
    }
    this.sessions++;
    const session = this.sessions;
    pair.alive = session;
    const delay = this.delay(low, high);
    pair.openedAt = this.queue.now() + delay;
    pair.openAt.add(low);
    this.listener.connected(low, high);
    this.queue.after(delay, () => {
      if (pair.alive !== session) return;
      pair.openAt.add(high);
      this.listener.connected(high, low);
    });
  }

  private tellEnd(pair: Pair, node: NodeId, peer: NodeId): void {
    if (pair.openAt.delete(node)) this.listener.disconnected(node, peer);
  }

  private delay(from: NodeId, to: NodeId): number {
    const { delayMinMicros, delayMaxMicros } = this.links.settings(from, to);
    return this.random.between(delayMinMicros, delayMaxMicros);
  }

  private pair(a: NodeId, b: NodeId): Pair {
    const key = a < b ? `${a}-${b}` : `${b}-${a}`;
    return required(this.pairs.get(key), `nodes ${key} are a pair`);
  }
}
