import type { NodeId } from '@quorate/consensus';
import {
  type ConformanceCase,
  type ConformanceKit,
  expectThat,
  SERVING_WITHIN_MICROS,
} from '../kit.ts';
import { SMALL_LOG } from './agreement.ts';

const SECOND = 1_000_000;
type Cluster<M> = ReturnType<ConformanceKit<M>['cluster']>;

/** What an engine does when nodes, links and disks fail, one scripted situation each. */
export function faultCases<M>(): ConformanceCase<M>[] {
  return [
    {
      name: 'no progress without a quorum, progress with one',
      nodesMin: 3,
      run: (kit) => {
        for (const nodes of kit.options.sizes.filter((size) => size > 1)) quorumLoss(kit, nodes);
      },
    },
    { name: 'a lagging replica heals by log', nodesMin: 3, run: (kit) => lag(kit, false) },
    { name: 'a lagging replica heals by snapshot', nodesMin: 3, run: (kit) => lag(kit, true) },
    { name: 'a conflicting suffix heals', nodesMin: 3, run: conflictingSuffix },
    { name: 'a leader crash under load loses nothing', nodesMin: 3, run: leaderCrashes },
    { name: 'a paused leader is replaced and gives no stale read', nodesMin: 3, run: pausedLeader },
    { name: 'a leader whose disk hangs is replaced (RF-40)', nodesMin: 3, run: hungDisk },
    {
      name: 'an isolated leader confirms no read and commits nothing (S10)',
      nodesMin: 3,
      run: isolatedLeader,
    },
    { name: 'an idle cluster is quiet', nodesMin: 1, run: quiescence },
    {
      name: 'late, merged and repeated persisted change nothing',
      nodesMin: 1,
      run(kit) {
        const cluster = kit.cluster({
          nodes: kit.usualSize,
          seed: 'persisted',
          disk: { persistedLate: 0.9, persistedRepeated: 0.9, syncMaxMicros: 20_000 },
          snapshotEveryEntries: 15,
        });
        kit.load(cluster, 2 * SECOND, 3_000);
        kit.settle(cluster);
        expectThat(cluster, cluster.committedIndex > 100, 'work goes on');
      },
    },
  ];
}

function others<M>(cluster: Cluster<M>, node: number): NodeId[] {
  return cluster.ids.filter((id) => id !== node);
}

function quorumLoss<M>(kit: ConformanceKit<M>, nodes: number): void {
  const cluster = kit.cluster({ nodes, seed: `quorum ${nodes}` });
  const leader = kit.elect(cluster);
  kit.load(cluster, SECOND / 10);
  const down = others(cluster, leader).slice(0, Math.ceil(nodes / 2));
  for (const id of down) cluster.crash(id);
  cluster.run(SECOND / 10);
  const before = cluster.committedIndex;
  kit.load(cluster, 3 * SECOND, 20_000);
  expectThat(cluster, cluster.committedIndex === before, 'nothing is committed without a quorum');
  const read = cluster.read(leader);
  cluster.run(2 * SECOND);
  expectThat(cluster, read.outcome !== 'done', 'no read is confirmed without a quorum');
  const up = cluster.ids.filter((id) => cluster.isUp(id) || id === down[0]);
  cluster.restart(down[0] as number);
  kit.elect(cluster);
  kit.probe(cluster, up);
  kit.settle(cluster);
}

function lag<M>(kit: ConformanceKit<M>, bySnapshot: boolean): void {
  const cluster = kit.cluster({
    nodes: 3,
    seed: `lag ${bySnapshot}`,
    snapshotEveryEntries: bySnapshot ? 10 : 0,
    ...(bySnapshot ? { config: SMALL_LOG } : {}),
  });
  const leader = kit.elect(cluster);
  kit.probe(cluster);
  const slow = others(cluster, leader)[0] as NodeId;
  cluster.crash(slow);
  kit.load(cluster, SECOND);
  cluster.run(SECOND);
  expectThat(cluster, cluster.committedIndex > 100, 'two of three go on');
  cluster.restart(slow);
  kit.settle(cluster);
  const installed = cluster.events.some(
    ({ from, event }) => from === slow && event.kind === 'snapshotInstalled',
  );
  expectThat(cluster, installed === bySnapshot, `a snapshot was installed: ${bySnapshot}`);
}

