import {
  type CommittedEntry,
  type ConsensusEngine,
  decodeSnapshotMeta,
  type EngineConfig,
  type Instant,
  type LogIndex,
  type NodeId,
  type Protocol,
  type Ready,
  type ReadyNumber,
  type RecordCodec,
  RecordKind,
  type SnapshotMeta,
  type SnapshotTransfer,
  type WalRecord,
} from '@quorate/consensus';
import { assert, type Random, required } from '@quorate/foundation';
import { type Batch, DurableLog } from './durable-log.ts';
import { imageDigest, type MachineImage, MemoryMachine } from './memory-machine.ts';

/** What a host needs from the world around it, and whom it tells what it does. */
export interface HostEnvironment<M> {
  now(): Instant;
  /** The message leaves the node. */
  send(from: NodeId, to: NodeId, message: M): void;
  /** The transfer of a durable snapshot starts. */
  streamSnapshot(from: NodeId, transfer: SnapshotTransfer, image: MachineImage): void;
  /** The engine wants its session with a peer ended. */
  resetSession(node: NodeId, peer: NodeId): void;
  /** The engine was opened over what the disk held. */
  opened(host: EngineHost<M>, snapshot: SnapshotMeta | null, records: readonly WalRecord[]): void;
  /** A Ready was taken; called before anything of it is done. */
  taken(host: EngineHost<M>, ready: Ready<M>): void;
  /** A batch became durable; called before its messages leave. */
  durable(host: EngineHost<M>, batch: Batch): void;
  /** The state machine applied an entry or restored a snapshot. */
  applied(host: EngineHost<M>): void;
}

/** What one replica is made of. */
export interface HostOptions<M> {
  readonly protocol: Protocol<M>;
  readonly config: Omit<EngineConfig, 'now'>;
  readonly codec: RecordCodec;
  readonly random: Random;
  readonly snapshotEveryEntries: number;
  readonly segmentBatchesMax: number;
  /** True keeps every durable record for comparisons, also those that compaction deletes. */
  readonly keepArchive: boolean;
  /** True when messages travel in sessions: what is said outside one is lost. */
  readonly sessions: boolean;
}

type ApplyItem = { readonly entry: CommittedEntry } | { readonly install: SnapshotMeta };
type HeldSend = {
  readonly number: number;
  readonly send: () => void;
  /** What to do instead when the session ends first. */
  readonly drop: () => void;
};
const NOTHING = (): void => {};
type EngineInput<M> = (engine: ConsensusEngine<M>) => void;
type InboxItem<M> = { readonly input: EngineInput<M>; readonly endsTurn: boolean };

/** Inputs of one turn; more than that is a defect of the simulation. */
const INBOX_INPUTS_MAX = 1_000_000;

/**
 * One replica at engine level: an engine, a log, a state machine and the obligations of `Ready`
 * between them. It does nothing by itself: whoever owns it says when a turn runs, when a batch is
 * durable and when entries are applied. So one class serves random runs and golden scripts.
 */
export class EngineHost<M> {
  readonly id: NodeId;
  readonly log: DurableLog;
  readonly files = new Map<string, MachineImage>();
  machine = new MemoryMachine();
  /** How often the engine was opened. */
  incarnation = 0;
  private readonly options: HostOptions<M>;
  private readonly environment: HostEnvironment<M>;
  private current: ConsensusEngine<M> | null = null;
  private inbox: InboxItem<M>[] = [];
  /** Peers with a session as far as the engine knows: the rest of the world may be ahead of it. */
  private readonly connected = new Set<NodeId>();
  private applyQueue: ApplyItem[] = [];
  private held = new Map<NodeId, HeldSend[]>();
  private takenNumber = 0;
  private durableNumber = 0;
  private saidNumber = 0;
  private snapshotCutAt = 0;

  constructor(options: HostOptions<M>, environment: HostEnvironment<M>) {
    this.id = options.config.id;
    this.options = options;
    this.log = new DurableLog(options.keepArchive);
    this.environment = environment;
  }

  /** The engine; it must be running. */
  get engine(): ConsensusEngine<M> {
    return required(this.current, `node ${this.id} is running`);
  }

  get running(): boolean {
    return this.current !== null;
  }

  /** True when a turn has something to do, timers aside. */
  get hasWork(): boolean {
    return this.inbox.length > 0 || (this.current?.hasReady() ?? false);
  }

