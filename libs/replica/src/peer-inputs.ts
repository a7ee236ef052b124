import type { ConsensusEngine, MessageCodec, NodeId } from '@quorate/consensus';
import type { PeerHandlers, SessionRefusal } from '@quorate/transport';
import { decodeHostFrame, firstField, HOST_FIELD_MIN, type HostFrame } from './host-frames.ts';
import type { PeerSessions } from './peer-sessions.ts';

/** One thing that the transport told, waiting for the turn. */
interface Input {
  readonly peer: NodeId;
  readonly kind: 'frame' | 'connected' | 'disconnected';
  /** The frame; null with the others. */
  readonly bytes: Uint8Array | null;
  /** The number of the session that starts or ends; 0 with a frame. */
  readonly session: number;
}

/** What the inputs drive. */
export interface PeerInputPorts<M> {
  readonly engine: ConsensusEngine<M>;
  readonly codec: MessageCodec<M>;
  readonly sessions: PeerSessions<M>;
  readonly wake: () => void;
  /** A frame between hosts. */
  readonly hostFrame: (from: NodeId, frame: HostFrame) => void;
  /** A frame of the session was malformed: it has to end. */
  readonly endSession: (peer: NodeId) => void;
  /** A session ended; before the engine hears of it. */
  readonly sessionEnded: (peer: NodeId) => void;
  /** A session was refused; told at once, since it is nothing that the engine hears of. */
  readonly refused?: (refusal: SessionRefusal) => void;
}

/**
 * Collects what the transport tells while sockets drain, and steps it in that order in the turn.
 * One queue for frames and for the starts and ends of sessions, so that no message of an old
 * session is stepped after `peerConnected` of a new one. The transport bounds what a turn brings.
 *
 * A malformed frame ends its session and takes what is behind it along: engines count on channels
 * without holes, and a follower that misses a proposal it cannot know of would wait for ever.
 */
export class PeerInputs<M> {
  readonly handlers: PeerHandlers;
  frames = 0;
  bytes = 0;
  framesMalformed = 0;
  private readonly ports: PeerInputPorts<M>;
  private inputs: Input[] = [];
  /** Peers whose session brought a malformed frame and has not ended yet. */
  private readonly broken = new Set<NodeId>();
  private open = true;

  constructor(ports: PeerInputPorts<M>) {
    this.ports = ports;
    this.handlers = {
      connected: (peer) => this.take(peer, 'connected', null),
      disconnected: (peer) => this.take(peer, 'disconnected', null),
      frame: (peer, bytes) => this.take(peer, 'frame', bytes),
      refused: (refusal) => ports.refused?.(refusal),
    };
  }

  /** Steps everything collected since the last call. */
  step(): void {
    const inputs = this.inputs;
    if (inputs.length === 0) return;
    this.inputs = [];
    const { engine, sessions } = this.ports;
    for (const { peer, kind, bytes, session } of inputs) {
      if (kind === 'frame') {
        if (bytes !== null && !this.broken.has(peer)) this.stepFrame(peer, bytes);
        continue;
      }
      this.broken.delete(peer);
      if (kind === 'connected') {
        sessions.told(peer, session);
        engine.peerConnected(peer);
      } else {
        sessions.told(peer, session);
        this.ports.sessionEnded(peer);
        engine.peerDisconnected(peer);
      }
    }
  }

  /** Drops what was collected and whatever still comes. */
  close(): void {
    this.open = false;
    this.inputs = [];
  }

  private take(peer: NodeId, kind: Input['kind'], bytes: Uint8Array | null): void {
    if (!this.open) return;
    const session = kind === 'frame' ? 0 : this.ports.sessions.announced(peer);
    this.inputs.push({ peer, kind, bytes, session });
    this.ports.wake();
  }

  private stepFrame(from: NodeId, bytes: Uint8Array): void {
    this.frames++;
    this.bytes += bytes.length;
    if (firstField(bytes) < HOST_FIELD_MIN) {
      const message = this.ports.codec.decode(bytes);
      if (message === null) this.malformed(from);
      else this.ports.engine.step(from, message);
      return;
    }
    const frame = decodeHostFrame(bytes);
    if (frame === null) this.malformed(from);
    else this.ports.hostFrame(from, frame);
  }

  private malformed(from: NodeId): void {
    this.framesMalformed++;
    if (!this.ports.sessions.isOpen(from)) return;
    this.broken.add(from);
    this.ports.endSession(from);
  }
}
