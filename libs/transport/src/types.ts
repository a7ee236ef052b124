import type { Cancel, Clock, Member, NodeId } from '@quorate/consensus';
import type { Random } from '@quorate/foundation';
import type { TransportError } from './errors.ts';

/** What a channel tells its owner. None is called after `closed`, and none inside a call. */
export interface FrameHandlers {
  /**
   * One whole frame, in the order sent. The bytes belong to the receiver, who may keep them: a body
   * copies a small frame out of a large shared buffer rather than pin that buffer.
   */
  frame(bytes: Uint8Array): void;
  /** The queue was not empty and now is: everything flushed has left this process. */
  drained(): void;
  /** The end: the peer closed, the network failed, a limit was broken, or `close` was called. */
  closed(reason: string): void;
}

/** A duplex connection of whole frames, in order, none lost except at the end. */
export interface FrameChannel {
  /** The other end, for people. */
  readonly remote: string;
  /** Sets who is told; called once, in the turn in which the channel was given. */
  attach(handlers: FrameHandlers): void;
  /**
   * Queues one frame made of `parts`, which nobody changes afterwards. It leaves at the next
   * `flush`. On a closed channel it does nothing. Throws `TransportError` FRAME_TOO_LARGE.
   */
  send(parts: readonly Uint8Array[]): void;
  /** Hands everything queued to the network in one gathering write. */
  flush(): void;
  /** Bytes queued by `send` and not yet taken by the operating system (or the other thread). */
  readonly queuedBytes: number;
  /** Stops delivery of frames; the peer's queue fills up instead. A few frames may still come. */
  pause(): void;
  resume(): void;
  /** Ends the channel; what is queued may be lost. `closed` follows in a later turn. */
  close(): void;
}

/** An open listener. */
export interface FrameListener {
  /** Where it listens, with the real port where 0 was asked. */
  readonly address: string;
  /** Stops listening; channels that were accepted live on. */
  close(): void;
}

/** A network of frame channels: the one interface with the bodies TCP, gRPC and MessagePort. */
export interface FrameNetwork {
  /** The label of results: `tcp`, `grpc`, `message-port`. */
  readonly name: string;
  /** Listens; `accept` gets each channel, `done` the listener or the error, in a later turn. */
  listen(
    address: string,
    accept: (channel: FrameChannel) => void,
    done: (error: TransportError | null, listener: FrameListener | null) => void,
  ): void;
  /** Dials; returns how to give up. `done` is called at most once, and not after giving up. */
  dial(
    address: string,
    done: (error: TransportError | null, channel: FrameChannel | null) => void,
  ): Cancel;
}

/** Who a replica is, exchanged in the hello frames that start each session. */
export interface PeerIdentity {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** The random id of the data directory. */
  readonly diskId: string;
  /** The name of the consensus protocol. */
  readonly protocol: string;
}

/** Every queue and wait of a {@link PeerTransport}, bounded by name; times in microseconds. */
export interface PeerTransportLimits {
  /** Bytes queued to one peer, held by a fault included; beyond it the session is closed. */
  readonly queueBytesMax: number;
  /** A connection without a valid hello after this time is closed. */
  readonly helloTimeoutMicros: number;
  /** The first wait before a redial; it doubles with each failure, each wait jittered by half. */
  readonly redialMinMicros: number;
  readonly redialMaxMicros: number;
  /** Accepted connections whose hello has not arrived; beyond it new ones are closed. */
  readonly handshakesMax: number;
  /** After so long without a frame sent a session carries an empty one, to notice a dead peer. */
  readonly idleProbeMicros: number;
}

/** What a {@link PeerTransport} is made of. */
export interface PeerTransportOptions {
  readonly network: FrameNetwork;
  /** Where to listen, `host:port`; port 0 takes a free one, see {@link PeerTransport.address}. */
  readonly listenAddress: string;
  readonly identity: PeerIdentity;
  readonly clock: Clock;
  readonly random: Random;
  /**
   * Told the disk id that a peer showed first, before its session starts: whoever remembers it over
   * a restart keeps a wiped peer out for ever, not only until then.
   */
  readonly onDiskLearned?: (peer: NodeId, diskId: string) => void;
  readonly limits?: Partial<PeerTransportLimits>;
}

/** What a transport tells its host. None is called inside a call of the transport. */
export interface PeerHandlers {
  /** A session starts: hello frames were exchanged and accepted by both ends. */
  connected(peer: NodeId): void;
  /** The session ended; no frame of it comes after this. Always before the next `connected`. */
  disconnected(peer: NodeId, reason: string): void;
  /** One frame of the running session, in order; the bytes may be kept. */
  frame(peer: NodeId, bytes: Uint8Array): void;
  /** A session was refused, here or there, for a reason that time alone does not mend. */
  refused?(refusal: SessionRefusal): void;
}

