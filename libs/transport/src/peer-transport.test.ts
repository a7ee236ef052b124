import { type Member, type NodeId, nodeId } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { describe, expect, test } from 'vitest';
import { createPeerTransport } from './peer-transport.ts';
import { tcpFrames } from './tcp-frames.ts';
import type { PeerIdentity, PeerTransport, PeerTransportLimits } from './types.ts';
import { MemoryNet, VirtualWorld } from './virtual-world.ts';

const LATENCY = 100;
const SECOND = 1_000_000;

interface Replica {
  readonly transport: PeerTransport;
  /** What the handlers were told, in words. */
  readonly log: string[];
}

class Cluster {
  readonly world = new VirtualWorld();
  readonly net = new MemoryNet(this.world, createRandom('net'), LATENCY);

  member(id: number, disk = `disk-${id}`): Member {
    return { id: nodeId(id), disk, address: `host:${id}` };
  }

  start(
    id: number,
    peers: readonly Member[],
    identity: Partial<PeerIdentity> = {},
    limits: Partial<PeerTransportLimits> = {},
  ): Replica {
    const log: string[] = [];
    const clusterId = 'demo';
    const protocol = 'raft';
    const transport = createPeerTransport({
      network: tcpFrames(this.net),
      listenAddress: `host:${id}`,
      identity: { clusterId, nodeId: nodeId(id), diskId: `disk-${id}`, protocol, ...identity },
      clock: this.world.clock,
      random: createRandom(`replica ${id}`),
      limits,
    });
    const handlers = {
      connected: (peer: NodeId) => void log.push(`+${peer}`),
      disconnected: (peer: NodeId) => void log.push(`-${peer}`),
      frame: (peer: NodeId, bytes: Uint8Array) => {
        log.push(`${peer}:${new TextDecoder().decode(bytes)}`);
      },
      refused: (refusal: { by: string; error: { code: string } }) => {
        log.push(`refused ${refusal.by} ${refusal.error.code.replace('TRANSPORT_ERR_', '')}`);
      },
    };
    transport.start(handlers, (error) => {
      if (error !== null) log.push(error.code);
      else transport.setPeers(peers);
    });
    return { transport, log };
  }

  /** Two replicas with a session. */
  pair(limits: Partial<PeerTransportLimits> = {}): [Replica, Replica] {
    const members = [this.member(1), this.member(2)];
    const one = this.start(1, members, {}, limits);
    const two = this.start(2, members, {}, limits);
    this.world.advance(SECOND);
    expect([one.log, two.log]).toEqual([['+2'], ['+1']]);
    one.log.length = 0;
    two.log.length = 0;
    return [one, two];
  }
}

function say(from: Replica, to: number, ...words: string[]): boolean {
  let taken = true;
  for (const word of words) {
    taken = from.transport.send(nodeId(to), [new TextEncoder().encode(word)]) && taken;
  }
  from.transport.flush();
  return taken;
}

function row(replica: Replica, peer: number) {
  const found = replica.transport.linkCounters().find((counters) => counters.peer === peer);
  if (found === undefined) throw new Error('no such link');
  return found;
}

