import { type NodeId, nodeId } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../event-queue.ts';
import { LinkMatrix } from '../link-matrix.ts';
import { DEFAULT_NETWORK, type NetworkOptions } from '../options.ts';
import { MessageNetwork } from './message-network.ts';

function world(overrides: Partial<NetworkOptions>) {
  const options = { ...DEFAULT_NETWORK, ...overrides };
  const queue = new EventQueue();
  const links = new LinkMatrix(options);
  const heard: (string | number)[] = [];
  const down = new Set<NodeId>();
  const network = new MessageNetwork<number>(
    { queue, links, random: createRandom(3), options },
    {
      isUp: (node) => !down.has(node),
      connected: (node, peer) => heard.push(`${node}+${peer}`),
      disconnected: (node, peer) => heard.push(`${node}-${peer}`),
      message: (_from, _to, message) => heard.push(message),
      snapshot: () => heard.push('snapshot'),
    },
  );
  const [a, b] = [nodeId(1), nodeId(2)];
  network.sessions.add(a, b);
  const run = (micros: number): void => {
    const until = queue.now() + micros;
    while (queue.runNext(until));
    queue.advanceTo(until);
  };
  run(10_000);
  return { network, links, heard, down, run, a, b };
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('MessageNetwork', () => {
  it('delivers in order inside a session, and a loss ends the session', () => {
    const { network, links, heard, run, a, b } = world({});
    for (const i of numbers(50)) network.send(a, b, i);
    run(10_000);
    expect(heard).toEqual(['1+2', '2+1', ...numbers(50)]);
    heard.length = 0;
    links.override(a, b, { loss: 1 });
    network.send(a, b, 99);
    network.send(a, b, 100);
    links.heal();
    run(100_000);
    expect(heard).toEqual(['1-2', '2-1', '1+2', '2+1']);
  });

  it('brings a node that is elected some of its old messages again, never in sessions', () => {
    const { network, heard, run, a, b } = world({ channels: 'lossy', replaysAtElection: 8 });
    network.elected(b);
    for (const i of numbers(1_000)) network.send(a, b, i);
    run(100_000);
    heard.length = 0;
    network.elected(b);
    network.elected(a);
    run(100_000);
    expect(heard).toHaveLength(8);
    for (const message of heard) expect(Number(message)).toBeGreaterThanOrEqual(1_000 - 256);
    const sessions = world({ replaysAtElection: 8 });
    sessions.network.send(a, b, 1);
    sessions.run(10_000);
    sessions.network.elected(b);
    sessions.run(10_000);
    expect(sessions.heard.filter((one) => one === 1)).toHaveLength(1);
  });

  it('holds what a short cut stops; a long cut ends the session and drops it', () => {
    const { network, links, heard, run, a, b } = world({ sessionTimeoutMicros: 1_000_000 });
    heard.length = 0;
    links.cut(a, b);
    network.send(a, b, 1);
    run(100);
    links.mend(a, b);
    run(10_000);
    expect(heard).toEqual([1]);
    links.cut(a, b);
    network.send(a, b, 2);
    run(2_000_000);
    links.heal();
    run(100_000);
    expect(heard).toEqual([1, '1-2', '2-1', '1+2', '2+1']);
  });

  it('ends the sessions of a node that goes down, and redials when it is back', () => {
    const { network, heard, down, run, a, b } = world({});
    heard.length = 0;
    network.send(b, a, 1);
    down.add(b);
    network.sessions.nodeDown(b);
    run(100_000);
    expect(heard).toEqual(['1-2']);
    down.delete(b);
    run(100_000);
    expect(heard).toEqual(['1-2', '1+2', '2+1']);
  });

  it('loses, repeats and reorders on lossy channels', () => {
    const lossy = { channels: 'lossy', loss: 0.2, duplication: 0.2, reordering: 0.3 } as const;
    const { network, heard, run, a, b } = world(lossy);
    heard.length = 0;
    for (const i of numbers(300)) network.send(a, b, i);
    run(100_000);
    const arrived = heard as number[];
    const distinct = new Set(arrived);
    expect(distinct.size).toBeLessThan(300);
    expect(arrived.length).toBeGreaterThan(distinct.size);
    expect([...arrived].sort((x, y) => x - y)).not.toEqual(arrived);
  });
});