/** S3, S10: a minority leader's entries are overwritten and its clients are not told they are. */
function conflictingSuffix<M>(kit: ConformanceKit<M>): void {
  const cluster = kit.cluster({ nodes: 5, seed: 'suffix' });
  const old = kit.elect(cluster);
  kit.probe(cluster);
  cluster.isolate(old);
  const doomed = [1, 2, 3, 4, 5].map((i) => cluster.propose(old, `doomed-${i}`));
  cluster.expectWithin('another leader', SERVING_WITHIN_MICROS, () => {
    const leader = cluster.leader();
    return leader !== null && leader !== old;
  });
  const rest = others(cluster, old);
  kit.probe(cluster, rest);
  kit.settle(cluster);
  for (const request of doomed) {
    expectThat(cluster, request.outcome !== 'done', `"${request.text}" was not acknowledged`);
    expectThat(cluster, request.outcome !== 'pending', `"${request.text}" was concluded`);
  }
}

function leaderCrashes<M>(kit: ConformanceKit<M>): void {
  const cluster = kit.cluster({ nodes: 5, seed: 'leader crash', snapshotEveryEntries: 50 });
  for (let i = 0; i < 6; i++) {
    const leader = kit.elect(cluster);
    kit.load(cluster, SECOND / 5, 1_000);
    cluster.crash(leader);
    kit.load(cluster, SECOND / 5, 1_000);
    cluster.restart(leader);
  }
  kit.settle(cluster);
}

function pausedLeader<M>(kit: ConformanceKit<M>): void {
  const cluster = kit.cluster({ nodes: 3, seed: 'pause' });
  const old = kit.elect(cluster);
  kit.probe(cluster);
  cluster.pause(old);
  cluster.expectWithin('another leader', SERVING_WITHIN_MICROS, () => cluster.leader() !== null);
  kit.probe(cluster, others(cluster, old));
  cluster.resume(old);
  for (let i = 0; i < 10; i++) {
    cluster.read(old);
    cluster.propose(old, `late-${i}`);
    cluster.run(SECOND / 20);
  }
  kit.settle(cluster);
  expectThat(cluster, cluster.leader() !== null, 'there is a leader again');
}

function hungDisk<M>(kit: ConformanceKit<M>): void {
  const cluster = kit.cluster({ nodes: 3, seed: 'hung disk' });
  const old = kit.elect(cluster);
  kit.probe(cluster);
  cluster.stallDisk(old, true);
  cluster.propose(old, 'stuck');
  cluster.expectWithin('a leader whose disk works', SERVING_WITHIN_MICROS, () => {
    const leader = cluster.leader();
    return leader !== null && leader !== old;
  });
  kit.probe(cluster, others(cluster, old));
  kit.settle(cluster);
}

function isolatedLeader<M>(kit: ConformanceKit<M>): void {
  const cluster = kit.cluster({ nodes: 3, seed: 'isolated' });
  const old = kit.elect(cluster);
  kit.probe(cluster);
  cluster.isolate(old);
  const before = cluster.committedIndex;
  const asked = [cluster.read(old), cluster.propose(old, 'alone')];
  const stale = cluster.read(old, 'stale');
  cluster.run(SECOND / 100);
  expectThat(cluster, stale.outcome === 'done', 'a stale read is answered at once');
  cluster.run(3 * SECOND);
  for (const request of asked) {
    expectThat(cluster, request.outcome !== 'done', `no ${request.kind} is done alone`);
  }
  expectThat(cluster, cluster.status(old).commitIndex <= before, 'nothing is committed alone');
  kit.settle(cluster);
}

function quiescence<M>(kit: ConformanceKit<M>): void {
  const nodes = kit.usualSize;
  const cluster = kit.cluster({ nodes, seed: 'idle', snapshotEveryEntries: 10 });
  const leader = kit.elect(cluster);
  kit.probe(cluster);
  cluster.run(SECOND);
  const count = (): number[] => cluster.ids.map((id) => cluster.messagesSent(id));
  const written = (): number[] => cluster.ids.map((id) => cluster.host(id).log.batchesDurable);
  const [sent, batches, index] = [count(), written(), cluster.committedIndex];
  const { round } = cluster.status(leader);
  cluster.run(10 * SECOND);
  const beats = (10 * SECOND) / 50_000;
  count().forEach((total, i) => {
    const more = total - (sent[i] as number);
    const bound = 3 * beats * (nodes - 1);
    expectThat(cluster, more <= bound, `an idle node sends at most ${bound}, sent ${more}`);
  });
  expectThat(cluster, written().join() === batches.join(), 'an idle cluster writes nothing');
  expectThat(cluster, cluster.committedIndex === index, 'an idle cluster commits nothing');
  expectThat(cluster, cluster.leader() === leader, 'an idle cluster keeps its leader');
  expectThat(cluster, cluster.status(leader).round === round, 'and its round');
}
