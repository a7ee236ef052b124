import {
  type ConsensusEngine,
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  type Instant,
  type MessageCodec,
  type NodeId,
  nodeId,
  type Protocol,
  type Ready,
  RecordKind,
  readyNumber,
  ticket,
  type Variants,
  type WalRecord,
} from '@quorate/consensus';
import { assert, concatBytes, type Random, required } from '@quorate/foundation';
import { entryKey } from '../engine-level/memory-machine.ts';
import { digestOf, TIME_BASE } from './state-digest.ts';

/** Readies that one input may lead to; more is an engine that never comes to rest. */
const READIES_MAX = 64;

/** What one replica of the scope is made of. */
export interface SmallNodeOptions<M> {
  readonly protocol: Protocol<M>;
  readonly codec: MessageCodec<M>;
  readonly voters: readonly NodeId[];
  readonly variants: Variants;
}

/** What one input made a replica do. */
export interface Effects {
  /** Messages that left, encoded as text, in order. */
  readonly sent: { readonly to: NodeId; readonly bytes: string }[];
  /** Peers whose session must end. */
  readonly resets: NodeId[];
}

/** What can be seen of a replica from outside; equal digests have equal views. */
export interface NodeView {
  readonly digest: string;
  readonly up: boolean;
  readonly serving: boolean;
  readonly leads: boolean;
  readonly round: number;
  readonly hasDeadline: boolean;
  /** Batches handed to the disk and not durable. */
  readonly pendingCount: number;
  /** Keys of the entries announced in this life, from index 1. */
  readonly applied: readonly string[];
  /** Keys of the entries that would survive a power cut now, by index; holes are undefined. */
  readonly durable: readonly (string | undefined)[];
}

/**
 * One replica whose every step is asked for: a message, a timeout, the end of a disk write, a
 * crash. It keeps the obligations of `Ready` in the strictest way (says at once what is durable,
 * applies at once), because what it may delay is delayed by whoever orders the steps. Its clock
 * moves only by timeouts, so a state does not depend on when it was reached.
 */
export class SmallNode<M> {
  readonly id: NodeId;
  private readonly options: SmallNodeOptions<M>;
  private engine: ConsensusEngine<M> | null = null;
  private now = TIME_BASE;
  private readonly durable: WalRecord[] = [];
  private pending: { readonly number: number; readonly records: readonly WalRecord[] }[] = [];
  private held: { readonly number: number; readonly to: NodeId; readonly bytes: string }[] = [];
  private readonly connected = new Set<NodeId>();
  private applied: string[] = [];
  private effects: Effects = { sent: [], resets: [] };

  constructor(id: NodeId, options: SmallNodeOptions<M>) {
    this.id = id;
    this.options = options;
  }

  /** Takes one step; see `LocalAction` for its names. Throws what the engine throws. */
  perform(action: string): Effects {
    this.effects = { sent: [], resets: [] };
    const rest = action.slice(1);
    switch (action[0]) {
      case 'R':
        this.open();
        break;
      case 'C':
        this.crash(Number(rest));
        break;
      case 'T':
        this.now = Math.max(this.now, this.running.nextDeadline() ?? this.now);
        break;
      case 'F':
        this.sync();
        break;
      case 'P':
        this.running.propose(new TextEncoder().encode(rest), ticket(1));
        break;
      case '+':
        this.connected.add(nodeId(Number(rest)));
        this.running.peerConnected(nodeId(Number(rest)));
        break;
      case '-':
        this.connected.delete(nodeId(Number(rest)));
        this.held = this.held.filter(({ to }) => to !== Number(rest));
        this.running.peerDisconnected(nodeId(Number(rest)));
        break;
      default:
        this.deliver(action);
    }
    if (this.engine !== null) this.settle(this.engine);
    return this.effects;
  }

  view(): NodeView {
    const { engine, pending } = this;
    const status = engine?.status() ?? null;
    const facts = [engine, this.durable, pending, this.held, this.connected, this.applied];
    return {
      digest: digestOf(facts, this.now),
      up: engine !== null,
      serving: status?.serving ?? false,
      leads: status?.role === 'leader',
      round: status?.round ?? 0,
      hasDeadline: engine !== null && engine.nextDeadline() !== null,
      pendingCount: pending.length,
      applied: this.applied.slice(),
      durable: durableKeys(this.durable),
    };
  }

