import { nodeId } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../event-queue.ts';
import { LinkMatrix } from '../link-matrix.ts';
import { DEFAULT_NETWORK, type NetworkOptions } from '../options.ts';
import { DatagramNetwork } from './datagram-network.ts';
import { SimulatedProcess } from './simulated-process.ts';

const [one, two] = [nodeId(1), nodeId(2)];
const SENT = 200;

function world(settings: Partial<NetworkOptions>) {
  const queue = new EventQueue();
  const links = new LinkMatrix({ ...DEFAULT_NETWORK, ...settings });
  const network = new DatagramNetwork(queue, links, createRandom(1));
  const received: number[] = [];
  const process = new SimulatedProcess(two);
  network.listen(process, (_from, bytes) => received.push(bytes[0] as number));
  const send = (): void => {
    for (let i = 0; i < SENT; i++) network.send(one, two, Uint8Array.of(i));
    while (queue.runNext(Number.MAX_SAFE_INTEGER));
  };
  return { queue, links, network, process, received, send };
}

const inOrder = (numbers: readonly number[]): boolean =>
  numbers.every((number, i) => i === 0 || number > (numbers[i - 1] as number));

describe('DatagramNetwork', () => {
  it('delivers each message once on a good link, in any order', () => {
    const { received, send, network } = world({});
    send();
    expect([...received].sort((a, b) => a - b)).toEqual(Array.from({ length: SENT }, (_, i) => i));
    expect(inOrder(received)).toBe(false);
    expect(network.counts).toEqual({
      sent: SENT,
      lost: 0,
      duplicated: 0,
      reordered: 0,
      replayed: 0,
    });
  });

  it('loses, doubles and delays by the link, and stops when the link is whole again', () => {
    const { links, received, send, network } = world({});
    links.override(one, two, { loss: 0.3, duplication: 0.5, reordering: 0.5 });
    send();
    const { lost, duplicated, reordered } = network.counts;
    expect(Math.min(lost, duplicated, reordered)).toBeGreaterThan(SENT / 10);
    expect(received).toHaveLength(SENT - lost + duplicated);
    links.override(one, two, { loss: 0, duplication: 0, reordering: 0 });
    received.length = 0;
    send();
    expect(received).toHaveLength(SENT);
  });

  it('loses everything on a cut link, and what nobody listens for', () => {
    const { links, process, received, send } = world({});
    links.cut(one, two);
    send();
    links.heal();
    process.kill();
    send();
    expect(received).toEqual([]);
  });

  it('brings messages of the past to a later process of the node', () => {
    const { network, process, queue, received, send } = world({});
    expect(network.replay(createRandom(2))).toBe(false);
    send();
    process.kill();
    const again: number[] = [];
    network.listen(new SimulatedProcess(two), (_from, bytes) => again.push(bytes[0] as number));
    expect(network.replay(createRandom(2))).toBe(true);
    while (queue.runNext(Number.MAX_SAFE_INTEGER));
    expect(again).toHaveLength(1);
    expect(received).toContain(again[0]);
  });
});
