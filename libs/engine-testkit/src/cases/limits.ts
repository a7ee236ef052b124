import { type EngineLimits, nodeId, ticket } from '@quorate/consensus';
import type { SimulatedCluster } from '@quorate/simulator';
import { type ConformanceCase, type ConformanceKit, expectThat } from '../kit.ts';

const SECOND = 1_000_000;

/** Statuses of requests: limits, refusals, what is not supported. */
export function limitCases<M>(): ConformanceCase<M>[] {
  return [
    { name: 'limits give busy and tooLarge, and pass', nodesMin: 1, run: proposalLimits },
    { name: 'pending reads are bounded', nodesMin: 3, run: readLimits },
    { name: 'what is not supported says so', nodesMin: 1, run: unsupported },
    {
      name: 'a follower refuses proposals at once',
      nodesMin: 3,
      run(kit) {
        const cluster = kit.cluster({ nodes: 3, seed: 'follower' });
        const leader = kit.elect(cluster);
        kit.probe(cluster);
        for (const id of cluster.ids) {
          if (id === leader) continue;
          const { status } = cluster.propose(id, `at ${id}`);
          expectThat(cluster, status === 'notLeader', `node ${id} is no leader: ${status}`);
          expectThat(cluster, cluster.status(id).leader === leader, `node ${id} knows the leader`);
        }
        kit.settle(cluster);
      },
    },
  ];
}

function withLimits<M>(
  kit: ConformanceKit<M>,
  nodes: number,
  limits: Partial<EngineLimits>,
): SimulatedCluster<M> {
  return kit.cluster({ nodes, seed: 'limits', config: { limits } });
}

function proposalLimits<M>(kit: ConformanceKit<M>): void {
  const limits = { uncommittedEntriesMax: 4, payloadBytesMax: 100 };
  const cluster = withLimits(kit, kit.usualSize, limits);
  const leader = kit.elect(cluster);
  kit.probe(cluster);
  const large = cluster.propose(leader, 'x'.repeat(101));
  expectThat(cluster, large.status === 'tooLarge', `101 bytes of 100 are too large`);
  const burst = Array.from({ length: 10 }, (_, i) => cluster.propose(leader, `burst-${i}`));
  const accepted = burst.filter((request) => request.status === 'accepted').length;
  expectThat(cluster, accepted === 4, `4 of 10 are accepted, not ${accepted}`);
  expectThat(cluster, burst.at(-1)?.status === 'busy', 'the others find it busy');
  for (let i = 0; i < 20; i++) {
    cluster.run(SECOND / 10);
    const later = cluster.propose(leader, `later-${i}`);
    expectThat(cluster, later.status === 'accepted', 'room comes back after each commit');
  }
  kit.settle(cluster);
}

function readLimits<M>(kit: ConformanceKit<M>): void {
  const cluster = withLimits(kit, 3, { readsPendingMax: 4 });
  const leader = kit.elect(cluster);
  kit.probe(cluster);
  cluster.isolate(leader);
  const reads = Array.from({ length: 8 }, () => cluster.read(leader));
  expectThat(cluster, reads[3]?.status === 'accepted', 'the fourth read waits');
  expectThat(cluster, reads[7]?.status === 'busy', 'the eighth one finds it busy');
  cluster.run(2 * SECOND);
  kit.settle(cluster);
  const read = cluster.read(kit.elect(cluster));
  expectThat(cluster, read.status === 'accepted', 'abandoned reads leave room');
  kit.settle(cluster);
}

function unsupported<M>(kit: ConformanceKit<M>): void {
  const cluster = kit.cluster({ nodes: kit.usualSize, seed: 'unsupported' });
  const leader = kit.elect(cluster);
  const { engine } = cluster.host(leader);
  const { capabilities } = kit.protocol;
  if (!capabilities.leaseReads) {
    const { status } = cluster.read(leader, 'lease');
    expectThat(cluster, status === 'unsupported', 'lease reads are unsupported');
  }
  if (!capabilities.leadershipTransfer) {
    const status = engine.transferLeadership(nodeId(1), ticket(1_000_001));
    expectThat(cluster, status === 'unsupported', 'leadership transfer is unsupported');
  }
  const target = engine.status().membership.current;
  const status = engine.changeMembership(target, ticket(1_000_002));
  expectThat(cluster, status === 'unsupported', 'membership change is unsupported');
  kit.settle(cluster);
}
