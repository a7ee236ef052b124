import type {
  ConsensusEngine,
  EngineStatus,
  Instant,
  LogIndex,
  Membership,
  MessageCodec,
  NodeId,
  Protocol,
  ReadLevel,
  Ready,
  ReadyNumber,
  RequestStatus,
  SnapshotDescription,
  SnapshotMeta,
  Ticket,
  WalRecord,
} from '@quorate/consensus';
import type { MessageGate, RunObserver } from '../run-observer.ts';
import type { ObservedWal } from './observed-wal.ts';
import type { ReplicaGhost } from './replica-ghost.ts';

/** A status builds objects, so it is looked at after one Ready in so many. */
const STATUS_EVERY = 8;

/**
 * What one incarnation said and when it may leave: messages that must wait for the disk, by the
 * object that the engine gave out, its receiver, and the bytes that the codec made of it. (One
 * message may wait for one receiver and leave early to another.)
 */
export class SpeechRecord {
  private readonly waiting = new WeakMap<object, Map<NodeId, number>>();
  private readonly messages = new WeakMap<object, object>();
  private readonly keepsAll: boolean;

  /** `keepsAll` remembers messages that wait for nothing too, for a trace. */
  constructor(keepsAll = false) {
    this.keepsAll = keepsAll;
  }

  /** The message may leave for these peers once so many batches of the log are durable. */
  waits(message: object, to: readonly NodeId[], batches: number): void {
    const known = this.waiting.get(message) ?? new Map<NodeId, number>();
    this.waiting.set(message, known);
    for (const peer of to) known.set(peer, batches);
  }

  encoded(message: object, parts: object): void {
    if (this.keepsAll || this.waiting.has(message)) this.messages.set(parts, message);
  }

  /** The batches that must be durable before these bytes leave for the peer; 0 when none. */
  batchesBefore(parts: object, peer: NodeId): number {
    const message = this.messages.get(parts);
    return message === undefined ? 0 : (this.waiting.get(message)?.get(peer) ?? 0);
  }

  /** The message that these bytes were made of, if it was remembered. */
  messageOf(parts: object): object | null {
    return this.messages.get(parts) ?? null;
  }
}

/** Who watches one incarnation of one node. */
export interface Watch<M> {
  readonly node: NodeId;
  readonly ghost: ReplicaGhost;
  /** The protocol's own rules, with the moments at which messages may leave; null without. */
  readonly observer: RunObserver<M> | null;
  readonly gate: MessageGate<M> | null;
  readonly wal: ObservedWal;
  readonly speech: SpeechRecord;
  /** Told of every Ready, for the trace. */
  readonly onReady: (ready: Ready<unknown>) => void;
}

/** The same protocol with engines that the ghost watches; it changes nothing of what they do. */
export function observed<M>(protocol: Protocol<M>, watch: Watch<M>): Protocol<M> {
  return {
    ...protocol,
    createCodec: (records) => observedCodec(protocol.createCodec(records), watch.speech),
    describeMessage: (message) => protocol.describeMessage(message),
    open: (config, random, snapshot, records) => {
      const engine = protocol.open(config, random, snapshot, records);
      watch.ghost.opened(watch.node, snapshot?.index ?? 0, engine.status());
      watch.observer?.opened(watch.node, snapshot, records);
      return new ObservedEngine(engine, watch);
    },
  };
}

function observedCodec<M>(codec: MessageCodec<M>, speech: SpeechRecord): MessageCodec<M> {
  return {
    encode: (message) => {
      const parts = codec.encode(message);
      speech.encoded(message as object, parts);
      return parts;
    },
    decode: (bytes) => codec.decode(bytes),
  };
}

class ObservedEngine<M> implements ConsensusEngine<M> {
  private readonly engine: ConsensusEngine<M>;
  private readonly watch: Watch<M>;
  private readies = 0;

  constructor(engine: ConsensusEngine<M>, watch: Watch<M>) {
    this.engine = engine;
    this.watch = watch;
  }

  takeReady(): Ready<M> {
    const { node, ghost, wal, speech, observer, gate } = this.watch;
    const ready = this.engine.takeReady();
    const batches = wal.appends + (ready.records.length > 0 ? 1 : 0);
    for (const { to, message } of ready.messagesAfterPersist) {
      speech.waits(message as object, to, batches);
    }
    ghost.taken(node, ready);
    observer?.taken(node, ready);
    gate?.taken(ready, batches, wal.completed);
    this.readies++;
    if (this.readies % STATUS_EVERY === 0 || ready.events.length > 0) {
      const status = this.engine.status();
      ghost.looked(node, status);
      observer?.looked(node, status);
      for (const event of ready.events) ghost.told(node, event, status);
    }
    this.watch.onReady(ready);
    return ready;
  }

  clock(now: Instant): void {
    this.engine.clock(now);
  }

  tick(): void {
    this.engine.tick();
  }

  nextDeadline(): Instant | null {
    return this.engine.nextDeadline();
  }

  step(from: NodeId, message: M): void {
    this.watch.observer?.received(this.watch.node, from, message);
    this.engine.step(from, message);
  }

  peerConnected(peer: NodeId): void {
    this.engine.peerConnected(peer);
  }

  peerDisconnected(peer: NodeId): void {
    this.engine.peerDisconnected(peer);
  }

  propose(payload: Uint8Array, ticket: Ticket): RequestStatus {
    return this.engine.propose(payload, ticket);
  }

  read(level: ReadLevel, ticket: Ticket): RequestStatus {
    const status = this.engine.read(level, ticket);
    if (status === 'accepted') {
      this.watch.ghost.asked(this.watch.node, level, ticket);
      this.watch.observer?.asked(this.watch.node, level, ticket);
    }
    return status;
  }

  changeMembership(target: Membership, ticket: Ticket): RequestStatus {
    return this.engine.changeMembership(target, ticket);
  }

  transferLeadership(to: NodeId, ticket: Ticket): RequestStatus {
    return this.engine.transferLeadership(to, ticket);
  }

  persisted(upTo: ReadyNumber): void {
    this.engine.persisted(upTo);
  }

  applied(upTo: LogIndex): void {
    this.engine.applied(upTo);
  }

  describeSnapshot(index: LogIndex): SnapshotDescription {
    return this.engine.describeSnapshot(index);
  }

  snapshotTaken(meta: SnapshotMeta): void {
    this.engine.snapshotTaken(meta);
  }

  snapshotOffered(from: NodeId, meta: SnapshotMeta): void {
    this.engine.snapshotOffered(from, meta);
  }

  snapshotSent(to: NodeId, delivered: boolean): void {
    this.engine.snapshotSent(to, delivered);
  }

  hasReady(): boolean {
    return this.engine.hasReady();
  }

  checkpoint(): WalRecord[] {
    return this.engine.checkpoint();
  }

  status(): EngineStatus {
    return this.engine.status();
  }
}
