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
import type { DamagedFrame, FrameGarbler } from './frame-garbler.ts';
import type { ObservedWal } from './observed-wal.ts';
import type { ProbeCounts } from './probes.ts';
import type { SpeechRecord } from './speech-record.ts';

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

/**
 * The transport with C9 at its door: nothing leaves before it is durable. And with damage of single
 * frames: what a decoder can find comes in, what only the network's checksum finds does not.
 */
export class ObservedTransport implements PeerTransport {
  private readonly transport: PeerTransport;
  private readonly node: NodeId;
  private readonly wal: ObservedWal;
  private readonly speech: SpeechRecord;
  private readonly frames: FrameWatch;
  private readonly fail: Fail;
  private readonly garbler: FrameGarbler;
  private readonly probes: ProbeCounts;
  private readonly datagrams: boolean;

  constructor(
    transport: PeerTransport,
    parts: {
      readonly node: NodeId;
      readonly wal: ObservedWal;
      readonly speech: SpeechRecord;
      readonly frames: FrameWatch;
      readonly fail: Fail;
      readonly garbler: FrameGarbler;
      readonly probes: ProbeCounts;
      readonly datagrams: boolean;
    },
  ) {
    this.transport = transport;
    this.node = parts.node;
    this.wal = parts.wal;
    this.speech = parts.speech;
    this.frames = parts.frames;
    this.fail = parts.fail;
    this.garbler = parts.garbler;
    this.probes = parts.probes;
    this.datagrams = parts.datagrams;
  }

  get address(): string {
    return this.transport.address;
  }

  start(handlers: PeerHandlers, done: (error: TransportError | null) => void): void {
    const { frames, node, speech } = this;
    const watching: PeerHandlers = {
      connected: (peer) => {
        frames.session(node, peer, true);
        speech.announced(peer);
        handlers.connected(peer);
      },
      disconnected: (peer, reason) => {
        frames.session(node, peer, false);
        speech.announced(peer);
        handlers.disconnected(peer, reason);
      },
      frame: (peer, bytes) => {
        frames.delivered(node, peer, bytes.length);
        const damaged = this.garbler.arrives(peer, node, bytes);
        if (damaged === null) handlers.frame(peer, bytes);
        else this.takeDamaged(peer, damaged, handlers);
      },
    };
    this.transport.start(watching, done);
  }

  private takeDamaged(peer: NodeId, damaged: DamagedFrame, handlers: PeerHandlers): void {
    const { damage, bytes } = damaged;
    if (damage !== 'hidden') {
      this.probes.hit(damage === 'found' ? 'corruptFrameIgnored' : 'corruptChunk');
      handlers.frame(peer, bytes);
    } else if (!this.datagrams) {
      this.probes.hit('corruptFrameEndedSession');
      this.transport.resetSession(peer);
    }
  }

  send(peer: NodeId, parts: readonly Uint8Array[]): boolean {
    const before = this.speech.batchesBefore(parts, peer);
    if (before > this.wal.completed) {
      const durable = `${this.wal.completed} of ${before} batches are durable`;
      const said = JSON.stringify(this.speech.messageOf(parts)).slice(0, SAID_MAX);
      this.fail('C9', `node ${this.node} speaks to ${peer} too early: ${durable}: ${said}`);
    }
    this.speech.leaves(parts, peer);
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
