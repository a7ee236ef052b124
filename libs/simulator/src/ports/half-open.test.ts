import { nodeId } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { createPeerTransport, type PeerTransport, tcpFrames } from '@quorate/transport';
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../event-queue.ts';
import { LinkMatrix } from '../link-matrix.ts';
import { DEFAULT_NETWORK } from '../options.ts';
import { SimulatedNetwork } from './simulated-net.ts';
import { SimulatedClock, SimulatedProcess } from './simulated-process.ts';

const SECOND = 1_000_000;

class Pair {
  readonly queue = new EventQueue();
  private readonly network = new SimulatedNetwork(
    this.queue,
    new LinkMatrix(DEFAULT_NETWORK),
    createRandom(1),
  );

  /** Starts the transport of a node in a new process; it says nothing by itself. */
  start(id: number): { transport: PeerTransport; process: SimulatedProcess; frames: number[] } {
    const process = new SimulatedProcess(nodeId(id));
    const random = createRandom(`transport ${id} ${this.queue.now()}`);
    const transport = createPeerTransport({
      network: tcpFrames(this.network.netOf(process)),
      listenAddress: `node-${id}:7000`,
      identity: { clusterId: 'c', nodeId: nodeId(id), diskId: `disk-${id}`, protocol: 'p' },
      clock: new SimulatedClock(this.queue, process, random.split('clock')),
      random,
    });
    const frames: number[] = [];
    const handlers = {
      connected: () => {},
      disconnected: () => {},
      frame: (_peer: number, bytes: Uint8Array) => frames.push(bytes.length),
    };
    transport.start(handlers, (error) => expect(error).toBeNull());
    const members = [1, 2].map((n) => ({ id: nodeId(n), disk: '', address: `node-${n}:7000` }));
    transport.setPeers(members);
    return { transport, process, frames };
  }

  run(micros: number): void {
    const until = this.queue.now() + micros;
    while (this.queue.runNext(until));
    this.queue.advanceTo(until);
  }
}

describe('a machine that loses power', () => {
  it('SIM-03 is dialled again when it is back, though nobody had anything to say', () => {
    const pair = new Pair();
    const one = pair.start(1);
    const two = pair.start(2);
    pair.run(SECOND);
    expect(one.transport.isConnected(nodeId(2))).toBe(true);
    two.process.kill(true);
    pair.run(SECOND);
    // Nobody told node 1; only the lower id dials, so node 2 can do nothing about it.
    expect(one.transport.isConnected(nodeId(2))).toBe(true);
    const back = pair.start(2);
    pair.run(3 * SECOND);
    expect(back.transport.isConnected(nodeId(1))).toBe(true);
    expect(one.frames).toEqual([]); // The probes never reach a host.
    expect(back.frames).toEqual([]);
  });
});
