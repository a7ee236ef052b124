import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Cluster } from './cluster.ts';
import type { ClusterDescription, Runtime } from './description.ts';
import { processState } from './process-state.ts';

// The compiled server is what there is to start; the library itself knows it only as a path.
const entry = (name: string): string =>
  fileURLToPath(new URL(`../../../apps/kv-server/dist/${name}.js`, import.meta.url));
const LIMIT_MS = 20_000;

let directory = '';
let cluster: Cluster | null = null;
let harness: ChildProcess | null = null;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'quorate-cluster-'));
});
afterEach(async () => {
  harness?.kill('SIGKILL');
  await cluster?.stop();
  cluster = null;
  rmSync(directory, { recursive: true, force: true });
});

function describeCluster(
  protocol: string,
  transport: 'grpc' | 'tcp' | 'message-port' = 'grpc',
  runtime: Runtime = 'process',
): ClusterDescription {
  return {
    clusterId: 'test',
    runtime,
    nodeIds: [1, 2, 3],
    settings: {
      protocol,
      variants: {},
      transport,
      clientTransport: 'tcp',
      sync: 'group',
      heartbeatMs: 50,
      electionTimeoutMs: [150, 300],
      detector: 'timers',
    },
    directory,
    entries: { process: entry('run'), worker: entry('worker') },
  };
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${LIMIT_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const isGone = (pid: number): boolean => {
  const state = processState(pid);
  return state === null || state.letter === 'Z';
};

describe.each([
  ['raft', 'process', 'grpc'],
  ['multi-paxos', 'process', 'grpc'],
  ['zab', 'process', 'tcp'],
  ['raft', 'worker', 'message-port'],
  ['multi-paxos', 'worker', 'tcp'],
  ['zab', 'worker', 'grpc'],
] as const)('%s as %s over %s', (protocol, runtime, transport) => {
  it('is killed, restarted, paused, resumed and cut, each with evidence', async () => {
    cluster = await Cluster.start(describeCluster(protocol, transport, runtime));
    const first = await cluster.awaitLeader(LIMIT_MS);
    const before = cluster.members;
    const killed = await cluster.kill(first.id);
    expect(killed.method).toBe(runtime === 'process' ? 'exit-signal' : 'thread-exit');
    expect(cluster.running).not.toContain(first.id);
    await expect(cluster.pause(first.id, 1)).rejects.toThrow();
    const second = await cluster.awaitLeader(LIMIT_MS);
    expect(second.id).not.toBe(first.id);

    await expect(cluster.restart(second.id)).rejects.toMatchObject({ code: 'CLUSTER_ERR_STATE' });
    const restarted = await cluster.restart(first.id);
    expect(restarted.method).toBe('ready-line');
    expect(restarted.atMicros).toBeGreaterThan(killed.atMicros);
    if (transport !== 'message-port') expect(cluster.members).toEqual(before);

    const { id } = await cluster.awaitLeader(LIMIT_MS);
    const paused = await cluster.pause(id, 60_000_000);
    expect(paused.method).toBe(runtime === 'process' ? 'proc-state' : 'event-loop');
    if (runtime === 'process') expect(processState(cluster.pid(id))?.letter).toBe('T');
    expect((await cluster.awaitLeader(LIMIT_MS)).id).not.toBe(id);
    expect((await cluster.resume(id)).method).toBe(paused.method);
    await until('all three answer', async () => (await cluster?.statuses())?.length === 3);

    const leader = (await cluster.awaitLeader(LIMIT_MS)).id;
    const other = [1, 2, 3].find((one) => one !== leader)!;
    const link = async () => (await cluster!.links(leader)).find((one) => one.peer === other)!;
    await until('the link stands', async () => (await link()).connected);
    await cluster.setLinkFault(leader, other, { direction: 'both', cut: true });
    const held = async (): Promise<number> => {
      const { outbound, inbound } = await link();
      return outbound.framesHeld + inbound.framesHeld;
    };
    await until('the cut holds frames', async () => (await held()) > 0);
    expect((await link()).faultInForce).toBe(true);
    await cluster.setLinkFault(leader, other, null);
    expect((await link()).faultInForce).toBe(false);
    await until('a leader and no frames waiting', async () => {
      const { outbound, inbound } = await link();
      return outbound.framesWaiting + inbound.framesWaiting === 0;
    });

    const pids = cluster.running.map((one) => cluster!.pid(one));
    await cluster.pause(other, 60_000_000);
    await cluster.stop(); // A paused replica, too.
    if (runtime === 'process') for (const pid of pids) expect(isGone(pid)).toBe(true);
    expect(cluster.running).toEqual([]);
  });
});

describe('a start that cannot succeed', () => {
  it('stops the others and says which replica failed and why', async () => {
    const broken = describeCluster('raft');
    const settings = { ...broken.settings, protocol: 'gossip' };
    await expect(Cluster.start({ ...broken, settings })).rejects.toThrow(/--protocol.*gossip/);
  });

  it('names a port in use', async () => {
    cluster = await Cluster.start(describeCluster('raft'));
    await cluster.kill(3);
    const { http } = cluster.members[2]!;
    const squatter = createServer().listen(Number(http.split(':')[1]), '127.0.0.1');
    await new Promise((resolve) => squatter.once('listening', resolve));
    await expect(cluster.restart(3)).rejects.toThrow(`SERVER_ERR_ADDRESS_IN_USE: ${http}`);
    await new Promise((resolve) => squatter.close(resolve));
    await cluster.restart(3);
  });

  it('does not bring back a replica that lost its disk under its old id', async () => {
    cluster = await Cluster.start(describeCluster('raft'));
    await cluster.awaitLeader(LIMIT_MS);
    await cluster.kill(3);
    rmSync(join(directory, 'node-3'), { recursive: true });
    await expect(cluster.restart(3)).rejects.toThrow('WAL_ERR_EMPTY');

    // Started as if it were new, it has another disk, and the others refuse it.
    const { http, peer, client } = cluster.members[2]!;
    const self = cluster.members.slice(0, 2);
    const addresses = ['--listen', http, '--peer-listen', peer, '--client-listen', client];
    const where = ['--cluster', join(directory, 'cluster.yaml'), '--data-dir'];
    const child = spawn(process.execPath, [
      ...[entry('run'), '--id', '3', '--protocol', 'raft', '--bootstrap', 'new'],
      ...[...where, join(directory, 'node-3'), ...addresses],
    ]);
    harness = child;
    const log = (id: number): string => readFileSync(join(directory, `node-${id}.log`), 'utf8');
    await until('both refuse it', () => self.every(({ id }) => log(id).includes('instead of')));
    const third = [1, 2].map((id) => cluster!.links(id));
    for (const links of await Promise.all(third)) {
      expect(links.find((link) => link.peer === 3)?.connected).toBe(false);
    }
  });
});

describe('whatever ends the harness', () => {
  /** A harness of its own: a cluster, its folder registered, and one line with the process ids. */
  const HARNESS = `
    import { Cluster, Reaper } from '@quorate/cluster';
    const description = JSON.parse(process.env.DESCRIPTION);
    const reaper = new Reaper();
    reaper.watchFolder(description.directory);
    const cluster = await Cluster.start(description, reaper);
    if (process.env.PAUSE) await cluster.pause(2, 60_000_000);
    console.log(JSON.stringify(cluster.running.map((id) => cluster.pid(id))));
    setInterval(() => undefined, 1000);`;

  it.each([
    ['SIGKILL', ''],
    ['SIGKILL', 'with a replica paused'],
    ['SIGINT', ''],
    ['SIGTERM', ''],
  ] as const)('%s %s leaves no process and no folder', async (signal, pause) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', HARNESS], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      env: {
        ...process.env,
        DESCRIPTION: JSON.stringify(describeCluster('raft', 'tcp')),
        PAUSE: pause,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    harness = child;
    const pids = await new Promise<number[]>((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', (text) => resolve(JSON.parse(text)));
      child.once('exit', (code) => reject(new Error(`the harness ended with ${code}`)));
    });
    expect(pids).toHaveLength(3);
    child.kill(signal);
    await until('no replica lives', () => pids.every(isGone));
    await until('the folder is gone', () => !existsSync(directory));
  });
});
