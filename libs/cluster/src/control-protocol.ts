/**
 * The control channel between a harness and one replica: one JSON object a line over the replica's
 * stdin and stdout (processes), or one object a message (worker threads). It exists only where the
 * harness asked for it (`--control stdio`); a server started by hand has none.
 */

/** Where one member of the cluster listens; the ports are the real ones. */
export interface MemberAddresses {
  readonly id: number;
  readonly http: string;
  readonly peer: string;
  readonly client: string;
}

/** A fault of the link to one peer, as `LinkFault` of the transport. */
export interface LinkFaultRequest {
  readonly direction: 'outbound' | 'inbound' | 'both';
  readonly cut?: boolean;
  readonly delayMicros?: number;
  readonly jitterMicros?: number;
  readonly lossFraction?: number;
}

/** What the harness may ask. */
export type ControlRequest =
  | { readonly op: 'peers'; readonly members: readonly MemberAddresses[] }
  | { readonly op: 'status' }
  | { readonly op: 'link'; readonly peer: number; readonly fault: LinkFaultRequest | null }
  | { readonly op: 'links' }
  | { readonly op: 'gauges' }
  /** Blocks the event loop: the pause of a worker thread. Answered before the loop blocks. */
  | { readonly op: 'block'; readonly micros: number }
  | { readonly op: 'stop' };

/** What a replica says of itself. */
export interface ReplicaStatusReply {
  readonly id: number;
  readonly protocol: string;
  readonly variants: Readonly<Record<string, boolean | number | string>>;
  readonly role: 'leader' | 'candidate' | 'follower';
  readonly phase: string;
  readonly round: number;
  readonly leader: number | null;
  readonly serving: boolean;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly snapshotIndex: number;
  /** Digest of the state machine at `appliedIndex`. */
  readonly digest: string;
}

/** Counters of one direction of one link; the evidence of a link fault. */
export interface LinkEvidence {
  readonly peer: number;
  readonly connected: boolean;
  readonly faultInForce: boolean;
  readonly outbound: LinkDirectionEvidence;
  readonly inbound: LinkDirectionEvidence;
}

/** Frames that one direction has carried, held, delayed, lost and released so far. */
export interface LinkDirectionEvidence {
  readonly frames: number;
  readonly framesHeld: number;
  readonly framesDelayed: number;
  readonly framesLost: number;
  readonly framesReleased: number;
  readonly framesWaiting: number;
  readonly handshakesBlocked: number;
}

/** Cost and health of one replica since it started. Times in microseconds unless named. */
export interface ReplicaGauges {
  readonly cpuUserMicros: number;
  readonly cpuSystemMicros: number;
  readonly rssBytes: number;
  readonly eventLoopDelayP99Ms: number;
  readonly gcMaxMs: number;
  readonly peerMessagesSent: number;
  readonly peerBytesSent: number;
  readonly walSyncs: number;
  readonly walBatches: number;
  readonly walBytes: number;
  readonly commandsApplied: number;
  /** Log entries applied; a batch of commands is one. */
  readonly entriesApplied: number;
}

/** The first line of a replica: it serves now. */
export interface ReadyLine {
  readonly ready: true;
  readonly id: number;
  readonly protocol: string;
  readonly http: string;
  readonly peer: string;
  readonly client: string;
  readonly pid: number;
}

/** One engine event; `atMicros` is CLOCK_MONOTONIC, comparable between processes of one machine. */
export interface EventLine {
  readonly event: string;
  readonly atMicros: number;
  readonly round: number;
  readonly node: number;
  readonly detail: string;
}

/** The answer to one request. */
export interface ReplyLine {
  readonly reply: number;
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}

/** The replica is ending by itself; nothing follows. */
export interface FatalLine {
  readonly fatal: { readonly code: string; readonly message: string };
}

/** Everything that a replica says on its control channel. */
export type ReplicaLine = ReadyLine | EventLine | ReplyLine | FatalLine;

/** CLOCK_MONOTONIC in whole microseconds: one time base for all processes of a machine. */
export function monotonicMicros(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
