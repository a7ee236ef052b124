import { type Clock, instant, type Member, type NodeId, nodeId } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { afterEach, describe, expect, test } from 'vitest';
import { grpcFrames } from './grpc-frames.ts';
import { messagePortFrames } from './message-port-frames.ts';
import { nodeNet } from './node-net.ts';
import { createPeerTransport } from './peer-transport.ts';
import { createPortBroker, type PortBroker } from './port-broker.ts';
import { tcpFrames } from './tcp-frames.ts';
import type { FrameNetwork, PeerTransport } from './types.ts';

/** Peer sessions of three replicas over each real body, in real time. */

const clock: Clock = {
  now: () => instant(Math.floor(performance.now() * 1000)),
  wallMicros: () => Date.now() * 1000,
  schedule: (at, callback) => {
    const timer = setTimeout(callback, Math.max(0, (at - performance.now() * 1000) / 1000 + 1));
    return () => clearTimeout(timer);
  },
  defer: (callback) => void setImmediate(callback),
};

const bodies: readonly [string, (broker: PortBroker) => FrameNetwork][] = [
  ['tcp', () => tcpFrames(nodeNet())],
  ['grpc', () => grpcFrames({ servicePath: '/quorate.test.v1.Peer/Exchange' })],
  ['message-port', (broker) => messagePortFrames(broker.connect())],
];

interface Replica {
  readonly id: number;
  readonly transport: PeerTransport;
  readonly log: string[];
  readonly frames: Map<number, number[]>;
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function start(id: number, network: FrameNetwork, address: string): Promise<Replica> {
  const transport = createPeerTransport({
    network,
    listenAddress: address,
    identity: { clusterId: 'demo', nodeId: nodeId(id), diskId: `disk-${id}`, protocol: 'raft' },
    clock,
    random: createRandom(`replica ${id}`),
  });
  const log: string[] = [];
  const frames = new Map<number, number[]>();
  await new Promise<void>((resolve, reject) => {
    const handlers = {
      connected: (peer: NodeId) => void log.push(`+${peer}`),
      disconnected: (peer: NodeId) => void log.push(`-${peer}`),
      frame: (peer: NodeId, bytes: Uint8Array) => {
        const numbers = frames.get(peer) ?? [];
        numbers.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
        frames.set(peer, numbers);
      },
    };
    transport.start(handlers, (error) => (error === null ? resolve() : reject(error)));
  });
  cleanups.push(() => transport.stop(() => {}));
  return { id, transport, log, frames };
}

function numbered(value: number, bytes: number): Uint8Array {
  const frame = new Uint8Array(bytes);
  new DataView(frame.buffer).setUint32(0, value);
  return frame;
}

async function until(condition: () => boolean): Promise<void> {
  await expect.poll(condition, { interval: 2, timeout: 30_000 }).toBe(true);
}

describe.each(bodies)('three replicas over %s', (_name, open) => {
  async function cluster(): Promise<{
    replicas: Replica[];
    members: Member[];
    open: () => FrameNetwork;
  }> {
    const broker = createPortBroker();
    cleanups.push(() => broker.stop());
    const replicas: Replica[] = [];
    for (const id of [1, 2, 3]) replicas.push(await start(id, open(broker), '127.0.0.1:0'));
    const members = replicas.map(({ id, transport }) => {
      return { id: nodeId(id), disk: `disk-${id}`, address: transport.address };
    });
    for (const { transport } of replicas) transport.setPeers(members);
    await until(() => replicas.every(({ log }) => log.length === 2));
    return { replicas, members, open: () => open(broker) };
  }

  test('each pair has one session that keeps the order under load in both directions', async () => {
    const { replicas } = await cluster();
    const FRAMES = 400;
    for (let i = 0; i < FRAMES; i++) {
      const frame = numbered(i, i % 50 === 0 ? 200_000 : 100);
      for (const { id, transport } of replicas) {
        for (const peer of [1, 2, 3]) {
          if (peer !== id) expect(transport.send(nodeId(peer), [frame])).toBe(true);
        }
        if (i % 7 === 0) transport.flush();
      }
    }
    for (const { transport } of replicas) transport.flush();
    const expected = Array.from({ length: FRAMES }, (_, i) => i);
    await until(() =>
      replicas.every(
        ({ frames }) =>
          frames.size === 2 && [...frames.values()].every((numbers) => numbers.length >= FRAMES),
      ),
    );
    for (const { frames } of replicas) {
      expect(frames.size).toBe(2);
      for (const numbers of frames.values()) expect(numbers).toEqual(expected);
    }
  });

  test('a stopped replica is noticed, and its next incarnation is connected again', async () => {
    const { replicas, members, open: another } = await cluster();
    const [one, two, three] = replicas as [Replica, Replica, Replica];
    const address = two.transport.address;
    two.transport.stop(() => {});
    await until(() => one.log.includes('-2') && three.log.includes('-2'));
    let again: Replica | null = null;
    while (again === null) again = await start(2, another(), address).catch(() => null);
    again.transport.setPeers(members);
    await until(() => one.log.at(-1) === '+2' && three.log.at(-1) === '+2');
    again.transport.send(nodeId(1), [numbered(77, 4)]);
    again.transport.flush();
    await until(() => one.frames.get(2)?.at(-1) === 77);
    expect(one.log.filter((line) => line.endsWith('2'))).toEqual(['+2', '-2', '+2']);
  });

  test('a reset starts another session, and a cut holds frames until it heals', async () => {
    const { replicas } = await cluster();
    const [one, two] = replicas as [Replica, Replica];
    one.transport.resetSession(nodeId(2));
    await until(() => one.log.slice(-2).join() === '-2,+2' && two.log.slice(-2).join() === '-1,+1');
    one.transport.setLinkFault(nodeId(2), { direction: 'both', cut: true });
    for (const [from, to] of [
      [one, 2],
      [two, 1],
    ] as const) {
      from.transport.send(nodeId(to), [numbered(5, 4)]);
      from.transport.flush();
    }
    const row = () => one.transport.linkCounters()[0]!;
    await until(() => row().inbound.framesWaiting === 1 && row().outbound.framesWaiting === 1);
    expect([one.frames.size, two.frames.size]).toEqual([0, 0]);
    one.transport.setLinkFault(nodeId(2), null);
    await until(() => one.frames.size === 1 && two.frames.size === 1);
    expect(row().inbound.framesReleased).toBe(1);
  });
});