describe('sessions', () => {
  test('one duplex session per pair, dialled by the lower id, frames both ways in order', () => {
    const cluster = new Cluster();
    const [one, two] = cluster.pair();
    expect(say(one, 2, 'a', 'b', 'c')).toBe(true);
    expect(say(two, 1, 'x', 'y')).toBe(true);
    cluster.world.advance(LATENCY);
    expect(two.log).toEqual(['1:a', '1:b', '1:c']);
    expect(one.log).toEqual(['2:x', '2:y']);
    expect(row(one, 2)).toMatchObject({ connected: true, sessions: 1, fault: null });
    expect(row(two, 1).inbound).toMatchObject({ frames: 3, bytes: 3 });
  });

  test('send without a session drops the frame and says so', () => {
    const cluster = new Cluster();
    const one = cluster.start(1, [cluster.member(2)]);
    cluster.world.advance(SECOND);
    expect(say(one, 2, 'lost')).toBe(false);
    expect(say(one, 9, 'nobody')).toBe(false);
    const two = cluster.start(2, [cluster.member(1)]);
    cluster.world.advance(2 * SECOND);
    expect(two.log).toEqual(['+1']);
  });

  test('a port in use is the error of start', () => {
    const cluster = new Cluster();
    cluster.start(1, []);
    const again = cluster.start(1, []);
    cluster.world.advance(1);
    expect(again.log).toEqual(['TRANSPORT_ERR_ADDRESS_IN_USE']);
  });

  test('redials with a bounded back-off while the peer is away', () => {
    const cluster = new Cluster();
    cluster.start(1, [cluster.member(2)], {}, { redialMinMicros: 1000, redialMaxMicros: 100_000 });
    cluster.world.advance(SECOND);
    const early = cluster.net.dials;
    expect(early).toBeGreaterThan(10);
    cluster.world.advance(10 * SECOND);
    const perSecond = (cluster.net.dials - early) / 10;
    expect(perSecond).toBeGreaterThan(9); // At least one each 100 ms ...
    expect(perSecond).toBeLessThan(21); // ... and none within 50 ms of the last.
  });

  test('a host that answers nothing is given up and dialled again', () => {
    const cluster = new Cluster();
    cluster.net.silent.add('host:2');
    const one = cluster.start(1, [cluster.member(2)]);
    cluster.start(2, [cluster.member(1)]);
    cluster.world.advance(5 * SECOND);
    expect(one.log).toEqual([]);
    cluster.net.silent.clear();
    cluster.world.advance(5 * SECOND);
    expect(one.log).toEqual(['+2']);
  });

  test('a reset ends the session for both, drops what was in flight, and a new one starts', () => {
    const cluster = new Cluster();
    const [one, two] = cluster.pair();
    say(two, 1, 'in flight');
    one.transport.resetSession(nodeId(2));
    expect(one.log).toEqual([]); // Never inside the call.
    expect(say(one, 2, 'late')).toBe(false);
    cluster.world.advance(SECOND);
    expect(one.log).toEqual(['-2', '+2']);
    expect(two.log).toEqual(['-1', '+1']);
    expect(row(one, 2).sessions).toBe(2);
  });

  test('a restarted peer replaces its old session: disconnected, then connected', () => {
    const cluster = new Cluster();
    const [one, two] = cluster.pair();
    cluster.net.losesEnds = true; // The end of the old connection is never noticed.
    one.transport.stop(() => {});
    cluster.world.advance(SECOND);
    expect(two.log).toEqual([]);
    const again = cluster.start(1, [cluster.member(2)]);
    cluster.world.advance(SECOND);
    expect(two.log).toEqual(['-1', '+1']);
    say(again, 2, 'hello');
    cluster.world.advance(LATENCY);
    expect(two.log.at(-1)).toBe('1:hello');
    expect(one.log).toEqual([]);
  });

  test('a full queue closes the session rather than dropping silently', () => {
    const cluster = new Cluster();
    const [one, two] = cluster.pair({ queueBytesMax: 100 });
    expect(say(one, 2, 'x'.repeat(50))).toBe(true);
    expect(say(one, 2, 'y'.repeat(60))).toBe(false);
    cluster.world.advance(SECOND);
    expect(one.log).toEqual(['-2', '+2']);
    expect(two.log.slice(-2)).toEqual(['-1', '+1']);
  });

  test('a member that left loses its session and is refused afterwards', () => {
    const cluster = new Cluster();
    const [one, two] = cluster.pair();
    two.transport.setPeers([cluster.member(2)]);
    cluster.world.advance(SECOND);
    expect(two.log[0]).toBe('-1');
    expect(two.log).toContain('refused here UNKNOWN_NODE');
    expect(one.log).toContain('refused there UNKNOWN_NODE');
    expect(one.transport.isConnected(nodeId(2))).toBe(false);
    two.transport.setPeers([cluster.member(1), cluster.member(2)]);
    cluster.world.advance(2 * SECOND);
    expect(two.log.at(-1)).toBe('+1');
  });

  test('a new address of a member is dialled', () => {
    const cluster = new Cluster();
    const one = cluster.start(1, [{ ...cluster.member(2), address: 'host:7' }]);
    const two = cluster.start(2, [cluster.member(1)]);
    cluster.world.advance(SECOND);
    expect(two.log).toEqual([]);
    one.transport.setPeers([cluster.member(2)]);
    cluster.world.advance(SECOND);
    expect(one.log).toEqual(['+2']);
  });

  test('stop tells nobody here, and ends the session there', () => {
    const cluster = new Cluster();
    const [one, two] = cluster.pair();
    let stopped = false;
    one.transport.stop(() => {
      stopped = true;
    });
    cluster.world.advance(SECOND);
    expect(stopped).toBe(true);
    expect(one.log).toEqual([]);
    expect(two.log).toEqual(['-1']);
  });
});

