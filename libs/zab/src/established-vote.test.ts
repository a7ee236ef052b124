import type { NodeId } from '@quorate/consensus';
import { SimulatedCluster } from '@quorate/simulator';
import { describe, expect, it } from 'vitest';
import { zab } from './index.ts';

const SECOND = 1_000_000;

describe('a server that joins an established leader', () => {
  it('SIM-04-rules: passes on the vote that the leader told of itself, not its own history', () => {
    const cluster = new SimulatedCluster({ protocol: zab, nodes: 3, seed: 'established vote' });
    const told = new Set<string>();
    const passedOn: string[] = [];
    cluster.onMessage((from, _to, message) => {
      if (message.kind !== 'notification') return;
      const { leader, epoch, zxid } = message.vote;
      const vote = `${leader}: ${epoch} <${zxid.epoch},${zxid.counter}>`;
      if (from === leader) told.add(vote);
      else if (!told.has(vote)) passedOn.push(`${from} votes for ${vote}`);
    });
    cluster.expectWithin('a leader', 5 * SECOND, () => cluster.leader() !== null);
    const leader = cluster.leader() as NodeId;
    const [first, second] = cluster.ids.filter((id) => id !== leader) as [NodeId, NodeId];
    const write = cluster.propose(leader, 'x');
    cluster.expectWithin('the write', SECOND, () => write.outcome === 'done');
    cluster.run(SECOND);
    for (const id of [first, second]) {
      cluster.crash(id);
      cluster.restart(id);
      cluster.run(SECOND);
    }
    expect(cluster.leader()).toBe(leader);
    expect(passedOn).toEqual([]);
  });
});
