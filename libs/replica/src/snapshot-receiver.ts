import type { Clock, Instant, NodeId, SnapshotMeta } from '@quorate/consensus';
import type { SnapshotInstall, SnapshotStore } from '@quorate/snapshot-store';
import { encodeHostFrame, type SnapshotAckState, type SnapshotChunkFrame } from './host-frames.ts';

/** What the receiver needs of the replica around it. */
export interface SnapshotReceiverPorts {
  readonly store: SnapshotStore;
  readonly clock: Clock;
  send(to: NodeId, parts: readonly Uint8Array[]): boolean;
  /** Runs inside the next turn. */
  inTurn(task: () => void): void;
  /** The file is whole, its digest verified, durable in its directory. */
  offered(from: NodeId, meta: SnapshotMeta): void;
}

/** The transfer that is being received; one at a time. */
interface Incoming {
  readonly from: NodeId;
  readonly transfer: number;
  readonly meta: SnapshotMeta;
  /** Null until the store has opened the staging file. */
  install: SnapshotInstall | null;
  /** True while the store works on a chunk: the sender keeps to one, what else comes is dropped. */
  busy: boolean;
  progressAt: Instant;
}

/**
 * Stages a peer's snapshot chunk by chunk and offers it to the engine when it is complete. One
 * transfer is received at a time; a second peer's is refused while the first one makes progress.
 */
export class SnapshotReceiver {
  private readonly ports: SnapshotReceiverPorts;
  private readonly idleMicros: number;
  private incoming: Incoming | null = null;

  constructor(ports: SnapshotReceiverPorts, idleMicros: number) {
    this.ports = ports;
    this.idleMicros = idleMicros;
  }

  /** A peer sent a chunk. */
  chunk(from: NodeId, frame: SnapshotChunkFrame): void {
    const { incoming } = this;
    const now = this.ports.clock.now();
    if (incoming !== null && incoming.from === from && incoming.transfer === frame.transfer) {
      if (incoming.busy) return;
      incoming.progressAt = now;
      this.write(incoming, frame);
      return;
    }
    if (incoming !== null && (incoming.busy || !this.replaceable(incoming, from, now))) {
      this.answer(from, frame.transfer, 0, 'refused');
      return;
    }
    this.begin(from, frame, now);
  }

  /** Its sender started anew, or has gone silent. */
  private replaceable(incoming: Incoming, by: NodeId, now: Instant): boolean {
    return incoming.from === by || now - incoming.progressAt > this.idleMicros;
  }

  private begin(from: NodeId, frame: SnapshotChunkFrame, now: Instant): void {
    const { transfer, meta } = frame;
    const started = {
      from,
      transfer,
      meta,
      install: null,
      busy: true,
      progressAt: now,
    } as Incoming;
    this.incoming = started;
    this.ports.store.install(meta, (error, install) => {
      this.ports.inTurn(() => {
        if (this.incoming !== started) return;
        started.busy = false;
        if (error !== null) {
          this.refuse(started);
          return;
        }
        started.install = install;
        this.write(started, frame);
      });
    });
  }

  /** The session with the peer ended; what is staged stays, for the next transfer to go on with. */
  disconnected(peer: NodeId): void {
    if (this.incoming?.from === peer) this.incoming = null;
  }

  private write(incoming: Incoming, frame: SnapshotChunkFrame): void {
    const { install, meta } = incoming;
    if (install === null) return;
    if (install.nextOffset >= meta.bytes) {
      this.finish(incoming, install);
      return;
    }
    if (frame.offset !== install.nextOffset) {
      this.answer(incoming.from, incoming.transfer, install.nextOffset, 'continue');
      return;
    }
    incoming.busy = true;
    install.write(frame.offset, frame.data, (error) => {
      this.ports.inTurn(() => {
        if (this.incoming !== incoming) return;
        incoming.busy = false;
        if (error !== null) this.refuse(incoming);
        else if (install.nextOffset >= meta.bytes) this.finish(incoming, install);
        else this.answer(incoming.from, incoming.transfer, install.nextOffset, 'continue');
      });
    });
  }

  private finish(incoming: Incoming, install: SnapshotInstall): void {
    incoming.busy = true;
    install.finish((error, meta) => {
      this.ports.inTurn(() => {
        if (this.incoming !== incoming) return;
        if (error !== null) {
          this.refuse(incoming);
          return;
        }
        this.incoming = null;
        this.answer(incoming.from, incoming.transfer, meta.bytes, 'complete');
        this.ports.offered(incoming.from, meta);
      });
    });
  }

  private refuse(incoming: Incoming): void {
    this.incoming = null;
    incoming.install?.abort();
    this.answer(incoming.from, incoming.transfer, 0, 'refused');
  }

  private answer(to: NodeId, transfer: number, nextOffset: number, state: SnapshotAckState): void {
    this.ports.send(to, encodeHostFrame({ kind: 'ack', transfer, nextOffset, state }));
  }
}
