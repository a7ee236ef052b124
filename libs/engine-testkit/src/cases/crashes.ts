import type { ConformanceCase, ConformanceKit } from '../kit.ts';
import { expectThat } from '../kit.ts';

const SECOND = 1_000_000;
type Cluster<M> = ReturnType<ConformanceKit<M>['cluster']>;

/** Crash points tried per node and kind; a script with more points is a defect of this suite. */
const POINTS_MAX = 300;

/** Crashes at every batch boundary and right behind every message of a scripted run. */
export function crashCases<M>(): ConformanceCase<M>[] {
  return [
    {
      name: 'a crash at each batch boundary recovers, nothing in flight surviving',
      nodesMin: 1,
      run: (kit) => eachPoint(kit, 'batch', 0),
    },
    {
      name: 'a crash at each batch boundary recovers, one batch in flight surviving',
      nodesMin: 1,
      run: (kit) => eachPoint(kit, 'batch', 1),
    },
    {
      name: 'a crash right behind each message loses nothing it said (C9)',
      nodesMin: 3,
      run: (kit) => eachPoint(kit, 'message', 0),
    },
    {
      name: 'a power cut of all nodes at once loses nothing acknowledged',
      nodesMin: 1,
      run(kit) {
        for (let seed = 1; seed <= 12; seed++) {
          const cluster = open(kit, `power cut ${seed}`);
          kit.elect(cluster);
          kit.load(cluster, (SECOND * seed) / 20, 1_000);
          for (const id of cluster.ids) cluster.crash(id);
          cluster.run(SECOND / 10);
          kit.settle(cluster);
        }
      },
    },
  ];
}

function open<M>(kit: ConformanceKit<M>, seed: string): Cluster<M> {
  return kit.cluster({
    nodes: kit.usualSize,
    seed,
    snapshotEveryEntries: 4,
    disk: { segmentBatchesMax: 3, persistedLate: 0.2, persistedRepeated: 0.2 },
  });
}

/** The script: elect, eight proposals with pauses, then idle. */
function* script<M>(cluster: Cluster<M>): Generator<void> {
  for (let i = 0; i < 8; i++) {
    const leader = cluster.leader();
    if (leader !== null) cluster.propose(leader, `script-${i}`);
    yield;
  }
}

function eachPoint<M>(kit: ConformanceKit<M>, kind: 'batch' | 'message', keep: number): void {
  const nodes = kit.usualSize;
  for (let node = 1; node <= nodes; node++) {
    let reached = true;
    let point = 1;
    for (; reached && point <= POINTS_MAX; point++) {
      reached = crashAt(kit, node, kind, point, keep);
    }
    if (reached) throw new Error(`the script has more than ${POINTS_MAX} points`);
    if (kind === 'batch' && point < 3) throw new Error(`node ${node} has written nothing`);
  }
}

/** Runs the script and crashes `node` at one point; false when the run never gets there. */
function crashAt<M>(
  kit: ConformanceKit<M>,
  node: number,
  kind: 'batch' | 'message',
  point: number,
  keep: number,
): boolean {
  const cluster = open(kit, `${kind} boundary`);
  const { log } = cluster.host(node);
  const at = (): boolean =>
    (kind === 'batch' ? log.batchesDurable : cluster.messagesSent(node)) >= point;
  let reached = cluster.runUntil(() => at() || cluster.leader() !== null, 2 * SECOND) && at();
  const steps = script(cluster);
  while (!reached && steps.next().done !== true) reached = cluster.runUntil(at, SECOND / 50);
  if (!reached) return false;
  cluster.crash(node, keep);
  for (const _ of steps) cluster.run(SECOND / 50);
  cluster.restart(node);
  kit.settle(cluster);
  expectThat(cluster, cluster.committedIndex > 0, 'something is committed');
  return true;
}
