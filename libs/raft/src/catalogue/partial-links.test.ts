import type { Variants } from '@quorate/consensus';
import { SimulatedCluster } from '@quorate/simulator';
import { describe, expect, it } from 'vitest';
import { raft } from '../index.ts';
import type { RaftMessage } from '../messages.ts';

// Stories of networks in which some pairs hear each other and others do not, on virtual time.

const SECOND = 1_000_000;
const PAPER: Variants = { preVote: false, checkQuorum: false };
type Cluster = SimulatedCluster<RaftMessage>;

function start(nodes: number, seed: string, variants: Variants = {}, lossy = false): Cluster {
  const cluster = new SimulatedCluster({
    protocol: raft,
    nodes,
    seed,
    config: { variants },
    ...(lossy ? { network: { channels: 'lossy' } } : {}),
  });
  cluster.expectWithin('a leader', 5 * SECOND, () => cluster.leader() !== null);
  cluster.propose(leaderOf(cluster), 'first');
  cluster.run(SECOND / 5);
  return cluster;
}

function leaderOf(cluster: Cluster): number {
  const leader = cluster.leader();
  if (leader === null) throw new Error(`no leader: ${cluster.picture()}`);
  return leader;
}

function cutBoth(cluster: Cluster, a: number, b: number): void {
  cluster.cut(a, b);
  cluster.cut(b, a);
}

/** Leaves the pairs given and cuts all others. */
function onlyLinks(cluster: Cluster, pairs: readonly (readonly [number, number])[]): void {
  for (const a of cluster.ids) {
    for (const b of cluster.ids) {
      if (a === b) continue;
      if (pairs.some((pair) => pair.includes(a) && pair.includes(b))) cluster.links.mend(a, b);
      else cluster.cut(a, b);
    }
  }
}

function elections(cluster: Cluster): number {
  return cluster.events.filter(({ event }) => event.kind === 'elected').length;
}

/** Everything mended: one leader, equal logs, nothing lost. */
function heals(cluster: Cluster, texts: readonly string[]): void {
  cluster.heal();
  cluster.run(2 * SECOND);
  cluster.expectWithin('a leader after the faults', 5 * SECOND, () => cluster.leader() !== null);
  const last = cluster.propose(leaderOf(cluster), 'last');
  cluster.expectWithin('the last write', 5 * SECOND, () => last.outcome === 'done');
  cluster.run(SECOND);
  for (const id of cluster.ids) {
    expect(cluster.committed(id)).toEqual(expect.arrayContaining([...texts, 'last']));
  }
}

describe('Raft: partial connectivity', () => {
  /** RF-14: leader, a and b see each other; c sees a alone, d sees the leader alone. */
  function cloudflare(variants: Variants): { cluster: Cluster; leader: number; round: number } {
    const cluster = start(5, 'RF-14', variants);
    const leader = leaderOf(cluster);
    const [a = 0, b = 0, c = 0, d = 0] = cluster.ids.filter((id) => id !== leader);
    const triangle = [
      [leader, a],
      [leader, b],
      [a, b],
    ] as const;
    const { round } = cluster.status(leader);
    onlyLinks(cluster, [...triangle, [c, a], [d, leader]] as [number, number][]);
    cluster.run(20 * SECOND);
    return { cluster, leader, round };
  }

  it('RF-14: pre-vote and check-quorum keep the leader of a partial mesh and its term (V4)', () => {
    const { cluster, leader, round } = cloudflare({});
    expect(cluster.leader()).toBe(leader);
    expect(cluster.status(leader).round).toBe(round);
    const write = cluster.propose(leader, 'meanwhile');
    cluster.run(SECOND);
    expect(write.outcome).toBe('done');
    heals(cluster, ['first', 'meanwhile']);
  });

  it('RF-14: without them terms rise for as long as the links are so', () => {
    const { cluster, round } = cloudflare(PAPER);
    const highest = Math.max(...cluster.ids.map((id) => cluster.status(id).round));
    expect(highest - round).toBeGreaterThan(20);
    heals(cluster, ['first']);
  });

  it('RF-15: a leader that only the hub hears gives way to the hub', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const cluster = start(5, `RF-15 ${seed}`);
      const old = leaderOf(cluster);
      const hub = cluster.ids.find((id) => id !== old) as number;
      onlyLinks(
        cluster,
        cluster.ids.filter((id) => id !== hub).map((id) => [id, hub]),
      );
      cluster.expectWithin('the hub leads', 5 * SECOND, () => cluster.leader() === hub);
      expect(cluster.status(old).role).toBe('follower');
      heals(cluster, ['first']);
    }
  });

  it('RF-16: a hub with an old log cannot win: no leader, nothing lost, until links mend', () => {
    const cluster = start(5, 'RF-16');
    const old = leaderOf(cluster);
    const hub = cluster.ids.find((id) => id !== old) as number;
    cluster.isolate(hub);
    const missed = cluster.propose(old, 'missed');
    cluster.expectWithin('it commits', SECOND, () => missed.outcome === 'done');
    cluster.run(SECOND / 10); // The others hold it durably too.
    const others = cluster.ids.filter((id) => id !== hub && id !== old);
    onlyLinks(
      cluster,
      others.map((id) => [id, hub]),
    );
    cluster.run(10 * SECOND);
    expect(cluster.leader()).toBeNull();
    heals(cluster, ['first', 'missed']);
  });

  it('RF-17: one link cut in a chain of three moves no leadership', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const cluster = start(3, `RF-17 ${seed}`);
      const leader = leaderOf(cluster);
      const [end = 0] = cluster.ids.filter((id) => id !== leader);
      const before = elections(cluster);
      cutBoth(cluster, leader, end);
      cluster.run(20 * SECOND);
      expect(elections(cluster) - before).toBe(0);
      heals(cluster, ['first']);
    }
  });

  it('RF-17: the paper’s own Raft changes leaders until the middle of the chain leads', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const cluster = start(3, `RF-17 paper ${seed}`, PAPER);
      const leader = leaderOf(cluster);
      const [end = 0, middle = 0] = cluster.ids.filter((id) => id !== leader);
      const before = elections(cluster);
      cutBoth(cluster, leader, end);
      cluster.run(20 * SECOND);
      expect(elections(cluster)).toBeGreaterThan(before);
      expect(cluster.leader()).toBe(middle);
      heals(cluster, ['first']);
    }
  });

  it.each([
    { name: 'a leader that is heard and hears nothing', deaf: true },
    { name: 'a leader that hears and is not heard', deaf: false },
  ])('RF-18: $name is replaced', ({ deaf }) => {
    for (let seed = 1; seed <= 5; seed++) {
      const cluster = start(3, `RF-18 ${deaf} ${seed}`, {}, true);
      const old = leaderOf(cluster);
      for (const id of cluster.ids) {
        if (id === old) continue;
        if (deaf) cluster.cut(id, old);
        else cluster.cut(old, id);
      }
      cluster.expectWithin('another leader', 5 * SECOND, () => {
        const now = cluster.leader();
        return now !== null && now !== old && cluster.status(old).role !== 'leader';
      });
      const write = cluster.propose(leaderOf(cluster), 'meanwhile');
      cluster.expectWithin('the others commit', 5 * SECOND, () => write.outcome === 'done');
      heals(cluster, ['first', 'meanwhile']);
    }
  });
});
