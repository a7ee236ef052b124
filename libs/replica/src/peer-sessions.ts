import type { MessageCodec, NodeId, Outbound } from '@quorate/consensus';
import { byteCount } from '@quorate/foundation';
import type { PeerTransport } from '@quorate/transport';
import { firstField } from './host-frames.ts';
import type { SentCount } from './types.ts';

/** A frame for one peer that waits until what the engine recorded before it is durable. */
export interface HeldFrame {
  readonly to: NodeId;
  readonly parts: readonly Uint8Array[];
  /** The session that the engine knew when it made the message. */
  readonly session: number;
}

/** Where frames wait: one for each Ready whose batch is not durable yet. */
export interface FrameHold {
  readonly held: HeldFrame[];
}

/** One peer as seen from the transport and as seen from the engine. */
interface PeerState {
  /** The number of sessions that the transport has announced, started or ended. */
  session: number;
  /** The same, as far as the engine was told. */
  engineSession: number;
  /** The youngest hold with a frame for this peer, while there is one. */
  lastHold: FrameHold | null;
}

/**
 * Sends frames on the session that they were made for. A message made before the engine learned
 * that a session ended belongs to that session and dies with it. With `keepOrder`, a message to a
 * peer waits behind an earlier one that is held for the disk (obligation 2).
 */
export class PeerSessions<M> {
  private readonly transport: PeerTransport | null;
  private readonly codec: MessageCodec<M>;
  private readonly keepOrder: boolean;
  private readonly peers = new Map<NodeId, PeerState>();
  private readonly sent = new Map<number, { frames: number; bytes: number }>();

  constructor(transport: PeerTransport | null, codec: MessageCodec<M>, keepOrder: boolean) {
    this.transport = transport;
    this.codec = codec;
    this.keepOrder = keepOrder;
  }

  /** The transport announced the start or the end of a session; returns the session's number. */
  announced(peer: NodeId): number {
    const state = this.state(peer);
    state.session++;
    return state.session;
  }

  /** The engine was told of the session. */
  told(peer: NodeId, session: number): void {
    this.state(peer).engineSession = session;
  }

  /** The session that the engine knows. */
  current(peer: NodeId): number {
    return this.state(peer).engineSession;
  }

  /** True while the engine knows of a session: the odd announcements are its starts. */
  isOpen(peer: NodeId): boolean {
    return this.state(peer).engineSession % 2 === 1;
  }

  /** Sends a Ready's `messages`; `pending` are the Readies that are not durable, oldest first. */
  sendNow(outbound: Outbound<M>): void {
    const parts = this.codec.encode(outbound.message);
    for (const to of outbound.to) {
      const state = this.state(to);
      if (this.keepOrder && state.lastHold !== null) {
        state.lastHold.held.push({ to, parts, session: state.engineSession });
      } else {
        this.transmit(to, state.engineSession, parts);
      }
    }
  }

  /** Holds one of a Ready's `messagesAfterPersist`. */
  hold(hold: FrameHold, outbound: Outbound<M>): void {
    const parts = this.codec.encode(outbound.message);
    for (const to of outbound.to) {
      const state = this.state(to);
      state.lastHold = hold;
      hold.held.push({ to, parts, session: state.engineSession });
    }
  }

  /** Sends what waited for a Ready that is durable now. */
  release(hold: FrameHold): void {
    for (const { to, parts, session } of hold.held) {
      const state = this.state(to);
      if (state.lastHold === hold) state.lastHold = null;
      this.transmit(to, session, parts);
    }
  }

  /** Sends a host frame on the session that the engine knows; false when it has ended. */
  sendHostFrame(to: NodeId, parts: readonly Uint8Array[]): boolean {
    return this.transmit(to, this.state(to).engineSession, parts);
  }

  /** Counts by message kind. */
  sentCounts(): SentCount[] {
    const counts = [...this.sent].map(([field, count]) => ({ field, ...count }));
    return counts.sort((a, b) => a.field - b.field);
  }

  private transmit(to: NodeId, session: number, parts: readonly Uint8Array[]): boolean {
    if (this.transport === null || this.state(to).session !== session) return false;
    if (!this.transport.send(to, parts)) return false;
    const first = parts[0];
    const field = first === undefined ? 0 : firstField(first);
    const count = this.sent.get(field);
    const bytes = byteCount(parts);
    if (count === undefined) {
      this.sent.set(field, { frames: 1, bytes });
    } else {
      count.frames++;
      count.bytes += bytes;
    }
    return true;
  }

  private state(peer: NodeId): PeerState {
    let state = this.peers.get(peer);
    if (state === undefined) {
      state = { session: 0, engineSession: 0, lastHold: null };
      this.peers.set(peer, state);
    }
    return state;
  }
}
