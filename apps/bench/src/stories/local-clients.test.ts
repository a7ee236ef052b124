import type { NodeId } from '@quorate/consensus';
import { required } from '@quorate/foundation';
import { protocolNamed } from '@quorate/kv-server';
import { HostCluster } from '@quorate/simulator';
import { describe, expect, it } from 'vitest';
import { LocalClients } from './local-clients.ts';

const SECOND = 1_000_000;

describe('LocalClients', () => {
  it('names each write anew, also behind one that was refused for good', () => {
    const protocol = required(protocolNamed('raft'), 'raft');
    const cluster = new HostCluster({ protocol, seed: 1, nodes: 3, swarm: { clients: 0 } });
    const clients = new LocalClients(cluster, 0);
    expect(cluster.runUntil(20 * SECOND, () => cluster.leader() !== null)).toBe(true);
    const leader = required(cluster.leader(), 'a leader').id;
    const follower = cluster.world.ids.find((id) => id !== leader) as NodeId;
    for (const id of [follower, leader, follower, leader]) clients.write(id);
    // A value that came again after its refusal would be a violation of C13.
    cluster.runUntil(cluster.world.queue.now() + SECOND, () => clients.pending === 0);
    expect(clients.observed()).toMatchObject([
      { value: 'v2', node: leader, tookEffect: true, askedInMinority: false },
      { value: 'v4', node: leader, tookEffect: true, askedInMinority: false },
    ]);
    const ended = clients.history.filter(({ type }) => type !== 'invoke');
    expect(ended.map(({ type }) => type).sort()).toEqual(['fail', 'fail', 'ok', 'ok']);
  });
});
