import { type Client, connectClient, type OperationResult } from '@quorate/client';
import { nodeId } from '@quorate/consensus';
import type { Random } from '@quorate/foundation';
import type { KvCondition } from '@quorate/kv';
import type { EventType, HistoryEvent, JsonValue, OperationName } from '@quorate/linearizability';
import { tcpFrames } from '@quorate/transport';
import { SimulatedClock, SimulatedProcess } from '../ports/simulated-process.ts';
import { clientAddress, type HostWorld } from './host-world.ts';
import { PADDING, textOf } from './store-ghost.ts';

/** Node ids of clients start here, so that links to clients can be cut like any other. */
export const FIRST_CLIENT_NODE = 101;
const NANOS_PER_MICRO = 1000;
const ENCODER = new TextEncoder();
const NOTHING_SEEN: Seen = { text: null, revision: 0 };

interface Planned {
  readonly f: OperationName;
  readonly key: string;
  /** The argument as the history has it. */
  readonly value: JsonValue | undefined;
  readonly written: string;
  readonly condition: KvCondition;
  /** A read of whatever the replica has: no part of the history, but committed all the same. */
  readonly stale: boolean;
}

/** What a key held, null for nothing, and the revision that it had then. */
interface Seen {
  readonly text: string | null;
  readonly revision: number;
}

/** Counts of all clients of a run. */
export interface LoadCounts {
  invoked: number;
  ok: number;
  failed: number;
  unknown: number;
}

/**
 * The clients of a run: production clients with sessions and retries, each with some logical
 * processes that have one operation in flight. Everything asked and answered goes into a history.
 */
export class ClientLoad<M> {
  readonly history: HistoryEvent[] = [];
  readonly counts: LoadCounts = { invoked: 0, ok: 0, failed: 0, unknown: 0 };
  private readonly world: HostWorld<M>;
  private readonly clients: Client[] = [];
  private readonly random: Random;
  /** What each key was last seen to hold, so that some compare-and-sets succeed. */
  private readonly lastSeen = new Map<string, Seen>();
  private nextProcess = 0;
  private values = 0;
  private connected = 0;
  private running = false;
  private open = 0;

  constructor(world: HostWorld<M>) {
    const { swarm } = world;
    this.world = world;
    this.random = world.random.split('load');
    for (let i = 0; i < swarm.clients; i++) this.clients.push(this.connect(i));
  }

  /** Operations asked and not answered. */
  get pending(): number {
    return this.open;
  }

  start(): void {
    this.running = true;
    this.clients.forEach((_client, i) => {
      for (let n = 0; n < this.world.swarm.clientConcurrency; n++) this.next(i, n);
    });
  }

  /** A client ends in the middle of its work and another one takes over, with a new session. */
  replaceClient(random: Random): void {
    const place = random.below(this.clients.length);
    this.end(this.clients[place] as Client);
    this.clients[place] = this.connect(place);
    this.world.probes.hit('clientReplaced');
  }

  /** No operation begins after this. */
  stop(): void {
    this.running = false;
  }

  /** Reads every key once, as the last thing that a history holds. */
  readBack(): void {
    const client = this.clients[0] as Client;
    for (let i = 0; i < this.world.swarm.keys; i++) {
      const plan = this.readOf(`k${i}`, false);
      this.run(client, this.nextProcess++, plan, () => {});
    }
  }

  /** Ends the clients and counts what they did. */
  close(): void {
    for (const client of this.clients) this.end(client);
  }

  private connect(place: number): Client {
    const { swarm, network, queue, ids } = this.world;
    const process = new SimulatedProcess(nodeId(FIRST_CLIENT_NODE + place));
    this.connected++;
    const later = this.connected > swarm.clients ? `.${this.connected}` : '';
    const random = this.world.random.split(`client ${place}${later}`);
    return connectClient({
      network: tcpFrames(network.netOf(process)),
      addresses: ids.map(clientAddress),
      clock: new SimulatedClock(queue, process, random.split('clock')),
      random,
      session: !(swarm.sessionlessClients && place % 2 === 1),
      timeoutMicros: swarm.operationTimeoutMicros,
    });
  }

  private end(client: Client): void {
    const { probes } = this.world;
    const { retries, redirects } = client.counters();
    probes.hit('clientRetried', retries);
    probes.hit('clientRedirected', redirects);
    client.close();
  }

