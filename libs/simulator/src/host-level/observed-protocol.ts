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
import type { SpeechRecord } from './speech-record.ts';

/** A status builds objects, so it is looked at after one Ready in so many. */
const STATUS_EVERY = 8;

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
      return new ObservedEngine(engine, watch, config.heartbeatMicros);
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
  private readonly heartbeatMicros: number;
  private readies = 0;
  private now: Instant | null = null;
  private pausedMicros = 0;

  constructor(engine: ConsensusEngine<M>, watch: Watch<M>, heartbeatMicros: number) {
    this.engine = engine;
    this.watch = watch;
    this.heartbeatMicros = heartbeatMicros;
  }

  takeReady(): Ready<M> {
    const { node, ghost, wal, speech, observer, gate } = this.watch;
    const ready = this.engine.takeReady();
    const batches = wal.appends + (ready.records.length > 0 ? 1 : 0);
    speech.made(ready, batches);
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
    this.pausedMicros = this.now === null ? 0 : now - this.now;
    this.now = now;
    this.engine.clock(now);
  }

  /** Obligation 6: behind a pause the host drains its sockets for a turn before timers fire. */
  tick(): void {
    if (this.pausedMicros > this.heartbeatMicros) {
      const { ghost, node } = this.watch;
      ghost.broke('contract', `node ${node} ticks right behind ${this.pausedMicros} us of pause`);
    }
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
    this.watch.speech.told(peer);
    this.engine.peerConnected(peer);
  }

  peerDisconnected(peer: NodeId): void {
    this.watch.speech.told(peer);
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
