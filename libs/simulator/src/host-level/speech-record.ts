import type { NodeId, Ready } from '@quorate/consensus';
import type { Fail } from '../engine-level/ghost-state.ts';

/** What is known of one message on its way to one peer. */
interface Spoken {
  /** Batches of the log that must be durable before it leaves; 0 for none. */
  readonly batches: number;
  /** How many starts and ends of sessions with the peer the engine knew of when it was made. */
  readonly session: number;
  /** Its place in the order in which messages to the peer were made. */
  readonly order: number;
}

interface Peer {
  /** Starts and ends of sessions that the transport announced, and that the engine was told of. */
  announced: number;
  told: number;
  made: number;
  lastSent: number;
}

/**
 * What one incarnation said and when it may leave, by the object that the engine gave out, its
 * receiver, and the bytes that the codec made of it. (One message may wait for one receiver and
 * leave early to another.) It holds the host to obligations 2 and 3 of the contract.
 */
export class SpeechRecord {
  private readonly node: NodeId;
  private readonly keepsOrder: boolean;
  private readonly fail: Fail;
  private readonly spoken = new WeakMap<object, Map<NodeId, Spoken>>();
  private readonly messages = new WeakMap<object, object>();
  private readonly peers = new Map<NodeId, Peer>();

  /** `keepsOrder`: the protocol needs its messages to a peer in the order of their making. */
  constructor(node: NodeId, keepsOrder: boolean, fail: Fail) {
    this.node = node;
    this.keepsOrder = keepsOrder;
    this.fail = fail;
  }

  /** The transport announced the start or the end of a session. */
  announced(peer: NodeId): void {
    this.peer(peer).announced++;
  }

  /** The engine was told of it. */
  told(peer: NodeId): void {
    this.peer(peer).told++;
  }

  /** A Ready was taken; what must wait does so until `batches` batches are durable. */
  made<M>(ready: Ready<M>, batches: number): void {
    for (const { to, message } of ready.messages) this.add(message as object, to, 0);
    for (const { to, message } of ready.messagesAfterPersist) {
      this.add(message as object, to, batches);
    }
  }

  encoded(message: object, parts: object): void {
    if (this.spoken.has(message)) this.messages.set(parts, message);
  }

  /** The message that these bytes were made of; null for what the host says by itself. */
  messageOf(parts: object): object | null {
    return this.messages.get(parts) ?? null;
  }

  /** The batches that must be durable before these bytes leave for the peer; 0 when none. */
  batchesBefore(parts: object, peer: NodeId): number {
    return this.find(parts, peer)?.batches ?? 0;
  }

  /** Bytes leave for a peer: in the session that they were made for, and in order. */
  leaves(parts: object, to: NodeId): void {
    const spoken = this.find(parts, to);
    if (spoken === undefined) return;
    const peer = this.peer(to);
    if (spoken.session !== peer.announced) {
      this.fail('contract', `node ${this.node} sends ${to} a message of an ended session`);
    }
    if (this.keepsOrder && spoken.order <= peer.lastSent) {
      this.fail('contract', `node ${this.node} sends ${to} an earlier message behind a later one`);
    }
    peer.lastSent = spoken.order;
  }

  private add(message: object, to: readonly NodeId[], batches: number): void {
    const known = this.spoken.get(message) ?? new Map<NodeId, Spoken>();
    this.spoken.set(message, known);
    for (const id of to) {
      const peer = this.peer(id);
      peer.made++;
      known.set(id, { batches, session: peer.told, order: peer.made });
    }
  }

  private find(parts: object, peer: NodeId): Spoken | undefined {
    const message = this.messages.get(parts);
    return message === undefined ? undefined : this.spoken.get(message)?.get(peer);
  }

  private peer(id: NodeId): Peer {
    const known = this.peers.get(id) ?? { announced: 0, told: 0, made: 0, lastSent: 0 };
    this.peers.set(id, known);
    return known;
  }
}