  /** One logical process: an operation, a pause, the next one; a new process after an unknown. */
  private next(number: number, lane: number): void {
    const random = this.random.split(`${number}/${lane}`);
    let process = this.nextProcess++;
    const again = (result: OperationResult | null): void => {
      if (result?.outcome === 'unknown') process = this.nextProcess++;
      const pause = 1 + random.below(this.world.swarm.thinkMaxMicros);
      this.world.queue.after(pause, () => {
        const client = this.clients[number] as Client;
        if (this.running) this.run(client, process, this.plan(random), again);
      });
    };
    again(null);
  }

  private plan(random: Random): Planned {
    const { keys } = this.world.swarm;
    const key = `k${random.below(keys)}`;
    const kind = random.below(10);
    const condition: KvCondition = { kind: 'none' };
    const stale = false;
    if (kind < 4) return this.readOf(key, kind === 3);
    if (kind === 4) return { ...this.readOf(key, false), f: 'delete' };
    const written = `v${++this.values}`;
    if (kind < 8) return { f: 'write', key, value: written, written, condition, stale };
    const { text, revision } = this.lastSeen.get(key) ?? NOTHING_SEEN;
    // No two writes have the same value, so a value names its revision.
    const found: KvCondition =
      text === null
        ? { kind: 'absent' }
        : kind === 8
          ? { kind: 'value', value: this.padded(text) }
          : { kind: 'revision', revision };
    return { f: 'cas', key, value: [text, written], written, stale, condition: found };
  }

  private readOf(key: string, stale: boolean): Planned {
    const condition: KvCondition = { kind: 'none' };
    return { f: 'read', key, value: undefined, written: '', condition, stale };
  }

  private run(
    client: Client,
    process: number,
    plan: Planned,
    ended: (result: OperationResult) => void,
  ): void {
    const key = ENCODER.encode(plan.key);
    this.open++;
    this.counts.invoked++;
    this.record(process, 'invoke', plan, plan.value);
    const node = FIRST_CLIENT_NODE + this.clients.indexOf(client);
    this.world.note(node, 'asks', () => `process ${process} ${plan.f} ${plan.key} ${plan.written}`);
    const done = (result: OperationResult): void => {
      this.open--;
      this.finish(node, process, plan, result);
      ended(result);
    };
    if (plan.f === 'read') {
      client.get(key, { level: plan.stale ? 'stale' : 'linearizable' }, done);
    } else if (plan.f === 'delete') client.delete(key, {}, done);
    else client.put(key, this.padded(plan.written), { condition: plan.condition }, done);
  }

  private finish(node: number, process: number, plan: Planned, result: OperationResult): void {
    const { store, probes } = this.world;
    const { outcome, value, revision } = result;
    this.world.note(node, outcome, () => describe(process, plan, result), revision);
    if (outcome === 'unknown') {
      this.counts.unknown++;
      if (plan.written !== '') probes.hit('writeUnknown');
      this.record(process, 'info', plan, plan.value);
    } else if (outcome === 'fail') {
      this.counts.failed++;
      if (plan.written !== '') store.failedForGood(plan.written);
      this.record(process, 'fail', plan, plan.value);
    } else {
      this.counts.ok++;
      const seen = plan.f === 'read' ? (value === null ? null : textOf(value)) : plan.value;
      if (plan.f === 'read' && value !== null) store.seen(textOf(value), revision);
      if (plan.written !== '') store.acknowledged(plan.written, revision);
      this.remember(plan, seen, revision);
      this.record(process, 'ok', plan, seen);
    }
  }

  private remember(plan: Planned, seen: JsonValue | undefined, revision: number): void {
    if (plan.stale) return;
    const written = plan.f === 'delete' ? null : plan.written;
    const text = plan.f === 'read' ? (seen as string | null) : written;
    this.lastSeen.set(plan.key, { text, revision });
  }

  private record(
    process: number,
    type: EventType,
    plan: Planned,
    value: JsonValue | undefined,
  ): void {
    if (plan.stale) return;
    const time = this.world.queue.now() * NANOS_PER_MICRO;
    const base = { time, process, type, f: plan.f, key: plan.key };
    this.history.push(value === undefined ? base : { ...base, value });
  }

  /** The same text always has the same bytes, so that a condition can name a value. */
  private padded(text: string): Uint8Array {
    const bytes = ENCODER.encode(text);
    const { valueBytesMax } = this.world.swarm;
    const length = Math.max(bytes.length, valueBytesMax);
    const padded = new Uint8Array(length).fill(PADDING);
    padded.set(bytes);
    return padded;
  }
}

function describe(process: number, plan: Planned, result: OperationResult): string {
  const value = result.value === null ? '' : ` = ${textOf(result.value)}`;
  const code = result.code === null ? '' : ` ${result.code}`;
  return `process ${process} ${plan.f} ${plan.key} ${plan.written}${value}${code}`;
}
