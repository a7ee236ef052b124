import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Member, nodeId, type Protocol } from '@quorate/consensus';
import { encodeCommand, KvStateMachine, NO_CONDITION } from '@quorate/kv';
import { multiPaxos } from '@quorate/multi-paxos';
import { raft } from '@quorate/raft';
import { zab } from '@quorate/zab';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { crashHost, type Host, type HostOptions, openHost, propose } from './host-fixture.ts';
import type { Replica } from './types.ts';

/** The host is blind to the messages of the protocol. */
type AnyProtocol = Protocol<never>;
const PROTOCOLS = [raft, multiPaxos, zab] as unknown as readonly AnyProtocol[];

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const put = (key: string, value: string): Uint8Array =>
  encodeCommand({
    operation: 'put',
    key: text(key),
    value: text(value),
    condition: NO_CONDITION,
    request: null,
  });

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** Three replicas in this process, on their own disks, joined by TCP. */
class Cluster {
  readonly hosts = new Map<number, Host>();
  readonly kvs = new Map<number, KvStateMachine>();
  readonly acknowledged = new Map<string, string>();
  private readonly protocol: AnyProtocol;
  private readonly root: string;
  private readonly settings: Partial<HostOptions<never>>;
  private members: Member[] = [];

  constructor(protocol: AnyProtocol, root: string, settings: Partial<HostOptions<never>>) {
    this.protocol = protocol;
    this.root = root;
    this.settings = settings;
  }

  async start(): Promise<void> {
    for (const id of [1, 2, 3]) {
      const address = `127.0.0.1:${await freePort()}`;
      this.members.push({ id: nodeId(id), disk: `disk-${id}`, address });
    }
    for (const id of [1, 2, 3]) await this.open(id, true);
  }

  async open(id: number, create: boolean): Promise<Host> {
    const kv = new KvStateMachine();
    const host = await openHost({
      protocol: this.protocol,
      directory: path.join(this.root, `${id}`),
      id: nodeId(id),
      members: this.members,
      stateMachine: kv,
      ...this.settings,
      create,
    });
    this.hosts.set(id, host);
    this.kvs.set(id, kv);
    return host;
  }

  /** Stops a replica as a crash does. */
  async kill(id: number): Promise<void> {
    const host = this.hosts.get(id);
    this.hosts.delete(id);
    this.kvs.delete(id);
    if (host !== undefined) await crashHost(host);
  }

  async leader(): Promise<number> {
    let found = 0;
    await until('a serving leader', () => {
      for (const [id, { replica }] of this.hosts) {
        const { engine } = replica.status();
        if (engine.role === 'leader' && engine.serving) found = id;
      }
      return found !== 0;
    });
    return found;
  }

  replica(id: number): Replica {
    const host = this.hosts.get(id);
    if (host === undefined) throw new Error(`replica ${id} does not run`);
    return host.replica;
  }

  /** Writes at whoever leads until it is acknowledged. */
  async write(key: string, value: string): Promise<void> {
    const deadline = performance.now() + 30_000;
    for (;;) {
      const outcome = await propose(this.replica(await this.leader()), put(key, value));
      if (outcome.kind === 'applied') break;
      if (performance.now() > deadline) throw new Error(`never acknowledged: ${outcome.kind}`);
    }
    this.acknowledged.set(key, value);
  }

  async settle(): Promise<void> {
    await until('equal states', () => {
      const digests = new Set([...this.kvs.values()].map((kv) => kv.digest()));
      return digests.size === 1 && this.kvs.get(1)?.keys === this.acknowledged.size;
    });
    for (const kv of this.kvs.values()) {
      for (const [key, value] of this.acknowledged) {
        // Not toEqual on the bytes, which takes milliseconds for each value.
        expect(Buffer.from(kv.get(text(key))?.value ?? []).toString()).toBe(value);
      }
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.hosts.keys()].map((id) => this.kill(id)));
  }
}

describe.each(PROTOCOLS.map((protocol) => [protocol.name, protocol] as const))(
  'three replicas of %s over TCP and real disks',
  (_name, protocol) => {
    let root = '';
    let cluster: Cluster;

    beforeEach(() => {
      root = mkdtempSync(path.join(tmpdir(), 'quorate-cluster-'));
    });

    afterEach(async () => {
      await cluster.stop();
      rmSync(root, { recursive: true, force: true });
    });

    it('agree, survive the kill of each replica in turn and restart from disk', async () => {
      cluster = new Cluster(protocol, root, {});
      await cluster.start();
      for (let i = 0; i < 20; i++) await cluster.write(`before ${i}`, `${i}`);
      await cluster.settle();
      for (let round = 0; round < 2; round++) {
        const victim = await cluster.leader();
        await cluster.kill(victim);
        for (let i = 0; i < 10; i++) await cluster.write(`without ${victim} ${i}`, `${round}`);
        await cluster.open(victim, false);
      }
      await cluster.settle();
    });

    it('keep everything acknowledged when all are killed at once', async () => {
      cluster = new Cluster(protocol, root, {});
      await cluster.start();
      for (let i = 0; i < 20; i++) await cluster.write(`k${i}`, `${i}`);
      await Promise.all([1, 2, 3].map((id) => cluster.kill(id)));
      for (const id of [1, 2, 3]) await cluster.open(id, false);
      await cluster.write('after', 'all');
      await cluster.settle();
    });

    it('bring a replica that was away back by a snapshot', async () => {
      cluster = new Cluster(protocol, root, {
        snapshots: { snapshotEveryEntries: 30 },
        engineLimits: { logTailBytesMin: 1, logTailBytesMax: 20_000, syncBytesMax: 20_000 },
      });
      await cluster.start();
      await cluster.write('first', '1');
      const away = ((await cluster.leader()) % 3) + 1;
      await cluster.kill(away);
      for (let i = 0; i < 150; i++) await cluster.write(`k${i}`, 'v'.repeat(6000));
      await until('a snapshot', () =>
        [...cluster.hosts.values()].every((h) => h.replica.status().counters.snapshotsTaken > 0),
      );
      const { replica } = await cluster.open(away, false);
      await cluster.settle();
      expect(replica.status().counters.snapshotsInstalled).toBeGreaterThanOrEqual(1);
      await cluster.write('last', '1');
      await cluster.settle();
      await cluster.kill(away);
      await cluster.open(away, false);
      await cluster.settle();
    });
  },
);
