import { type Clock, encodeCommandBatch, instant, logIndex } from '@quorate/consensus';
import { createRandom, NO_BYTES } from '@quorate/foundation';
import { decodeCommand, KvStateMachine } from '@quorate/kv';
import { type FrameNetwork, grpcFrames, nodeNet, tcpFrames } from '@quorate/transport';
import { afterEach, describe, expect, test } from 'vitest';
import { serveClients } from './client-server.ts';
import type { ClientErrorCode } from './errors.ts';
import { connectClient } from './kv-client.ts';
import { promiseClient } from './promise-client.ts';
import type { ClientService, ServiceError } from './service.ts';
import type { Client, ClientOptions, ClientServer, OperationResult } from './types.ts';
import { CLIENT_SERVICE_PATH } from './wire.ts';

/** End to end over real sockets: a client, three ports, one state machine behind them. */

const bodies: readonly [string, () => FrameNetwork][] = [
  ['tcp', () => tcpFrames(nodeNet())],
  ['grpc', () => grpcFrames({ servicePath: CLIENT_SERVICE_PATH })],
];

const clock: Clock = {
  now: () => instant(Math.floor(performance.now() * 1000)),
  wallMicros: () => Date.now() * 1000,
  schedule: (at, callback) => {
    const micros = at - performance.now() * 1000;
    const timer = setTimeout(callback, Math.max(0, Math.ceil(micros / 1000) + 1));
    return () => clearTimeout(timer);
  },
  defer: (callback) => void setImmediate(callback),
};

function failure(code: ClientErrorCode, outcome: 'none' | 'unknown', leader = ''): ServiceError {
  const hint = leader === '' ? null : { id: 1, address: leader };
  return { code, outcome, message: `told by the test`, leader: hint };
}

const NOTHING = { value: null, revision: 0, appliedIndex: 0 };

/** What a replica does with a write instead of answering it; null answers it. */
type Misbehaviour = (replica: TestReplica) => 'silent' | 'die' | ServiceError | null;

/** A client port whose commands all go to one shared state machine. */
class TestReplica implements ClientService {
  server: ClientServer | null = null;
  misbehave: Misbehaviour = () => null;
  /** What is asked before a command is applied; an error refuses it. */
  door: () => ServiceError | 'silent' | null = () => null;
  writes = 0;
  private readonly cluster: TestCluster;

  constructor(cluster: TestCluster) {
    this.cluster = cluster;
  }

  get address(): string {
    return this.server?.address ?? '';
  }

  write(
    command: Uint8Array,
    timeoutMicros: number,
    done: (error: ServiceError | null, result: Uint8Array) => void,
  ): void {
    this.writes++;
    expect(timeoutMicros).toBeGreaterThan(0);
    const refused = this.door() ?? this.cluster.redirect(this);
    if (refused === 'silent') return;
    if (refused !== null) {
      done(refused, NO_BYTES);
      return;
    }
    const result = this.cluster.apply(command);
    const misbehaviour = this.misbehave(this);
    if (misbehaviour === null) setImmediate(() => done(null, result));
    else if (misbehaviour === 'die') this.kill();
    else if (misbehaviour !== 'silent') done(misbehaviour, NO_BYTES);
  }

  read(
    key: Uint8Array,
    level: string,
    _timeoutMicros: number,
    done: Parameters<ClientService['read']>[3],
  ): void {
    const refused = this.door() ?? (level === 'stale' ? null : this.cluster.redirect(this));
    if (refused === 'silent') return;
    if (refused !== null) {
      done(refused, NOTHING);
      return;
    }
    const found = this.cluster.machine.get(key);
    const { value, revision } = found ?? { value: null, revision: 0 };
    done(null, { value, revision, appliedIndex: this.cluster.machine.appliedIndex });
  }

  status(done: (error: ServiceError | null, json: string) => void): void {
    done(null, JSON.stringify({ address: this.address }));
  }

  kill(): void {
    this.server?.stop();
  }
}

class TestCluster {
  readonly machine = new KvStateMachine();
  readonly replicas: TestReplica[] = [];
  readonly applied: Uint8Array[] = [];
  leader: TestReplica | null = null;
  hints = true;
  readonly network: FrameNetwork;

