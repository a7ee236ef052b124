import type { NodeId } from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import { decodeResult, encodeCommand, NO_CONDITION } from '@quorate/kv';
import type { EventType, HistoryEvent, JsonValue } from '@quorate/linearizability';
import type { HostCluster } from '@quorate/simulator';
import type { ObservedWrite } from './observation.ts';

/** Operations that one client has open at most; what is due beyond that is left out. */
const OPEN_MAX = 16;
const READ_ONE_IN = 4;
const KEYS = 8;
const NANOS_PER_MICRO = 1000;
const ENCODER = new TextEncoder();

type Asked = { -readonly [field in keyof ObservedWrite]: ObservedWrite[field] };

/**
 * A client beside each replica, without a network between: it asks its own replica alone, and for
 * writes only while that replica believes that it leads. So every leader is under load, also one
 * that nobody else follows, and nothing but the replicas decides who serves whom.
 */
export class LocalClients<M> {
  readonly history: HistoryEvent[] = [];
  readonly writes: Asked[] = [];
  private readonly cluster: HostCluster<M>;
  private readonly intervalMicros: number;
  private readonly open = new Map<NodeId, number>();
  private running = false;
  private nextProcess = 0;
  private values = 0;

  /** `rate`: writes a second of each client; 0: only what {@link write} asks for. */
  constructor(cluster: HostCluster<M>, rate: number) {
    this.cluster = cluster;
    this.intervalMicros = rate === 0 ? 0 : Math.round(1e6 / rate);
  }

  start(): void {
    this.running = true;
    if (this.intervalMicros === 0) return;
    const { ids } = this.cluster.world;
    // Their turns are spread over the interval, so that no two ask in the same microsecond.
    for (const [i, id] of ids.entries()) this.again(id, (i * this.intervalMicros) / ids.length);
  }

  stop(): void {
    this.running = false;
  }

  /** One write to a replica, whoever it believes to lead. */
  write(id: NodeId): void {
    const { replica } = this.cluster.node(id);
    if (replica === null) return;
    const { store, queue } = this.cluster.world;
    // Counted for itself: a refused write is dropped, and its value must never come again.
    const number = ++this.values;
    const value = `v${number}`;
    const key = `k${number % KEYS}`;
    const write: Asked = {
      ...{ value, node: id, askedAt: queue.now(), ackedAt: null, tookEffect: false },
      ...{ askedInMinority: this.isInMinority(id), ackedInMinority: false },
    };
    const text = { key: ENCODER.encode(key), value: ENCODER.encode(value) };
    const condition = NO_CONDITION;
    const command = encodeCommand({ operation: 'put', ...text, condition, request: null });
    store.noteSubmitted(command);
    const process = this.begin(id, 'write', key, value);
    this.writes.push(write);
    replica.propose(command, (outcome) => {
      if (outcome.kind === 'applied') {
        write.ackedAt = queue.now();
        write.ackedInMinority = write.askedInMinority && this.isInMinority(id);
        store.acknowledged(value, decodeResult(outcome.result).revision);
        this.end(id, process, 'ok', 'write', key, value);
      } else if (outcome.kind === 'unknown') this.end(id, process, 'info', 'write', key, value);
      else {
        store.failedForGood(value);
        this.end(id, process, 'fail', 'write', key, value);
        this.writes.splice(this.writes.indexOf(write), 1);
      }
    });
  }

  /** Reads every key at one replica, the last thing that the history holds. */
  readBack(id: NodeId): void {
    for (let i = 0; i < KEYS; i++) this.read(id, `k${i}`);
  }

  /** Operations under way. */
  get pending(): number {
    return [...this.open.values()].reduce((sum, one) => sum + one, 0);
  }

  /** The writes, with what became of them in the end. */
  observed(): ObservedWrite[] {
    const { store } = this.cluster.world;
    return this.writes.map((one) => ({ ...one, tookEffect: store.tookEffect(one.value) }));
  }

  /** A killed process answers nobody; its client may ask the next one. */
  forget(id: NodeId): void {
    this.open.set(id, 0);
  }

  private again(id: NodeId, delayMicros: number): void {
    this.cluster.world.queue.after(Math.round(delayMicros), () => {
      if (!this.running) return;
      this.ask(id);
      this.again(id, this.intervalMicros);
    });
  }

  private ask(id: NodeId): void {
    const node = this.cluster.node(id);
    if (node.replica === null || node.isPaused || (this.open.get(id) ?? 0) >= OPEN_MAX) return;
    if (node.replica.leader() !== id) return;
    this.write(id);
    if (this.values % READ_ONE_IN === 0) this.read(id, `k${this.values % KEYS}`);
  }

  private read(id: NodeId, key: string): void {
    const { replica } = this.cluster.node(id);
    if (replica === null) return;
    const process = this.begin(id, 'read', key, undefined);
    replica.read('linearizable', (outcome) => {
      if (outcome.kind !== 'ready') {
        this.end(id, process, 'fail', 'read', key, undefined);
        return;
      }
      const found = this.cluster.node(id).machine?.kv.get(ENCODER.encode(key)) ?? null;
      const value = found === null ? null : String.fromCharCode(...found.value);
      this.end(id, process, 'ok', 'read', key, value);
    });
  }

  private begin(id: NodeId, f: 'read' | 'write', key: string, value: JsonValue | undefined) {
    this.open.set(id, (this.open.get(id) ?? 0) + 1);
    const process = this.nextProcess++;
    this.record(process, 'invoke', f, key, value);
    return process;
  }

  private end(
    id: NodeId,
    process: number,
    type: EventType,
    f: 'read' | 'write',
    key: string,
    value: JsonValue | undefined,
  ): void {
    this.open.set(id, Math.max(0, (this.open.get(id) ?? 0) - 1));
    this.record(process, type, f, key, value);
  }

  private record(
    process: number,
    type: EventType,
    f: 'read' | 'write',
    key: string,
    value: JsonValue | undefined,
  ): void {
    const time = this.cluster.world.queue.now() * NANOS_PER_MICRO;
    const base = { time, process, type, f, key };
    this.history.push(value === undefined ? base : { ...base, value });
  }

  /** Less than a majority is up and exchanges messages with the node both ways. */
  private isInMinority(id: NodeId): boolean {
    const { ids, links } = this.cluster.world;
    assert(ids.includes(id), 'a node of the cluster');
    const reached = ids.filter((other) => {
      if (other === id) return true;
      return this.cluster.node(other).isUp && !links.isCut(id, other) && !links.isCut(other, id);
    });
    return 2 * reached.length <= ids.length;
  }
}