  /** True when something waits for the disk and somebody waits for that. */
  get needsSync(): boolean {
    return this.log.pending.some((batch) => batch.urgent);
  }

  get hasEntriesToApply(): boolean {
    return this.applyQueue.length > 0;
  }

  /** Opens the engine over what is durable. */
  open(): void {
    assert(this.current === null, 'a running replica is not opened again');
    const { protocol, config, codec, random } = this.options;
    this.incarnation++;
    const records = this.log.recover(codec);
    const last = records.findLast((record) => record.kind === RecordKind.snapshot);
    const snapshot = last === undefined ? null : decodeSnapshotMeta(last.payload);
    this.machine = new MemoryMachine();
    if (snapshot !== null) this.machine.restore(this.file(snapshot));
    this.snapshotCutAt = snapshot?.index ?? 0;
    this.takenNumber = 0;
    this.durableNumber = 0;
    this.saidNumber = 0;
    this.current = protocol.open(
      { ...config, now: this.environment.now() },
      random.split(`incarnation ${this.incarnation}`),
      snapshot,
      records,
    );
    this.environment.opened(this, snapshot, records);
  }

  /** A power cut: of the pending batches the first `keepBatches` reached the disk. */
  crash(keepBatches: number): void {
    for (const batch of this.log.crash(keepBatches)) this.environment.durable(this, batch);
    this.current = null;
    this.inbox = [];
    this.applyQueue = [];
    this.held = new Map();
    this.connected.clear();
  }

  /** Queues an input for the next turn. */
  input(input: EngineInput<M>): void {
    this.queue({ input, endsTurn: false });
  }

  /** Queues the start of a session. */
  peerConnected(peer: NodeId): void {
    this.input((engine) => {
      this.connected.add(peer);
      engine.peerConnected(peer);
    });
  }

  /**
   * Queues the end of a session. It ends the turn, so that nothing said to the old session is sent
   * in a new one that the same inbox may already hold.
   */
  peerDisconnected(peer: NodeId): void {
    const input: EngineInput<M> = (engine) => {
      this.connected.delete(peer);
      if (this.options.sessions) this.dropHeld(peer);
      engine.peerDisconnected(peer);
    };
    this.queue({ input, endsTurn: true });
  }

  /** One turn: time, inputs, timers (unless `ticks` is false), then one Ready. */
  turn(ticks = true): Ready<M> | null {
    const { engine } = this;
    engine.clock(this.environment.now());
    const end = this.inbox.findIndex((item) => item.endsTurn);
    const inputs = this.inbox.splice(0, end < 0 ? this.inbox.length : end + 1);
    for (const { input } of inputs) input(engine);
    if (ticks) engine.tick();
    return engine.hasReady() ? this.take(engine) : null;
  }

  /** Makes the oldest pending batch durable; its messages leave. */
  syncOne(): void {
    const batch = this.log.syncOne();
    this.environment.durable(this, batch);
    if (batch.number !== 0) this.completed(batch.number);
  }

  /** Tells the engine, in its next turn, what is durable by now. True when that was news. */
  sayPersisted(): boolean {
    const number = this.durableNumber as ReadyNumber;
    if (number === 0) return false;
    const news = number > this.saidNumber;
    this.saidNumber = number;
    this.input((engine) => engine.persisted(number));
    return news;
  }

  /** Applies everything committed so far and tells the engine; cuts a snapshot when one is due. */
  applyAll(): void {
    const items = this.applyQueue;
    this.applyQueue = [];
    for (const item of items) {
      if ('install' in item) {
        this.machine.restore(this.file(item.install));
        this.snapshotCutAt = item.install.index;
      } else {
        this.machine.apply(item.entry);
      }
      this.environment.applied(this);
    }
    const { applied } = this.machine;
    this.input((engine) => engine.applied(applied));
    const every = this.options.snapshotEveryEntries;
    if (every > 0 && applied - this.snapshotCutAt >= every) this.cutSnapshot(applied);
  }

  /** Takes a peer's snapshot: its file is durable now, the engine is asked in the next turn. */
  receiveSnapshot(from: NodeId, meta: SnapshotMeta, image: MachineImage): void {
    if (this.current === null) return;
    this.files.set(meta.digest, image);
    this.input((engine) => engine.snapshotOffered(from, meta));
  }

