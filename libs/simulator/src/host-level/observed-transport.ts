import type { Member, NodeId } from '@quorate/consensus';
import { byteCount } from '@quorate/foundation';
import type {
  LinkCounters,
  LinkFault,
  PeerHandlers,
  PeerTransport,
  TransportError,
} from '@quorate/transport';
import type { Fail } from '../engine-level/ghost-state.ts';
import type { SpeechRecord } from './observed-protocol.ts';
import type { ObservedWal } from './observed-wal.ts';

/** So much of a message is shown. */
const SAID_MAX = 300;

/** Who counts what travels between replicas. */
export interface FrameWatch {
  sent(from: NodeId, to: NodeId, bytes: number): void;
  delivered(to: NodeId, from: NodeId, bytes: number): void;
  session(node: NodeId, peer: NodeId, started: boolean): void;
  /** Told what a frame that is about to be sent says, where somebody wants to read it. */
  readonly said?: (from: NodeId, to: NodeId, message: object | null) => void;
}

/** The production transport with C9 at its door: nothing leaves before it is durable. */
export class ObservedTransport implements PeerTransport {
  private readonly transport: PeerTransport;
  private readonly node: NodeId;
  private readonly wal: ObservedWal;
  private readonly speech: SpeechRecord;
  private readonly frames: FrameWatch;
  private readonly fail: Fail;

  constructor(
    transport: PeerTransport,
    parts: {
      readonly node: NodeId;
      readonly wal: ObservedWal;
      readonly speech: SpeechRecord;
      readonly frames: FrameWatch;
      readonly fail: Fail;
    },
  ) {
    this.transport = transport;
    this.node = parts.node;
    this.wal = parts.wal;
    this.speech = parts.speech;
    this.frames = parts.frames;
    this.fail = parts.fail;
  }

  get address(): string {
    return this.transport.address;
  }

  start(handlers: PeerHandlers, done: (error: TransportError | null) => void): void {
    const { frames, node } = this;
    const watching: PeerHandlers = {
      connected: (peer) => {
        frames.session(node, peer, true);
        handlers.connected(peer);
      },
      disconnected: (peer, reason) => {
        frames.session(node, peer, false);
        handlers.disconnected(peer, reason);
      },
      frame: (peer, bytes) => {
        frames.delivered(node, peer, bytes.length);
        handlers.frame(peer, bytes);
      },
    };
    this.transport.start(watching, done);
  }

  send(peer: NodeId, parts: readonly Uint8Array[]): boolean {
    const before = this.speech.batchesBefore(parts, peer);
    if (before > this.wal.completed) {
      const durable = `${this.wal.completed} of ${before} batches are durable`;
      const said = JSON.stringify(this.speech.messageOf(parts)).slice(0, SAID_MAX);
      this.fail('C9', `node ${this.node} speaks to ${peer} too early: ${durable}: ${said}`);
    }
    this.frames.sent(this.node, peer, byteCount(parts));
    if (this.frames.said !== undefined && this.transport.isConnected(peer)) {
      this.frames.said(this.node, peer, this.speech.messageOf(parts));
    }
    return this.transport.send(peer, parts);
  }

  setPeers(members: readonly Member[]): void {
    this.transport.setPeers(members);
  }

  isConnected(peer: NodeId): boolean {
    return this.transport.isConnected(peer);
  }

  flush(): void {
    this.transport.flush();
  }

  queuedBytes(peer: NodeId): number {
    return this.transport.queuedBytes(peer);
  }

  resetSession(peer: NodeId): void {
    this.transport.resetSession(peer);
  }

  setLinkFault(peer: NodeId, fault: LinkFault | null): void {
    this.transport.setLinkFault(peer, fault);
  }

  linkCounters(): LinkCounters[] {
    return this.transport.linkCounters();
  }

  stop(done: () => void): void {
    this.transport.stop(done);
  }
}
