import type { Protocol } from '@quorate/consensus';
import { multiPaxos } from '@quorate/multi-paxos';
import { raft } from '@quorate/raft';
import { SimulatedCluster } from '@quorate/simulator';
import { zab } from '@quorate/zab';
import { describe, expect, it } from 'vitest';

// Stories of the catalogue that mean the same for each protocol, on virtual time. The ids are those
// of docs/internals/bug-catalogue.md.

const SECOND = 1_000_000;
/** These stories are blind to the messages. */
const PROTOCOLS = [raft, multiPaxos, zab] as unknown as readonly Protocol<never>[];
type Cluster = SimulatedCluster<never>;

function leaderOf(cluster: Cluster): number {
  cluster.expectWithin('a leader', 5 * SECOND, () => cluster.leader() !== null);
  return cluster.leader() as number;
}

/** Writes at whoever leads until it is done. */
function write(cluster: Cluster, text: string): void {
  let open = cluster.propose(leaderOf(cluster), text);
  let attempt = 0;
  cluster.expectWithin(`"${text}" is done`, 10 * SECOND, () => {
    if (open.outcome === 'done') return true;
    const leader = cluster.leader();
    if (open.outcome !== 'pending' && leader !== null) {
      attempt++;
      open = cluster.propose(leader, `${text} again ${attempt}`);
    }
    return false;
  });
}

/** All nodes up, all links whole: equal states, and everything acknowledged stands in them. */
function settles(cluster: Cluster): void {
  cluster.heal();
  for (const id of cluster.ids) {
    cluster.stallDisk(id, false);
    cluster.restart(id);
    cluster.resume(id);
  }
  write(cluster, 'settled');
  const target = cluster.committedIndex;
  cluster.expectWithin('all have applied it', 10 * SECOND, () =>
    cluster.ids.every((id) => cluster.applied(id).length >= target),
  );
  const [first = 0, ...others] = cluster.ids;
  const texts = cluster.committed(first);
  for (const id of others) expect(cluster.committed(id)).toEqual(texts);
  for (const { kind, outcome, text } of cluster.requests) {
    if (kind === 'propose' && outcome === 'done') expect(texts).toContain(text);
  }
}

describe.each(PROTOCOLS.map((protocol) => [protocol.name, protocol] as const))(
  'the catalogue under %s',
  (_name, protocol) => {
    const start = (nodes: number, seed: string, snapshotEveryEntries = 0): Cluster =>
      new SimulatedCluster({
        protocol,
        nodes,
        seed,
        snapshotEveryEntries,
        disk: { segmentBatchesMax: 4 },
      });

    it('RF-37: what was written before the leader died is read at the next one', () => {
      for (let seed = 1; seed <= 5; seed++) {
        const cluster = start(3, `RF-37 ${seed}`);
        const old = leaderOf(cluster);
        for (const key of ['x', 'y', 'z']) write(cluster, key);
        cluster.crash(old, 0); // At once: nobody was told what is committed.
        const next = leaderOf(cluster);
        expect(next).not.toBe(old);
        const read = cluster.read(next);
        cluster.expectWithin('the read', 5 * SECOND, () => read.outcome === 'done');
        expect(read.index).toBeGreaterThanOrEqual(read.committedBefore);
        cluster.expectWithin(
          'it is applied',
          SECOND,
          () => cluster.applied(next).length >= read.index,
        );
        expect(cluster.committed(next)).toEqual(expect.arrayContaining(['x', 'y', 'z']));
        settles(cluster);
      }
    });

    it('RF-43: a leader that was paused gives no old value when it wakes', () => {
      for (let seed = 1; seed <= 5; seed++) {
        const cluster = start(3, `RF-43 ${seed}`);
        const old = leaderOf(cluster);
        write(cluster, 'before');
        cluster.pause(old);
        cluster.run(5 * SECOND);
        write(cluster, 'after');
        cluster.resume(old);
        for (let i = 0; i < 10; i++) {
          cluster.read(old);
          cluster.run(3_000);
        }
        settles(cluster);
        for (const { kind, outcome, index, committedBefore } of cluster.requests) {
          if (kind !== 'linearizable' || outcome !== 'done') continue;
          expect(index).toBeGreaterThanOrEqual(committedBefore);
        }
      }
    });

    it('ST-11: a follower whose disk takes seconds holds no commit back', () => {
      const cluster = start(3, 'ST-11 follower');
      const leader = leaderOf(cluster);
      const slow = cluster.ids.find((id) => id !== leader) as number;
      cluster.stallDisk(slow, true);
      for (let i = 0; i < 50; i++) {
        const asked = cluster.propose(leader, `write ${i}`);
        cluster.expectWithin('it commits', SECOND / 20, () => asked.outcome === 'done');
      }
      cluster.run(5 * SECOND);
      expect(cluster.leader()).toBe(leader);
      settles(cluster);
    });

    it('ST-11, RF-40: a leader whose disk takes seconds yields', () => {
      const cluster = start(3, 'ST-11 leader');
      const old = leaderOf(cluster);
      write(cluster, 'before');
      cluster.stallDisk(old, true);
      const stuck = cluster.propose(old, 'stuck');
      cluster.expectWithin('another leader', 2 * SECOND, () => {
        const leader = cluster.leader();
        return leader !== null && leader !== old;
      });
      write(cluster, 'meanwhile');
      cluster.run(5 * SECOND);
      settles(cluster);
      expect(['unknown', 'done']).toContain(stuck.outcome);
    });

    it('ST-13: all lose power at once, at any step: everything acknowledged is there', () => {
      for (let step = 1; step <= 40; step++) {
        const cluster = start(3, 'ST-13', 4);
        const leader = leaderOf(cluster);
        for (let i = 0; i < 12; i++) cluster.propose(leader, `write ${i}`);
        let steps = step * 7;
        cluster.runUntil(() => --steps < 0, SECOND);
        for (const id of cluster.ids) cluster.crash(id, 0);
        cluster.run(SECOND / 10);
        settles(cluster);
      }
    });
  },
);
