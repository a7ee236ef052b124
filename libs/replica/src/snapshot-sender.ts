import type { Clock, Instant, NodeId, SnapshotMeta, SnapshotTransfer } from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import type { SnapshotChunk, SnapshotError, SnapshotStore } from '@quorate/snapshot-store';
import { encodeHostFrame, type SnapshotAckFrame } from './host-frames.ts';

/** One transfer to one peer. */
interface Transfer {
  readonly number: number;
  readonly to: NodeId;
  readonly meta: SnapshotMeta;
  /** True while a chunk is being read: no acknowledgement belongs to it yet. */
  reading: boolean;
  progressAt: Instant;
}

/** What the sender needs of the replica around it. */
export interface SnapshotSenderPorts {
  readonly store: SnapshotStore;
  readonly clock: Clock;
  /** Sends on the session that the engine knows; false when it has ended. */
  send(to: NodeId, parts: readonly Uint8Array[]): boolean;
  /** Runs inside the next turn. */
  inTurn(task: () => void): void;
  /** Tells the engine how a transfer ended. */
  ended(to: NodeId, delivered: boolean): void;
}

/**
 * Streams snapshot files to peers: one transfer a peer, one chunk unacknowledged at a time, so that
 * a heartbeat waits behind at most 256 KiB (obligation 9). A transfer belongs to a session and ends
 * with it; the receiver keeps what it has, so that the next one goes on from there.
 */
export class SnapshotSender {
  private readonly ports: SnapshotSenderPorts;
  private readonly ackTimeoutMicros: number;
  private readonly transfers = new Map<NodeId, Transfer>();
  /** Asked for, and not begun: the message that announces it waits for the disk. */
  private readonly held = new Map<NodeId, SnapshotTransfer>();
  private lastNumber = 0;

  constructor(ports: SnapshotSenderPorts, ackTimeoutMicros: number) {
    this.ports = ports;
    this.ackTimeoutMicros = ackTimeoutMicros;
  }

  /** Takes a transfer that begins with `release`, unless its session ends before. */
  hold(transfer: SnapshotTransfer): void {
    this.held.set(transfer.to, transfer);
  }

  /** Begins a held transfer, behind all messages of its Ready. */
  release(transfer: SnapshotTransfer): void {
    if (this.held.get(transfer.to) !== transfer) return;
    this.held.delete(transfer.to);
    this.start(transfer.to, transfer.meta);
  }

  /** Starts a transfer; one to the same peer that runs already is replaced. */
  start(to: NodeId, meta: SnapshotMeta): void {
    this.lastNumber++;
    const progressAt = this.ports.clock.now();
    const transfer = { number: this.lastNumber, to, meta, reading: false, progressAt };
    this.transfers.set(to, transfer);
    this.sendChunk(transfer, 0);
  }

  /** A peer answered a chunk. */
  acknowledged(from: NodeId, ack: SnapshotAckFrame): void {
    const transfer = this.transfers.get(from);
    if (transfer === undefined || transfer.number !== ack.transfer || transfer.reading) return;
    if (ack.state === 'complete') this.end(transfer, true);
    else if (ack.state === 'refused' || ack.nextOffset >= transfer.meta.bytes) {
      this.end(transfer, false);
    } else {
      transfer.progressAt = this.ports.clock.now();
      this.sendChunk(transfer, ack.nextOffset);
    }
  }

  /** The session with the peer ended. */
  disconnected(peer: NodeId): void {
    const waited = this.held.delete(peer);
    const transfer = this.transfers.get(peer);
    if (transfer !== undefined) this.end(transfer, false);
    else if (waited) this.ports.ended(peer, false);
  }

  /** Gives up the transfers that have waited too long. */
  expire(now: Instant): void {
    for (const transfer of this.transfers.values()) {
      if (now - transfer.progressAt > this.ackTimeoutMicros) this.end(transfer, false);
    }
  }

  /** When `expire` next has something to do, or null. */
  deadline(): number | null {
    let earliest: number | null = null;
    for (const { progressAt } of this.transfers.values()) {
      const at = progressAt + this.ackTimeoutMicros + 1;
      if (earliest === null || at < earliest) earliest = at;
    }
    return earliest;
  }

  private sendChunk(transfer: Transfer, offset: number): void {
    assert(!transfer.reading, 'one chunk a peer is unacknowledged');
    transfer.reading = true;
    this.ports.store.readChunk(transfer.meta, offset, (error, chunk) => {
      this.ports.inTurn(() => this.chunkRead(transfer, error, chunk));
    });
  }

  private chunkRead(transfer: Transfer, error: SnapshotError | null, chunk: SnapshotChunk): void {
    if (this.transfers.get(transfer.to) !== transfer) return;
    transfer.reading = false;
    if (error !== null) {
      this.end(transfer, false);
      return;
    }
    const { number, meta } = transfer;
    const { offset, bytes: data } = chunk;
    const parts = encodeHostFrame({ kind: 'chunk', transfer: number, meta, offset, data });
    if (!this.ports.send(transfer.to, parts)) this.end(transfer, false);
  }

  private end(transfer: Transfer, delivered: boolean): void {
    this.transfers.delete(transfer.to);
    this.ports.ended(transfer.to, delivered);
  }
}
