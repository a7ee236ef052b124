import { PacketTable } from './packets.ts';

/** The bit of a pair of replicas, by their positions. */
function pairBit(a: number, b: number): number {
  return 1 << (Math.min(a, b) * 8 + Math.max(a, b));
}

/**
 * The packets and sessions of a scope. Where the protocol needs first-in, first-out channels, each
 * ordered pair has a queue inside a session, and the end of a session is one more packet behind
 * what is on its way. Elsewhere any packet may come next or never, and equal ones count once.
 */
export class ScopeNetwork {
  readonly fifo: boolean;
  private readonly table = new PacketTable();

  constructor(fifo: boolean) {
    this.fifo = fifo;
  }

  packet(number: number): { from: number; to: number; content: string } {
    return this.table.packet(number);
  }

  /** The packets after `content` was sent from one replica to another. */
  sent(packets: readonly number[], from: number, to: number, content: string): number[] {
    const number = this.table.number({ from, to, content });
    if (!this.fifo) {
      if (packets.includes(number)) return packets.slice();
      return [...packets, number].sort((a, b) => a - b);
    }
    // Behind the last packet of the same pair; pairs stand in order, so equal queues are equal.
    const order = from * 8 + to;
    const at = packets.findIndex((other) => this.orderOf(other) > order);
    return at < 0 ? [...packets, number] : [...packets.slice(0, at), number, ...packets.slice(at)];
  }

  /** The positions of the packets that may arrive next. */
  deliverable(packets: readonly number[]): number[] {
    const positions: number[] = [];
    packets.forEach((number, position) => {
      const previous = packets[position - 1];
      const first = previous === undefined || this.orderOf(previous) !== this.orderOf(number);
      if (!this.fifo || first) positions.push(position);
    });
    return positions;
  }

  /** The packets after a crash: what was meant for the replica is lost. */
  withoutThoseTo(packets: readonly number[], node: number): number[] {
    return packets.filter((number) => this.packet(number).to !== node);
  }

  hasSession(sessions: number, a: number, b: number): boolean {
    return (sessions & pairBit(a, b)) !== 0;
  }

  withSession(sessions: number, a: number, b: number): number {
    return sessions | pairBit(a, b);
  }

  /** Ends a session: nothing more is sent in it, and each end that is up will hear of it. */
  ended(
    packets: readonly number[],
    sessions: number,
    ends: { readonly a: number; readonly b: number; readonly hears: readonly number[] },
  ): { packets: number[]; sessions: number } {
    const { a, b, hears } = ends;
    let left = packets.slice();
    if (!this.hasSession(sessions, a, b)) return { packets: left, sessions };
    for (const to of hears) left = this.sent(left, to === a ? b : a, to, '-');
    return { packets: left, sessions: sessions & ~pairBit(a, b) };
  }

  /** True when neither end has still to hear of the end of an earlier session. */
  mayConnect(packets: readonly number[], sessions: number, a: number, b: number): boolean {
    if (this.hasSession(sessions, a, b)) return false;
    return packets.every((number) => {
      const { from, to } = this.packet(number);
      return !((from === a && to === b) || (from === b && to === a));
    });
  }

  private orderOf(number: number): number {
    const { from, to } = this.packet(number);
    return from * 8 + to;
  }
}
