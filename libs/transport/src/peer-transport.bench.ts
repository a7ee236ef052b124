import { type Clock, instant, type NodeId, nodeId } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { grpcFrames } from './grpc-frames.ts';
import { messagePortFrames } from './message-port-frames.ts';
import { nodeNet } from './node-net.ts';
import { createPeerTransport } from './peer-transport.ts';
import { createPortBroker } from './port-broker.ts';
import { tcpFrames } from './tcp-frames.ts';
import type { FrameNetwork, PeerTransport } from './types.ts';

/**
 * Round trips and frames a second between two peer transports of one process, for each body:
 * `node libs/transport/dist/peer-transport.bench.js` after a build. Read the figures as ratios.
 */

const ROUND_TRIPS = 3000;
const FRAMES = 100_000;
const FRAMES_PER_FLUSH = 50;

const clock: Clock = {
  now: () => instant(Math.floor(performance.now() * 1000)),
  wallMicros: () => Date.now() * 1000,
  schedule: (at, callback) => {
    const timer = setTimeout(callback, Math.max(0, at / 1000 - performance.now()));
    return () => clearTimeout(timer);
  },
  defer: (callback) => void setImmediate(callback),
};

interface Side {
  readonly transport: PeerTransport;
  onConnected: () => void;
  onFrame: (bytes: Uint8Array) => void;
}

function open(id: number, network: FrameNetwork, started: () => void): Side {
  const transport = createPeerTransport({
    network,
    listenAddress: '127.0.0.1:0',
    identity: { clusterId: 'bench', nodeId: nodeId(id), diskId: `${id}`, protocol: 'none' },
    clock,
    random: createRandom(id),
  });
  const side: Side = { transport, onConnected: () => {}, onFrame: () => {} };
  const handlers = {
    connected: () => side.onConnected(),
    disconnected: () => {},
    frame: (_peer: NodeId, bytes: Uint8Array) => side.onFrame(bytes),
  };
  transport.start(handlers, started);
  return side;
}

function measure(open2: () => FrameNetwork, done: () => void): void {
  const network = open2();
  let ready = 0;
  const started = (): void => {
    if (++ready < 2) return;
    const members = [one, two].map(({ transport }, i) => {
      return { id: nodeId(i + 1), disk: '', address: transport.address };
    });
    for (const { transport } of [one, two]) transport.setPeers(members);
  };
  const one = open(1, network, started);
  const two = open(2, open2(), started);
  one.onConnected = () => roundTrips(one, two, () => stream(one, two, network.name, done));
}

function send(side: Side, peer: number, frame: Uint8Array): void {
  side.transport.send(nodeId(peer), [frame]);
}

function roundTrips(one: Side, two: Side, done: () => void): void {
  const frame = new Uint8Array(200);
  let left = ROUND_TRIPS;
  let sentAt = performance.now();
  const micros: number[] = [];
  const ping = (): void => {
    sentAt = performance.now();
    send(one, 2, frame);
    one.transport.flush();
  };
  two.onFrame = (bytes) => {
    send(two, 1, bytes);
    two.transport.flush();
  };
  one.onFrame = () => {
    micros.push((performance.now() - sentAt) * 1000);
    if (--left > 0) {
      ping();
      return;
    }
    micros.sort((a, b) => a - b);
    const at = (share: number): number => Math.round(micros[Math.floor(left + share)] ?? 0);
    console.log(
      'round trip, microseconds: p50',
      at(ROUND_TRIPS / 2),
      'p99',
      at(ROUND_TRIPS * 0.99),
    );
    done();
  };
  ping();
}

function stream(one: Side, two: Side, name: string, done: () => void): void {
  const frame = new Uint8Array(300);
  let received = 0;
  let sent = 0;
  const start = performance.now();
  const cpu = process.cpuUsage();
  const more = (): void => {
    for (let i = 0; i < FRAMES_PER_FLUSH; i++) send(one, 2, frame);
    sent += FRAMES_PER_FLUSH;
    one.transport.flush();
    if (sent < FRAMES) setImmediate(more);
  };
  two.onFrame = () => {
    if (++received < FRAMES) return;
    const { user, system } = process.cpuUsage(cpu);
    const seconds = (performance.now() - start) / 1000;
    const micros = ((user + system) / FRAMES).toFixed(2);
    console.log(`${name}: ${Math.round(FRAMES / seconds)} frames/s, ${micros} CPU us a frame`);
    one.transport.stop(() => two.transport.stop(done));
  };
  more();
}

const broker = createPortBroker();
const bodies: (() => FrameNetwork)[] = [
  () => tcpFrames(nodeNet()),
  () => grpcFrames({ servicePath: '/quorate.bench.v1.Peer/Exchange' }),
  () => messagePortFrames(broker.connect()),
];
const next = (): void => {
  const body = bodies.shift();
  if (body === undefined) process.exit();
  measure(body, next);
};
next();