/** Why a session was refused. `peer` is 0 when the other end did not say who it is. */
export interface SessionRefusal {
  readonly peer: number;
  readonly remote: string;
  /** `here`: this end refused the other's hello; `there`: the other end refused this one's. */
  readonly by: 'here' | 'there';
  readonly error: TransportError;
}

/** Which way a fault works, seen from the transport that it is installed in. */
export type LinkDirection = 'outbound' | 'inbound' | 'both';

/**
 * A fault of one link. Links are FIFO, so nothing is reordered and nothing is dropped while the
 * session lives: a *cut* holds frames silently and delivers them late, in order, when it heals; a
 * *loss* delays the stream by a retransmission timeout, as TCP does.
 */
export interface LinkFault {
  /** A one-way cut is a cut with direction `outbound`, installed at the sender. */
  readonly direction: LinkDirection;
  /** Hold everything. No connection can be made over a link that is cut in either direction. */
  readonly cut?: boolean;
  /** Each frame arrives this much later. */
  readonly delayMicros?: number;
  /** Plus a uniform draw from 0 to this; a frame never overtakes an earlier one. */
  readonly jitterMicros?: number;
  /** The share of frames (0 to below 1) whose transmission is lost. */
  readonly lossFraction?: number;
  /** What one loss costs, doubled for each repeated loss of the same frame; default 200 ms. */
  readonly retransmitMicros?: number;
}

/** Evidence of what a fault did to one direction of a link, counted since the transport started. */
export interface DirectionCounters {
  /** All frames that entered this direction, with or without a fault. */
  readonly frames: number;
  readonly bytes: number;
  /** Of these, frames that met a cut and were held. */
  readonly framesHeld: number;
  readonly bytesHeld: number;
  /** Frames that a delay, a loss or an earlier waiting frame made later. */
  readonly framesDelayed: number;
  readonly bytesDelayed: number;
  /** Frames whose transmission was lost at least once. */
  readonly framesLost: number;
  readonly bytesLost: number;
  /** Held or delayed frames that went on: the evidence of healing. */
  readonly framesReleased: number;
  readonly bytesReleased: number;
  /** Held or delayed frames that their session took with it when it ended. */
  readonly framesDropped: number;
  readonly bytesDropped: number;
  /** Held or delayed frames waiting now. */
  readonly framesWaiting: number;
  readonly bytesWaiting: number;
  /** Connections that a cut kept from being made. */
  readonly handshakesBlocked: number;
}

/** Both directions of one link, and the fault in force. */
export interface LinkCounters {
  readonly peer: NodeId;
  readonly connected: boolean;
  /** Sessions that started over this link. */
  readonly sessions: number;
  readonly fault: LinkFault | null;
  readonly outbound: DirectionCounters;
  readonly inbound: DirectionCounters;
}

/**
 * FIFO sessions with the other replicas, blind to the protocol. One duplex connection per pair is
 * one session for both ends; the lower node id dials and redials. Callbacks only, time only from
 * the injected clock, so that the simulator runs this very code.
 */
export interface PeerTransport {
  /** Listens; `done` once it does, or with the error. Call before `setPeers`. */
  start(handlers: PeerHandlers, done: (error: TransportError | null) => void): void;
  /** Where it listens, with the real port; empty before `start` is done. */
  readonly address: string;
  /**
   * The members to hold sessions with (this replica may stand among them and is passed over). Call
   * again when the membership or an address changes: sessions of members that are gone end. A
   * member with an empty `disk` has not told its disk yet; the first that it shows is remembered.
   */
  setPeers(members: readonly Member[]): void;
  /** True while a session with the peer runs. */
  isConnected(peer: NodeId): boolean;
  /** Queues one frame; false when there is no session, and the frame is dropped. */
  send(peer: NodeId, parts: readonly Uint8Array[]): boolean;
  /** One gathering write for each peer with queued frames; once a turn. */
  flush(): void;
  /** Bytes queued to the peer and not yet taken, frames held by a fault included. */
  queuedBytes(peer: NodeId): number;
  /** Ends the session with the peer; `disconnected` follows, then the lower id dials again. */
  resetSession(peer: NodeId): void;
  /** Installs a fault on the link, replacing the one in force; null heals. Survives sessions. */
  setLinkFault(peer: NodeId, fault: LinkFault | null): void;
  /** One row a known peer, sorted by id. */
  linkCounters(): LinkCounters[];
  /** Ends all sessions and the listener; no handler is called afterwards. */
  stop(done: () => void): void;
}