describe('hello', () => {
  test.each([
    ['a foreign cluster', { clusterId: 'other' }, 'FOREIGN_CLUSTER'],
    ['a foreign protocol', { protocol: 'zab' }, 'FOREIGN_PROTOCOL'],
    ['another disk', { diskId: 'disk-new' }, 'FOREIGN_DISK'],
    ['another node id', { nodeId: nodeId(3) }, 'UNKNOWN_NODE'],
  ])('%s is refused by the accepting end and reported at both', (_name, identity, code) => {
    const cluster = new Cluster();
    const members = [cluster.member(1), cluster.member(2)];
    const one = cluster.start(1, members);
    const two = cluster.start(2, members, identity);
    cluster.world.advance(SECOND / 10);
    expect(one.log).toEqual([`refused there ${code}`]);
    expect(two.log).toEqual([`refused here ${code}`]);
    cluster.world.advance(3 * SECOND);
    expect(one.log).not.toContain('+2');
    expect(one.log.length).toBeLessThan(20); // The longest back-off at once, and no flood.
  });

  test('ST-14: a known node id that comes with another disk is refused', () => {
    const cluster = new Cluster();
    const two = cluster.start(2, [cluster.member(1), cluster.member(2)]);
    const one = cluster.start(1, [cluster.member(2)], { diskId: 'disk-new' });
    cluster.world.advance(SECOND / 10);
    expect(two.log).toEqual(['refused here FOREIGN_DISK']);
    expect(one.log).toEqual(['refused there FOREIGN_DISK']);
  });

  test('a disk that was not told is learned from the first hello and held to', () => {
    const cluster = new Cluster();
    const two = cluster.start(2, [cluster.member(1, '')]);
    const first = cluster.start(1, [cluster.member(2, '')]);
    cluster.world.advance(SECOND);
    expect(two.log).toEqual(['+1']);
    first.transport.stop(() => {});
    cluster.start(1, [cluster.member(2, '')], { diskId: 'disk-new' });
    cluster.world.advance(SECOND);
    expect(two.log.slice(0, 3)).toEqual(['+1', '-1', 'refused here FOREIGN_DISK']);
  });

  test.each([
    ['no hello', new Uint8Array([1, 2, 3])],
    ['an empty frame', new Uint8Array(0)],
  ])('a connection that starts with %s is refused', (_name, bytes) => {
    const cluster = new Cluster();
    const two = cluster.start(2, [cluster.member(1)]);
    cluster.world.advance(1);
    let closed = false;
    tcpFrames(cluster.net).dial('host:2', (_error, channel) => {
      channel?.attach({
        frame() {},
        drained() {},
        closed() {
          closed = true;
        },
      });
      channel?.send([bytes]);
      channel?.flush();
    });
    cluster.world.advance(3 * SECOND);
    expect(two.log).toEqual(['refused here HELLO_MALFORMED']);
    expect(closed).toBe(true); // By the hello's timeout, as the stranger did not close.
  });
});

