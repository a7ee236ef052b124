import { type Clock, encodeCommandBatch, instant, logIndex } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { KvStateMachine } from '@quorate/kv';
import { type FrameNetwork, grpcFrames, nodeNet, tcpFrames } from '@quorate/transport';
import { serveClients } from './client-server.ts';
import { connectClient } from './kv-client.ts';
import { CLIENT_SERVICE_PATH } from './wire.ts';

/**
 * How many small puts a second one core carries through client, socket, port and state machine, all
 * in this process: `node libs/client/dist/kv-client.bench.js [tcp|grpc]` after a build.
 */

const OPERATIONS = 600_000;
const IN_FLIGHT = 1024;

const clock: Clock = {
  now: () => instant(Math.floor(performance.now() * 1000)),
  wallMicros: () => Date.now() * 1000,
  schedule: (at, callback) => {
    const timer = setTimeout(callback, Math.max(0, at / 1000 - performance.now()));
    return () => clearTimeout(timer);
  },
  defer: (callback) => void setImmediate(callback),
};

const network: FrameNetwork =
  process.argv[2] === 'grpc'
    ? grpcFrames({ servicePath: CLIENT_SERVICE_PATH })
    : tcpFrames(nodeNet());

const machine = new KvStateMachine();
let commands: Uint8Array[] = [];
let waiting: ((error: null, result: Uint8Array) => void)[] = [];
function applyTurn(): void {
  const batch = encodeCommandBatch({ proposedAtMicros: 1, commands });
  const results = machine.apply(logIndex(machine.appliedIndex + 1), batch);
  const done = waiting;
  commands = [];
  waiting = [];
  for (let i = 0; i < done.length; i++) done[i]?.(null, results[i] as Uint8Array);
}

const service = {
  write(command: Uint8Array, _timeout: number, done: (e: null, r: Uint8Array) => void): void {
    if (commands.length === 0) clock.defer(applyTurn);
    commands.push(command);
    waiting.push(done);
  },
  read(): void {},
  status(): void {},
};

serveClients({ network, address: '127.0.0.1:0', service, clock }, (error, server) => {
  if (server === null) throw error;
  const random = createRandom(Date.now());
  const client = connectClient({ network, addresses: [server.address], clock, random });
  const value = new Uint8Array(64);
  const keys = Array.from({ length: 1000 }, (_, i) => new TextEncoder().encode(`key-${i}`));
  const start = performance.now();
  const cpu = process.cpuUsage();
  let asked = 0;
  let completed = 0;
  const next = (): void => {
    const key = keys[asked++ % keys.length] as Uint8Array;
    client.put(key, value, {}, done);
  };
  const done = (): void => {
    completed++;
    if (asked < OPERATIONS) next();
    if (completed < OPERATIONS) return;
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const perCore = OPERATIONS / ((user + system) / 1e6);
    console.log(`${network.name}: ${Math.round(OPERATIONS / seconds)} puts/s`);
    console.log(`${Math.round(perCore)} puts per CPU second`, client.counters());
    client.close();
    server.stop();
  };
  for (let i = 0; i < IN_FLIGHT; i++) next();
});