  constructor(network: FrameNetwork) {
    this.network = network;
  }

  static async start(network: FrameNetwork, replicas = 3): Promise<TestCluster> {
    const cluster = new TestCluster(network);
    for (let i = 0; i < replicas; i++) {
      const replica = new TestReplica(cluster);
      replica.server = await new Promise((resolve, reject) => {
        const options = { network, address: '127.0.0.1:0', service: replica, clock };
        serveClients(options, (error, server) => (server ? resolve(server) : reject(error)));
      });
      cluster.replicas.push(replica);
      cleanups.push(() => replica.kill());
    }
    cluster.leader = cluster.replicas[0]!;
    return cluster;
  }

  client(options: Partial<ClientOptions> = {}): Client {
    const client = connectClient({
      network: this.network,
      addresses: this.replicas.map((replica) => replica.address),
      clock,
      random: createRandom(`client ${cleanups.length} ${performance.now()}`),
      timeoutMicros: 50_000_000,
      ...options,
      // On a busy machine both ends of a test may stand still together for a while.
      limits: { silenceMicros: 60_000_000, ...options.limits },
    });
    cleanups.push(() => client.close());
    return client;
  }

  redirect(replica: TestReplica): ServiceError | null {
    if (this.leader === replica) return null;
    if (this.leader === null) return failure('no_leader', 'none');
    return failure('not_leader', 'none', this.hints ? this.leader.address : '');
  }

