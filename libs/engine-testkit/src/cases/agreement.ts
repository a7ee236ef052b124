import { createRandom } from '@quorate/foundation';
import {
  type ConfigOverrides,
  drawEngineSwarm,
  RandomFaults,
  type SimulatedCluster,
} from '@quorate/simulator';
import { type ConformanceCase, type ConformanceKit, expectThat } from '../kit.ts';

const SECOND = 1_000_000;

/** Agreement, repeatability and liveness, with and without random faults. */
export function agreementCases<M>(): ConformanceCase<M>[] {
  return [
    {
      name: 'same inputs give the same output, whoever reads the trace',
      nodesMin: 1,
      run(kit) {
        const hash = faultyRun(kit, 11, 100);
        if (faultyRun(kit, 11, 100) !== hash) throw new Error('seed 11 gave two different traces');
        if (faultyRun(kit, 11, 0) !== hash) throw new Error('reading the trace changed the run');
        if (faultyRun(kit, 12, 100) === hash) throw new Error('the seed changes nothing');
      },
    },
    {
      name: 'messages as objects do what messages as bytes do',
      nodesMin: 1,
      run(kit) {
        const texts = [true, false].map((useCodec) => {
          const nodes = kit.usualSize;
          const cluster = kit.cluster({ nodes, seed: 'codec', network: { useCodec } });
          kit.elect(cluster);
          kit.load(cluster, SECOND / 2);
          kit.settle(cluster);
          return cluster
            .committed(1)
            .filter((text) => text.startsWith('load'))
            .join();
        });
        if (texts[0] !== texts[1]) throw new Error('the codec changes what is committed');
      },
    },
    { name: 'random faults reach elections, snapshots and doubt', nodesMin: 3, run: coverage },
    {
      name: 'each size serves, commits once, in order, and agrees by payload',
      nodesMin: 1,
      run(kit) {
        for (const nodes of kit.options.sizes) {
          const cluster = kit.cluster({ nodes, seed: `size ${nodes}`, snapshotEveryEntries: 40 });
          kit.elect(cluster);
          kit.load(cluster, SECOND / 2);
          kit.settle(cluster);
          const done = cluster.requests.filter((request) => request.outcome === 'done');
          expectThat(cluster, done.length > 100, 'a healthy cluster commits under load');
        }
      },
    },
    {
      name: 'an acknowledged write is read by a linearizable read at any replica',
      nodesMin: 1,
      run(kit) {
        const cluster = kit.cluster({ nodes: kit.usualSize, seed: 'reads' });
        const leader = kit.elect(cluster);
        kit.probe(cluster);
        for (let i = 0; i < 20; i++) {
          const write = cluster.propose(leader, `w${i}`);
          cluster.expectWithin('the write is done', SECOND, () => write.outcome === 'done');
          for (const id of cluster.ids) {
            const read = cluster.read(id);
            expectThat(cluster, read.status === 'accepted', `node ${id} takes a read`);
            cluster.expectWithin('the read is done', SECOND, () => read.outcome === 'done');
            expectThat(cluster, read.index >= write.index, 'the read sees the write');
          }
        }
      },
    },
  ];
}

/** One case a seed and kind of channels: random faults, then a quiet phase. */
export function randomFaultCases<M>(kit: ConformanceKit<M>): ConformanceCase<M>[] {
  const cases: ConformanceCase<M>[] = [];
  const { firstSeed, randomSeeds } = kit.options;
  for (let seed = firstSeed; seed < firstSeed + randomSeeds; seed++) {
    for (const channels of kit.channels) {
      cases.push({
        name: `random faults, ${channels} channels, seed ${seed}`,
        nodesMin: 1,
        run: () => void runRandomFaults(kit, seed, channels),
      });
    }
  }
  return cases;
}

/** Runs one seed of random faults; exported so that a failing seed can be repeated alone. */
export function runRandomFaults<M>(
  kit: ConformanceKit<M>,
  seed: number,
  channels: 'fifo' | 'lossy',
): SimulatedCluster<M> {
  const { protocol, options } = kit;
  const { loadMicros, loadEveryMicros, ...drawn } = drawEngineSwarm(createRandom(`swarm ${seed}`), {
    sizes: options.sizes,
    channels,
    variants: protocol.variants,
  });
  // A variant that is under test stays as the suite sets it.
  const variants = { ...drawn.config.variants, ...options.config.variants };
  const cluster = kit.cluster({ ...drawn, seed, config: { ...drawn.config, variants } });
  const faults = new RandomFaults(cluster);
  faults.start();
  kit.load(cluster, loadMicros, loadEveryMicros);
  faults.stop();
  kit.settle(cluster);
  return cluster;
}

/** The faults must reach what they are for; a run in which nothing happens proves nothing. */
function coverage<M>(kit: ConformanceKit<M>): void {
  const reached = new Map<string, number>();
  const count = (what: string): void => {
    reached.set(what, (reached.get(what) ?? 0) + 1);
  };
  for (let seed = 1; seed <= 10; seed++) {
    const cluster = runRandomFaults(kit, seed, 'fifo');
    for (const { event } of cluster.events) count(event.kind);
    for (const { kind, outcome } of cluster.requests) count(`${kind} ${outcome}`);
  }
  const wanted = ['elected', 'steppedDown', 'snapshotInstalled', 'propose unknown', 'stale done'];
  const missing = wanted.filter((what) => !reached.has(what));
  if (missing.length > 0) throw new Error(`ten seeds never reached: ${missing.join(', ')}`);
}

/** Limits under which slow peers need snapshots and messages are short. */
export const SMALL_LOG: ConfigOverrides = {
  limits: {
    appendEntriesMax: 4,
    inflightMessagesMax: 3,
    logTailBytesMin: 0,
    logTailBytesMax: 64,
    syncBytesMax: 64,
  },
};

function faultyRun<M>(kit: ConformanceKit<M>, seed: number, traceEventsMax: number): string {
  const nodes = kit.usualSize;
  const cluster = kit.cluster({ nodes, seed, traceEventsMax, snapshotEveryEntries: 20 });
  const faults = new RandomFaults(cluster);
  faults.start();
  kit.load(cluster, SECOND, 4_000);
  faults.stop();
  cluster.run(SECOND);
  return cluster.traceHash();
}