describe('link faults', () => {
  test('a cut holds frames of both directions silently and heals in order', () => {
    const cluster = new Cluster();
    const [one, two] = cluster.pair();
    one.transport.setLinkFault(nodeId(2), { direction: 'both', cut: true });
    expect(say(one, 2, 'a', 'b')).toBe(true);
    expect(say(two, 1, 'x')).toBe(true);
    cluster.world.advance(10 * SECOND);
    expect([one.log, two.log]).toEqual([[], []]);
    expect(one.transport.isConnected(nodeId(2))).toBe(true);
    expect(one.transport.queuedBytes(nodeId(2))).toBe(2);
    const held = row(one, 2);
    expect(held.outbound).toMatchObject({ framesHeld: 2, bytesHeld: 2, framesWaiting: 2 });
    expect(held.inbound).toMatchObject({ framesHeld: 1, framesWaiting: 1, framesReleased: 0 });
    one.transport.setLinkFault(nodeId(2), null);
    expect(say(one, 2, 'c')).toBe(true); // Behind what was held.
    expect(one.log).toEqual([]); // Never inside the call.
    cluster.world.advance(SECOND);
    expect(two.log).toEqual(['1:a', '1:b', '1:c']);
    expect(one.log).toEqual(['2:x']);
    const healed = row(one, 2);
    expect(healed.outbound).toMatchObject({ framesReleased: 3, framesWaiting: 0 });
    expect(healed.inbound).toMatchObject({ framesReleased: 1, framesWaiting: 0 });
    expect(healed.fault).toBeNull();
  });

  test('a one-way cut stops the sender alone', () => {
    const cluster = new Cluster();
    const [one, two] = cluster.pair();
    one.transport.setLinkFault(nodeId(2), { direction: 'outbound', cut: true });
    say(one, 2, 'a');
    say(two, 1, 'x');
    cluster.world.advance(SECOND);
    expect(one.log).toEqual(['2:x']);
    expect(two.log).toEqual([]);
  });

  test.each([1, 2])('no session is made over a link that replica %i cut', (cutter) => {
    const cluster = new Cluster();
    const patient = { helloTimeoutMicros: 60 * SECOND };
    const one = cluster.start(1, [cluster.member(2)], {}, patient);
    const two = cluster.start(2, [cluster.member(1)], {}, patient);
    const [here, peer] = cutter === 1 ? [one, 2] : [two, 1];
    here.transport.setLinkFault(nodeId(peer), { direction: 'outbound', cut: true });
    cluster.world.advance(10 * SECOND);
    expect([one.log, two.log]).toEqual([[], []]);
    const { outbound, inbound } = row(here, peer);
    expect(outbound.handshakesBlocked + inbound.handshakesBlocked).toBeGreaterThan(0);
    here.transport.setLinkFault(nodeId(peer), null);
    cluster.world.advance(SECOND); // A hello that was held is taken up.
    expect([one.log, two.log]).toEqual([['+2'], ['+1']]);
  });

  test('a cut that holds more than the queue limit ends the session', () => {
    const cluster = new Cluster();
    const [one] = cluster.pair({ queueBytesMax: 100 });
    one.transport.setLinkFault(nodeId(2), { direction: 'outbound', cut: true });
    expect(say(one, 2, 'x'.repeat(60))).toBe(true);
    expect(say(one, 2, 'x'.repeat(60))).toBe(false);
    cluster.world.advance(1);
    expect(one.log).toEqual(['-2']);
    expect(row(one, 2).outbound).toMatchObject({ framesDropped: 2, framesWaiting: 0 });
  });

  test('a delay with jitter shifts frames and keeps their order', () => {
    const cluster = new Cluster();
    const [one, two] = cluster.pair();
    const fault = { direction: 'outbound', delayMicros: 20_000, jitterMicros: 5000 } as const;
    one.transport.setLinkFault(nodeId(2), fault);
    const words = Array.from({ length: 50 }, (_, i) => `${i}`);
    say(one, 2, ...words);
    cluster.world.advance(20_000 + LATENCY - 1);
    expect(two.log).toEqual([]);
    cluster.world.advance(5000 + 1);
    expect(two.log).toEqual(words.map((word) => `1:${word}`));
    expect(row(one, 2).outbound).toMatchObject({ framesDelayed: 50, framesReleased: 50 });
  });

  test('a loss delays the stream by a retransmission, and everything behind it', () => {
    const cluster = new Cluster();
    const [one, two] = cluster.pair();
    const fault = { direction: 'inbound', lossFraction: 0.1, retransmitMicros: 100_000 } as const;
    two.transport.setLinkFault(nodeId(1), fault);
    const words = Array.from({ length: 200 }, (_, i) => `${i}`);
    say(one, 2, ...words);
    cluster.world.advance(LATENCY + 1);
    const early = two.log.length;
    expect(early).toBeLessThan(200);
    cluster.world.advance(100 * SECOND);
    expect(two.log).toEqual(words.map((word) => `1:${word}`));
    const { framesLost, framesDelayed } = row(two, 1).inbound;
    expect(framesLost).toBeGreaterThan(5);
    expect(framesLost).toBeLessThan(45);
    expect(framesDelayed).toBe(200 - early);
  });

  test('a fault survives its session and works on the next one', () => {
    const cluster = new Cluster();
    const [one, two] = cluster.pair();
    one.transport.setLinkFault(nodeId(2), { direction: 'outbound', delayMicros: 50_000 });
    one.transport.resetSession(nodeId(2));
    cluster.world.advance(SECOND);
    two.log.length = 0;
    say(one, 2, 'late');
    cluster.world.advance(LATENCY);
    expect(two.log).toEqual([]);
    cluster.world.advance(50_000);
    expect(two.log).toEqual(['1:late']);
  });

  test('the same seeds give the same run', () => {
    const run = (): string => {
      const cluster = new Cluster();
      const [one, two] = cluster.pair();
      const fault = { direction: 'both', lossFraction: 0.2, jitterMicros: 3000 } as const;
      one.transport.setLinkFault(nodeId(2), fault);
      const times: string[] = [];
      for (let i = 0; i < 100; i++) {
        say(one, 2, `${i}`);
        say(two, 1, `${i}`);
        cluster.world.advance(10_000);
        times.push(`${one.log.length},${two.log.length}`);
      }
      return times.join(' ');
    };
    expect(run()).toBe(run());
  });
});