  /** Cuts a snapshot at the applied index, in the next turn. */
  cutSnapshot(at: LogIndex): void {
    this.snapshotCutAt = at;
    const image = this.machine.image();
    this.input((engine) => {
      // An installed snapshot may have overtaken the cut in the meantime.
      if (image.index <= engine.status().snapshotIndex) return;
      const description = engine.describeSnapshot(image.index);
      const meta: SnapshotMeta = {
        ...description,
        digest: imageDigest(image),
        bytes: image.keys.length,
      };
      this.files.set(meta.digest, image);
      engine.snapshotTaken(meta);
    });
  }

  private take(engine: ConsensusEngine<M>): Ready<M> {
    const ready = engine.takeReady();
    this.takenNumber++;
    assert(ready.number === this.takenNumber, 'the numbers of Readies are dense from 1');
    this.environment.taken(this, ready);
    if (ready.snapshotToInstall !== null) {
      this.file(ready.snapshotToInstall);
      this.applyQueue.push({ install: ready.snapshotToInstall });
    }
    for (const entry of ready.committed) this.applyQueue.push({ entry });
    this.append(ready);
    for (const { to, message } of ready.messages) {
      for (const peer of to) this.send(peer, () => this.deliver(peer, message));
    }
    this.holdAfterPersist(ready);
    if (this.log.batchesInSegment >= this.options.segmentBatchesMax) this.rollSegment(engine);
    if (this.log.pending.length === 0) {
      this.completed(ready.number);
      this.sayPersisted();
    }
    for (const peer of ready.sessionsToReset) this.environment.resetSession(this.id, peer);
    return ready;
  }

  /** An empty batch with nothing before it has nothing to wait for and takes no room in the log. */
  private append(ready: Ready<M>): void {
    const { number, records, mustSync, messagesAfterPersist, snapshotsToSend } = ready;
    const waits = messagesAfterPersist.length > 0 || snapshotsToSend.length > 0;
    if (records.length === 0 && this.log.pending.length === 0) return;
    this.log.append({ number, records, urgent: mustSync || waits, startsSegment: false });
  }

  private rollSegment(engine: ConsensusEngine<M>): void {
    const records = engine.checkpoint();
    this.log.append({ number: 0, records, urgent: false, startsSegment: true });
  }

  private holdAfterPersist(ready: Ready<M>): void {
    const { number } = ready;
    for (const { to, message } of ready.messagesAfterPersist) {
      for (const peer of to) {
        this.hold(peer, { number, send: () => this.deliver(peer, message), drop: NOTHING });
      }
    }
    for (const transfer of ready.snapshotsToSend) {
      const image = this.file(transfer.meta);
      this.hold(transfer.to, {
        number,
        send: () => this.environment.streamSnapshot(this.id, transfer, image),
        drop: () => this.input((engine) => engine.snapshotSent(transfer.to, false)),
      });
    }
  }

  /** Sends now, or behind what waits for the disk where the protocol needs the order. */
  private send(peer: NodeId, send: () => void): void {
    const waiting = this.held.get(peer);
    const ordered = this.options.protocol.capabilities.needsFifoChannels;
    if (ordered && waiting !== undefined && waiting.length > 0) {
      waiting.push({ number: 0, send, drop: NOTHING });
    } else send();
  }

  private hold(peer: NodeId, held: HeldSend): void {
    const waiting = this.held.get(peer);
    if (waiting === undefined) this.held.set(peer, [held]);
    else waiting.push(held);
  }

  private dropHeld(peer: NodeId): void {
    const waiting = this.held.get(peer) ?? [];
    this.held.delete(peer);
    for (const held of waiting) held.drop();
  }

  private completed(number: ReadyNumber): void {
    this.durableNumber = number;
    for (const [peer, waiting] of this.held) {
      let count = 0;
      while (count < waiting.length && (waiting[count] as HeldSend).number <= number) count++;
      if (count === 0) continue;
      this.held.set(peer, waiting.slice(count));
      for (const held of waiting.slice(0, count)) held.send();
    }
  }

  private queue(item: InboxItem<M>): void {
    if (this.current === null) return;
    assert(this.inbox.length < INBOX_INPUTS_MAX, 'an inbox has a limit');
    this.inbox.push(item);
  }

  private deliver(peer: NodeId, message: M): void {
    assert(peer !== this.id, 'a node sends nothing to itself');
    if (this.options.sessions && !this.connected.has(peer)) return;
    this.environment.send(this.id, peer, message);
  }

  private file(meta: SnapshotMeta): MachineImage {
    return required(this.files.get(meta.digest), `node ${this.id} has the file of ${meta.digest}`);
  }
}
