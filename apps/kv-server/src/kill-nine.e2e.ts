import { type Client, connectClient, type OperationResult } from '@quorate/client';
import { createRandom } from '@quorate/foundation';
import { nodeClock } from '@quorate/replica';
import { nodeNet, tcpFrames } from '@quorate/transport';
import { afterEach, describe, expect, it } from 'vitest';
import {
  eventually,
  REPLICATED_PROTOCOLS,
  startTestCluster,
  type TestCluster,
} from './cluster-fixture.ts';

const IN_FLIGHT = 8;
const ACKED_PER_STEP = 350;
const ACKED_WRITES_MIN = 2_000;
const UTF8 = new TextEncoder();

/** Writes keys, each once and each with a value of its own, and keeps what was acknowledged. */
class Load {
  readonly acknowledged: number[] = [];
  readonly ended = { ok: 0, fail: 0, unknown: 0 };
  private readonly client: Client;
  private next = 0;
  private open = 0;
  private running = true;

  constructor(client: Client) {
    this.client = client;
    for (let i = 0; i < IN_FLIGHT; i++) this.write();
  }

  /** Waits for that many acknowledged writes more. */
  async more(count: number): Promise<void> {
    const goal = this.acknowledged.length + count;
    const look = async () => this.acknowledged.length;
    await eventually(`${goal} acknowledged writes`, look, (seen) => seen >= goal, 60_000);
  }

  async stop(): Promise<void> {
    this.running = false;
    await eventually(
      'every write ended',
      async () => this.open,
      (open) => open === 0,
      60_000,
    );
  }

  private write(): void {
    const number = this.next++;
    this.open++;
    this.client.put(keyOf(number), contentOf(number), { timeoutMicros: 10_000_000 }, (result) => {
      this.open--;
      this.ended[result.outcome]++;
      if (result.outcome === 'ok') this.acknowledged.push(number);
      if (this.running) this.write();
    });
  }
}

const keyOf = (number: number): Uint8Array => UTF8.encode(`key-${number}`);
const contentOf = (number: number): Uint8Array => UTF8.encode(`value-of-${number}`);

describe.each(REPLICATED_PROTOCOLS)('kill -9 with %s', (protocol) => {
  let test: TestCluster | null = null;
  let client: Client | null = null;

  afterEach(async () => {
    client?.close();
    await test?.remove();
  });

  it('loses no acknowledged write, whichever replica dies, nor when all do', async () => {
    test = await startTestCluster(protocol);
    const { cluster } = test;
    await cluster.awaitLeader(20_000);
    client = connectClient({
      network: tcpFrames(nodeNet()),
      addresses: cluster.members.map((member) => member.client),
      clock: nodeClock(),
      random: createRandom(`e2e/${protocol}`),
      session: true,
    });
    const load = new Load(client);
    for (const id of [1, 2, 3]) {
      await load.more(ACKED_PER_STEP);
      const evidence = await cluster.kill(id);
      expect(evidence.method).toBe('exit-signal');
      await load.more(ACKED_PER_STEP); // Two of three go on.
      await cluster.restart(id);
    }
    await load.more(ACKED_PER_STEP);
    expect(load.acknowledged.length).toBeGreaterThanOrEqual(ACKED_WRITES_MIN);

    // All at once, with writes in flight.
    await Promise.all([1, 2, 3].map((id) => cluster.kill(id)));
    expect(cluster.running).toEqual([]);
    await Promise.all([1, 2, 3].map((id) => cluster.restart(id)));
    await cluster.awaitLeader(20_000);
    await load.stop();
    expect(load.ended.ok).toBe(load.acknowledged.length);

    expect(await missing(client, load.acknowledged)).toEqual([]);
    const statuses = await eventually(
      'all replicas applied the same',
      () => cluster.statuses(),
      (seen) => seen.length === 3 && new Set(seen.map((one) => one.appliedIndex)).size === 1,
    );
    expect(new Set(statuses.map((one) => one.digest)).size).toBe(1);
  });
});

/** The acknowledged writes that do not read back, read linearizably. */
async function missing(client: Client, acknowledged: readonly number[]): Promise<number[]> {
  const get = (number: number): Promise<OperationResult> =>
    new Promise((resolve) => {
      client.get(keyOf(number), { timeoutMicros: 20_000_000 }, resolve);
    });
  const results = await Promise.all(acknowledged.map(get));
  return acknowledged.filter((number, i) => {
    const value = results[i]?.value ?? null;
    return value === null || !Buffer.from(value).equals(contentOf(number));
  });
}