  private get running(): ConsensusEngine<M> {
    return required(this.engine, 'a step needs a running replica');
  }

  private open(): void {
    assert(this.engine === null, 'a running replica is not started again');
    const { protocol, voters, variants } = this.options;
    const members = voters.map((id) => ({ id, disk: `disk-${id}`, address: `node-${id}:1` }));
    const config = {
      ...DEFAULT_TIMING,
      detector: 'timers' as const,
      variants,
      limits: DEFAULT_LIMITS,
      id: this.id,
      membership: { voters: members, learners: [], witnesses: [] },
      now: this.now as Instant,
    };
    this.engine = protocol.open(config, LEAST, null, this.durable);
  }

  private crash(keepBatches: number): void {
    for (const { records } of this.pending.slice(0, keepBatches)) this.durable.push(...records);
    this.engine = null;
    this.pending = [];
    this.held = [];
    this.connected.clear();
    this.applied = [];
  }

  private sync(): void {
    const batch = required(this.pending.shift(), 'a batch waits for the disk');
    this.durable.push(...batch.records);
    this.released(batch.number);
    this.running.persisted(readyNumber(batch.number));
  }

  private released(number: number): void {
    let count = 0;
    while (count < this.held.length && (this.held[count]?.number ?? 0) <= number) count++;
    for (const { to, bytes } of this.held.splice(0, count)) this.effects.sent.push({ to, bytes });
  }

  /** `from:bytes`. */
  private deliver(action: string): void {
    const at = action.indexOf(':');
    const from = nodeId(Number(action.slice(0, at)));
    const text = action.slice(at + 1);
    const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    const message = this.options.codec.decode(bytes);
    this.running.step(from, required(message, 'what the codec encodes it decodes'));
  }

  /** Fires what is due and takes Readies until there is nothing to do. */
  private settle(engine: ConsensusEngine<M>): void {
    for (let readies = 0; readies < READIES_MAX; readies++) {
      engine.clock(this.now as Instant);
      engine.tick();
      if (!engine.hasReady()) return;
      this.take(engine, engine.takeReady());
    }
    assert(false, `an engine comes to rest within ${READIES_MAX} Readies`);
  }

  private take(engine: ConsensusEngine<M>, ready: Ready<M>): void {
    assert(ready.snapshotToInstall === null, 'no snapshot is in this scope');
    const waits = this.pending.length > 0 || ready.records.length > 0;
    if (waits) this.pending.push({ number: ready.number, records: ready.records });
    for (const { to, message } of ready.messages) for (const peer of to) this.send(peer, message);
    for (const { to, message } of ready.messagesAfterPersist) {
      for (const peer of to) this.send(peer, message, waits ? ready.number : null);
    }
    if (!waits) engine.persisted(ready.number);
    this.effects.resets.push(...ready.sessionsToReset);
    for (const { index, type, payload } of ready.committed) {
      assert(index === this.applied.length + 1, 'entries are announced in order');
      this.applied.push(entryKey(type, payload));
    }
    const last = ready.committed.at(-1);
    if (last !== undefined) engine.applied(last.index);
  }

  private send(to: NodeId, message: M, after: number | null = null): void {
    const { needsFifoChannels } = this.options.protocol.capabilities;
    if (needsFifoChannels && !this.connected.has(to)) return;
    const bytes = String.fromCharCode(...concatBytes(this.options.codec.encode(message)));
    // Where order counts, nothing overtakes what waits for the disk (obligation 2 of `Ready`).
    const last = needsFifoChannels ? this.held.findLast((held) => held.to === to) : undefined;
    const number = after ?? last?.number ?? null;
    if (number === null) this.effects.sent.push({ to, bytes });
    else this.held.push({ number, to, bytes });
  }
}

/** Draws the least of each range: the scope explores orders of events, not lengths of timeouts. */
const LEAST: Random = {
  nextUint32: () => 1,
  below: () => 0,
  between: (min) => min,
  fraction: () => 0,
  split: () => LEAST,
};

function durableKeys(records: readonly WalRecord[]): (string | undefined)[] {
  const keys: (string | undefined)[] = [];
  for (const { kind, index, entryType, payload } of records) {
    if (kind === RecordKind.accept || kind === RecordKind.chosen) {
      keys[index] = entryKey(entryType, payload);
    } else if (kind === RecordKind.truncate) keys.length = Math.min(keys.length, index);
  }
  return keys;
}
