import { type Connection, type NetError, nodeId } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../event-queue.ts';
import { LinkMatrix } from '../link-matrix.ts';
import { DEFAULT_NETWORK } from '../options.ts';
import { SimulatedNetwork } from './simulated-net.ts';
import { SimulatedClock, SimulatedProcess } from './simulated-process.ts';

function world(seed = 1) {
  const queue = new EventQueue();
  const links = new LinkMatrix(DEFAULT_NETWORK);
  const network = new SimulatedNetwork(queue, links, createRandom(seed));
  const [a, b] = [new SimulatedProcess(nodeId(1)), new SimulatedProcess(nodeId(2))];
  const run = (micros: number): void => {
    const until = queue.now() + micros;
    while (queue.runNext(until));
    queue.advanceTo(until);
  };
  return { queue, links, network, a, b, run };
}

class Peer {
  readonly received: number[] = [];
  closed: string | null = null;
  drains = 0;
  connection: Connection | null = null;

  take(connection: Connection): void {
    this.connection = connection;
    connection.attach({
      data: (bytes) => this.received.push(...bytes),
      drained: () => this.drains++,
      closed: (reason) => {
        expect(this.closed).toBeNull();
        this.closed = reason;
      },
    });
  }
}

function connected(seed = 1) {
  const all = world(seed);
  const [client, server] = [new Peer(), new Peer()];
  all.network.netOf(all.b).listen(
    'b:1',
    (connection) => server.take(connection),
    () => {},
  );
  all.network
    .netOf(all.a)
    .dial('b:1', (_error, connection) => client.take(connection as Connection));
  all.run(10_000);
  return { ...all, client, server };
}

describe('SimulatedNetwork', () => {
  it('carries bytes in order both ways, whatever the pieces', () => {
    const { client, server, run } = connected();
    const sent = Array.from({ length: 300 }, (_, i) => i % 256);
    for (const byte of sent) client.connection?.write([Uint8Array.of(byte)]);
    server.connection?.write([Uint8Array.of(1, 2), Uint8Array.of(3)]);
    run(1_000_000);
    expect(server.received).toEqual(sent);
    expect(client.received).toEqual([1, 2, 3]);
  });

  it('holds bytes while the link is cut and delivers them after it mends', () => {
    const { client, server, links, run } = connected();
    links.cut(nodeId(1), nodeId(2));
    client.connection?.write([Uint8Array.of(7)]);
    server.connection?.write([Uint8Array.of(8)]);
    run(5_000_000);
    expect([server.received, client.received]).toEqual([[], [8]]);
    links.heal();
    run(10_000);
    expect(server.received).toEqual([7]);
  });

  it('pushes back when the receiver does not read, and drains when it does', () => {
    const { client, server, run } = connected();
    server.connection?.pause();
    let room = true;
    for (let i = 0; i < 100 && room; i++) {
      room = client.connection?.write([new Uint8Array(16 * 1024)]) ?? false;
      run(1_000);
    }
    expect(room).toBe(false);
    expect(client.connection?.queuedBytes).toBeGreaterThan(0);
    server.connection?.resume();
    run(1_000_000);
    expect(client.connection?.queuedBytes).toBe(0);
    expect(client.drains).toBe(1);
  });

  it('tells both ends of a close once, and the peer of a kill', () => {
    const first = connected();
    first.client.connection?.close();
    first.run(10_000);
    expect([first.client.closed, first.server.closed]).toEqual([
      'closed here',
      'closed by the peer',
    ]);
    const second = connected();
    second.b.kill();
    second.run(10_000);
    expect([second.client.closed, second.server.closed]).toEqual(['closed by the peer', null]);
  });

  it('refuses where nobody listens, and gives up on a silent link', () => {
    const { network, a, b, links, run } = world();
    const errors: (NetError | null)[] = [];
    network.netOf(a).dial('b:9', (error) => errors.push(error));
    run(10_000);
    network.netOf(b).listen(
      'b:1',
      () => {},
      () => {},
    );
    links.cut(nodeId(2), nodeId(1));
    network.netOf(a).dial('b:1', (error) => errors.push(error));
    run(10_000_000);
    expect(errors.map((error) => error?.code)).toEqual(['ECONNREFUSED', 'ETIMEDOUT']);
  });

  it('keeps everything for a paused process and nothing for a dead one', () => {
    const { client, server, b, queue, run } = connected();
    const clock = new SimulatedClock(queue, b, createRandom(1));
    const fired: string[] = [];
    b.pause();
    client.connection?.write([Uint8Array.of(5)]);
    const cancel = clock.schedule(clock.now(), () => fired.push('cancelled'));
    clock.defer(() => fired.push('deferred'));
    run(1_000_000);
    expect([server.received, fired]).toEqual([[], []]);
    cancel();
    b.resume();
    expect([server.received, fired]).toEqual([[5], ['deferred']]);
    clock.defer(() => fired.push('dead'));
    b.kill();
    run(1_000_000);
    expect(fired).toEqual(['deferred']);
  });
});