  apply(command: Uint8Array): Uint8Array {
    this.applied.push(command);
    const index = logIndex(this.machine.appliedIndex + 1);
    const batch = encodeCommandBatch({ proposedAtMicros: 1, commands: [command] });
    return this.machine.apply(index, batch)[0]!;
  }
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

const key = (name: string): Uint8Array => new TextEncoder().encode(name);

function ask(start: (done: (result: OperationResult) => void) => void): Promise<OperationResult> {
  return new Promise((resolve) => start(resolve));
}

function put(client: Client, name: string, value = 'v', settings = {}): Promise<OperationResult> {
  return ask((done) => client.put(key(name), key(value), settings, done));
}

describe.each(bodies)('a client over %s', (_name, open) => {
  test('puts, gets, deletes and compares, through whichever replica it met first', async () => {
    const cluster = await TestCluster.start(open());
    const { put, get, delete: remove, status } = promiseClient(cluster.client());
    expect(await put('a', 'one')).toMatchObject({ created: true, revision: 1, outcome: 'ok' });
    expect(await put('a', 'two')).toMatchObject({ created: false, revision: 2 });
    const found = await get('a');
    expect(new TextDecoder().decode(found.value!)).toBe('two');
    expect(found).toMatchObject({ revision: 2, appliedIndex: 2, code: null });
    expect(await get('nothing')).toMatchObject({ value: null, revision: 0, outcome: 'ok' });
    await put('empty', '');
    expect((await get('empty')).value).toEqual(new Uint8Array(0));
    const condition = { kind: 'revision', revision: 1 } as const;
    await expect(put('a', 'three', { condition })).rejects.toMatchObject({
      code: 'cas_mismatch',
      outcome: 'none',
    });
    expect(await put('b', '1', { condition: { kind: 'absent' } })).toMatchObject({ created: true });
    expect(await remove('a')).toMatchObject({ deleted: true });
    expect(await remove('a')).toMatchObject({ deleted: false });
    expect(await status()).toEqual({ address: cluster.leader!.address });
  });

  test('many operations travel in few frames, each answered once', async () => {
    const cluster = await TestCluster.start(open(), 1);
    const client = cluster.client();
    const results: OperationResult[] = [];
    await new Promise<void>((resolve) => {
      for (let i = 0; i < 5000; i++) {
        client.put(key(`k${i % 100}`), key(`v${i}`), {}, (result) => {
          results.push(result);
          if (results.length === 5000) resolve();
        });
      }
      expect(results).toEqual([]); // Never inside the call.
      expect(client.pending).toBe(5000);
    });
    expect(results.every((result) => result.outcome === 'ok' && result.attempts === 1)).toBe(true);
    expect(results.map((result) => result.revision)).toEqual(results.map((_, i) => i + 1));
    expect(client.counters()).toMatchObject({ completed: 5000, ok: 5000, sent: 5000, connects: 1 });
    expect(client.counters().framesSent).toBeLessThan(50);
    expect(client.pending).toBe(0);
  });

  test('KV-18: a leader dies before it answers: the retry is recognized elsewhere', async () => {
    const cluster = await TestCluster.start(open());
    const client = cluster.client();
    await put(client, 'a');
    cluster.leader!.misbehave = (replica) => {
      cluster.leader = cluster.replicas.find((other) => other !== replica)!;
      return 'die';
    };
    const result = await put(client, 'a', 'twice?');
    expect(result).toMatchObject({ outcome: 'ok', replayed: true, revision: 2, attempts: 2 });
    expect(cluster.machine.revision).toBe(2);
    expect(await put(client, 'b')).toMatchObject({ outcome: 'ok', attempts: 1 });
  });

  test('KV-18: without a session the same death is reported as unknown', async () => {
    const cluster = await TestCluster.start(open());
    const addresses = [cluster.leader!.address];
    const client = cluster.client({ session: false, addresses });
    cluster.leader!.misbehave = () => 'die';
    const result = await put(client, 'a');
    expect(result).toMatchObject({ outcome: 'unknown', code: 'disconnected', attempts: 1 });
    expect(decodeCommand(cluster.applied[0]!).request).toBeNull();
  });
});

describe('retries over tcp', () => {
  const start = (replicas = 3) => TestCluster.start(tcpFrames(nodeNet()), replicas);

  test('while there is no leader it asks round, and goes on when one appears', async () => {
    const cluster = await start();
    const leader = cluster.leader;
    cluster.leader = null;
    const asked = new Set<TestReplica>();
    for (const replica of cluster.replicas) {
      replica.door = () => {
        asked.add(replica);
        if (asked.size === 3) cluster.leader = leader;
        return null;
      };
    }
    const result = await put(cluster.client(), 'a');
    expect(result.outcome).toBe('ok');
    expect(result.attempts).toBeGreaterThanOrEqual(3);
  });

  test('few requests are spent on finding out who leads', async () => {
    const cluster = await start();
    cluster.leader = cluster.replicas[2]!;
    const client = cluster.client({ addresses: [cluster.replicas[0]!.address] });
    const results = await Promise.all(Array.from({ length: 500 }, (_, i) => put(client, `${i}`)));
    expect(results.every((result) => result.outcome === 'ok')).toBe(true);
    expect(cluster.replicas[0]!.writes).toBeLessThanOrEqual(16);
  });

  test('without hints it finds the leader by asking round', async () => {
    const cluster = await start();
    cluster.hints = false;
    cluster.leader = cluster.replicas[2]!;
    expect((await put(cluster.client(), 'a')).outcome).toBe('ok');
  });

  test('a hint leads to a replica that was not in the list', async () => {
    const cluster = await start();
    const client = cluster.client({ addresses: [cluster.replicas[1]!.address] });
    expect(await put(client, 'a')).toMatchObject({ outcome: 'ok', attempts: 2 });
    expect(client.counters()).toMatchObject({ redirects: 1, connects: 2 });
    expect(client.connectedTo).toBe(cluster.leader!.address);
  });

  test.each(['overloaded', 'no_space', 'shutting_down', 'no_leader'] as const)(
    'the transient error %s is retried until it goes well',
    async (code) => {
      const cluster = await start(1);
      let left = 3;
      cluster.leader!.door = () => (left-- > 0 ? failure(code, 'none') : null);
      expect(await put(cluster.client(), 'a')).toMatchObject({ outcome: 'ok', attempts: 4 });
    },
  );

  test.each([
    'bad_request',
    'key_too_large',
    'value_too_large',
    'unprocessable',
    'duplicate_request',
  ] as const)('the lasting error %s is reported at once', async (code) => {
    const cluster = await start(1);
    cluster.leader!.door = () => failure(code, 'none');
    const result = await put(cluster.client(), 'a');
    expect(result).toMatchObject({ outcome: 'fail', code, attempts: 1 });
    expect(result.message).toBe('told by the test');
  });

  test('an internal error is retried with a session, and unknown without one', async () => {
    const cluster = await start(1);
    let left = 1;
    cluster.leader!.misbehave = () => (left-- > 0 ? failure('internal', 'unknown') : null);
    const result = await put(cluster.client(), 'a');
    expect(result).toMatchObject({ outcome: 'ok', replayed: true, attempts: 2 });
    left = 1;
    const second = await put(cluster.client({ session: false }), 'a');
    expect(second).toMatchObject({ outcome: 'unknown', code: 'internal', attempts: 1 });
  });

  test('with policy none the first answer is the result', async () => {
    const cluster = await start(1);
    cluster.leader!.door = () => failure('overloaded', 'none');
    const client = cluster.client({ retryPolicy: 'none' });
    expect(client.retryPolicy).toBe('none');
    expect(await put(client, 'a')).toMatchObject({ outcome: 'fail', code: 'overloaded' });
  });

  test('a replica that falls silent is given up for another', async () => {
    const cluster = await start();
    const client = cluster.client({ limits: { silenceMicros: 30_000 } });
    await put(client, 'a');
    const dumb = cluster.leader!;
    dumb.misbehave = () => 'silent';
    const doomed = put(client, 'b');
    await expect.poll(() => cluster.applied.length, { interval: 1 }).toBe(2);
    cluster.leader = cluster.replicas[1]!;
    dumb.door = () => 'silent'; // It stands still as a whole: it cannot even redirect.
    expect(await doomed).toMatchObject({ outcome: 'ok', replayed: true });
    expect(client.connectedTo).toBe(cluster.leader.address);
  });

  test('a deadline without an answer: unknown for a write, a failure for a read', async () => {
    const cluster = await start(1);
    cluster.leader!.door = () => 'silent';
    const client = cluster.client();
    const write = await put(client, 'a', 'v', { timeoutMicros: 500_000 });
    expect(write).toMatchObject({ outcome: 'unknown', code: 'deadline_exceeded' });
    const settings = { timeoutMicros: 500_000 };
    const read = await ask((done) => client.get(key('a'), settings, done));
    expect(read).toMatchObject({ outcome: 'fail', code: 'deadline_exceeded' });
  });

  test('a deadline after a death in doubt is unknown, also while the operation waits', async () => {
    const cluster = await start(1);
    cluster.leader!.misbehave = () => 'die';
    const client = cluster.client();
    const result = await put(client, 'a', 'v', { timeoutMicros: 500_000 });
    expect(result).toMatchObject({ outcome: 'unknown', code: 'deadline_exceeded', attempts: 1 });
  });

  test('a deadline before anything was sent, or after refusals alone, is a failure', async () => {
    const cluster = await start(1);
    const short = { timeoutMicros: 20_000 };
    cluster.leader!.door = () => failure('no_leader', 'none');
    // After the first refusal it waits for longer than the deadline.
    const waits = { retryWaitMinMicros: 60_000_000, retryWaitMaxMicros: 60_000_000 };
    const longer = { timeoutMicros: 500_000 };
    const refused = await put(cluster.client({ limits: waits }), 'a', 'v', longer);
    expect(refused).toMatchObject({ outcome: 'fail', code: 'no_leader' });
    cluster.leader!.kill();
    const unsent = await put(cluster.client(), 'a', 'v', short);
    expect(unsent).toMatchObject({ outcome: 'fail', code: 'not_sent', attempts: 0 });
  });

  test('pending operations are bounded', async () => {
    const cluster = await start(1);
    const client = cluster.client({ limits: { operationsPendingMax: 10 } });
    const results = await Promise.all(Array.from({ length: 15 }, (_, i) => put(client, `${i}`)));
    const codes = results.map((result) => result.code);
    expect(codes.filter((code) => code === null).length).toBe(10);
    expect(codes.filter((code) => code === 'overloaded').length).toBe(5);
  });

  test('an operation too large for a frame fails here', async () => {
    const cluster = await start(1);
    const client = cluster.client({ limits: { operationBytesMax: 10 } });
    expect(await put(client, 'k', '0123456789')).toMatchObject({ code: 'value_too_large' });
    expect(await put(client, 'k', '012345678')).toMatchObject({ outcome: 'ok' });
  });

  test('close ends what waits and what was sent, and tells which is in doubt', async () => {
    const cluster = await start(1);
    cluster.leader!.door = () => 'silent';
    const client = cluster.client({ limits: { requestsInFlightMax: 1 } });
    const sent = put(client, 'a');
    const waiting = put(client, 'b');
    await expect.poll(() => cluster.leader!.writes, { interval: 1 }).toBe(1);
    client.close();
    expect(await sent).toMatchObject({ outcome: 'unknown', code: 'disconnected' });
    expect(await waiting).toMatchObject({ outcome: 'fail', code: 'client_closed' });
    expect(await put(client, 'c')).toMatchObject({ outcome: 'fail', code: 'client_closed' });
    await expect.poll(() => cluster.leader!.server!.connections, { interval: 1 }).toBe(0);
  });

  test('the session window bounds the writes in flight and tells what was answered', async () => {
    const cluster = await start(1);
    const client = cluster.client({ limits: { sessionWindowMax: 8 } });
    await Promise.all(Array.from({ length: 50 }, (_, i) => put(client, `${i}`)));
    const requests = cluster.applied.map((command) => decodeCommand(command).request!);
    expect(requests.map((request) => request.sequence)).toEqual(requests.map((_, i) => i + 1));
    for (const { sequence, answeredThrough } of requests) {
      expect(sequence - answeredThrough).toBeLessThanOrEqual(8);
    }
    expect(requests.at(-1)!.answeredThrough).toBeGreaterThanOrEqual(42);
  });

  test('under kills of leader after leader every write happens exactly once', async () => {
    const cluster = await start(5);
    const client = cluster.client();
    const random = createRandom('kills');
    for (const replica of cluster.replicas.slice(0, 4)) {
      let until = 200;
      replica.misbehave = () => {
        if (--until > 0) return random.below(10) === 0 ? failure('internal', 'unknown') : null;
        cluster.leader = cluster.replicas[cluster.replicas.indexOf(replica) + 1]!;
        return 'die';
      };
    }
    const results = await Promise.all(Array.from({ length: 3000 }, (_, i) => put(client, `k${i}`)));
    expect(results.every((result) => result.outcome === 'ok')).toBe(true);
    expect(cluster.machine.revision).toBe(3000);
    expect(new Set(results.map((result) => result.revision)).size).toBe(3000);
    expect(cluster.applied.length).toBeGreaterThan(3000); // There were repetitions to recognize.
  });
});

describe('a client port', () => {
  test('a port in use is an error', async () => {
    const cluster = await TestCluster.start(tcpFrames(nodeNet()), 1);
    const taken = cluster.leader!;
    const { network } = cluster;
    const error = await new Promise((resolve) => {
      serveClients({ network, address: taken.address, service: taken, clock }, resolve);
    });
    expect(error).toMatchObject({ code: 'TRANSPORT_ERR_ADDRESS_IN_USE' });
  });

  test('stops reading while told to, and while too many requests are in flight', async () => {
    const cluster = await TestCluster.start(tcpFrames(nodeNet()), 1);
    const leader = cluster.leader!;
    const client = cluster.client();
    await put(client, 'a');
    leader.server!.pause();
    const paused = put(client, 'b');
    const other = cluster.client();
    const alsoPaused = put(other, 'c');
    await expect.poll(() => leader.server!.connections, { interval: 1 }).toBe(2);
    expect(leader.writes).toBe(1);
    leader.server!.resume();
    expect((await paused).outcome).toBe('ok');
    expect((await alsoPaused).outcome).toBe('ok');
  });

  test('closes a connection that speaks something else', async () => {
    const cluster = await TestCluster.start(tcpFrames(nodeNet()), 1);
    const reason = await new Promise((resolve) => {
      cluster.network.dial(cluster.leader!.address, (_error, channel) => {
        channel?.attach({ frame() {}, drained() {}, closed: resolve });
        channel?.send([new Uint8Array([10, 200, 1, 1])]);
        channel?.flush();
      });
    });
    expect(reason).toBeTypeOf('string');
    expect(cluster.leader!.writes).toBe(0);
  });
});
