import { SimulatedCluster } from '@quorate/simulator';
import { describe, expect, it } from 'vitest';
import { unreplicated } from './protocol.ts';

function loaded(seed: number, traceEventsMax = 50): SimulatedCluster<never> {
  const cluster = new SimulatedCluster({
    protocol: unreplicated,
    nodes: 1,
    seed,
    snapshotEveryEntries: 10,
    disk: { segmentBatchesMax: 4 },
    traceEventsMax,
  });
  for (let i = 0; i < 100; i++) {
    cluster.propose(1, `p${i}`);
    if (i % 3 === 0) cluster.read(1);
    cluster.run(300);
    if (i % 25 === 24) {
      cluster.crash(1);
      cluster.run(1_000);
      cluster.restart(1);
    }
  }
  cluster.run(1_000_000);
  return cluster;
}

describe('a cluster of one', () => {
  it('commits, recovers and concludes every request', () => {
    const cluster = loaded(1);
    const done = cluster.requests.filter((request) => request.outcome === 'done');
    expect(done.length).toBeGreaterThan(60);
    expect(cluster.unconcluded(1)).toEqual([]);
    expect(cluster.status(1).snapshotIndex).toBeGreaterThan(0);
    const acknowledged = done.filter((r) => r.kind === 'propose').map((r) => r.text);
    expect(cluster.committed(1)).toEqual(expect.arrayContaining(acknowledged));
  });

  it('repeats exactly, with and without events for people', () => {
    const hash = loaded(7).traceHash();
    expect(loaded(7).traceHash()).toBe(hash);
    expect(loaded(7, 0).traceHash()).toBe(hash);
    expect(loaded(8).traceHash()).not.toBe(hash);
  });
});
