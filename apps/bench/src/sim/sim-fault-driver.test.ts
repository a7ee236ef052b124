import { type FaultRecord, parseFaultSchedule, planFaults } from '@quorate/faults';
import { createRandom, required } from '@quorate/foundation';
import { protocolNamed } from '@quorate/kv-server';
import { HostCluster } from '@quorate/simulator';
import { describe, expect, it } from 'vitest';
import { SimFaultDriver } from './sim-fault-driver.ts';

const SECOND = 1_000_000;
const SWARM = {
  ...{ clients: 2, clientConcurrency: 2, thinkMaxMicros: 20_000, keys: 8, valueBytesMax: 16 },
  ...{ linkDelayMinMicros: 100, linkDelayMaxMicros: 300, timersLateMaxMicros: 0 },
  ...{ diskWriteMicros: 20, diskSyncMicros: 500, snapshotEveryEntries: 10_000 },
  timing: {
    heartbeatMicros: 50_000,
    electionTimeoutMinMicros: 150_000,
    electionTimeoutMaxMicros: 300_000,
    detector: 'timers' as const,
  },
};

function clusterOf(seed: number, nodes = 3) {
  const protocol = required(protocolNamed('raft'), 'raft');
  const swarm = { ...SWARM, nodes };
  const cluster = new HostCluster({ protocol, seed, swarm });
  expect(cluster.runUntil(5 * SECOND, () => cluster.leader() !== null)).toBe(true);
  return cluster;
}

interface Outcome {
  readonly records: readonly FaultRecord[];
  readonly lines: readonly string[];
  readonly cluster: HostCluster<unknown>;
}

/** Carries a schedule out against three replicas under load, to the end of the last fault. */
function carryOut(faults: readonly object[], seed = 1, loaded = true): Outcome {
  const cluster = clusterOf(seed);
  if (loaded) cluster.load.start();
  const steps = planFaults(parseFaultSchedule(faults), seed);
  const lines: string[] = [];
  const onLine = (line: string) => lines.push(line);
  const driver = new SimFaultDriver({ cluster, steps, random: createRandom(seed), onLine });
  driver.start();
  expect(cluster.runUntil(cluster.world.queue.now() + 60 * SECOND, () => driver.isOver)).toBe(true);
  return { records: driver.records, lines, cluster };
}

describe('SimFaultDriver', () => {
  it('kills the leader of the moment, and restarts it to where the others are', () => {
    const faults = [{ at: '1s', kill: 'leader', restartAfter: '1s', every: '3s', times: 2 }];
    const { records, lines, cluster } = carryOut(faults);
    expect(records.map(({ id, kind }) => `${id} ${kind}`)).toEqual([
      'f1.1 kill-leader',
      'f1.2 kill-leader',
    ]);
    for (const record of records) {
      expect(record).toMatchObject({ proven: true, excludedReason: null });
      expect(record.role).toMatch(/^leader was node [123] in round \d+$/);
      expect(record.evidence.install?.detail).toBe(`no process on node ${record.node}`);
      expect(record.evidence.heal?.method).toBe('caught-up');
      expect(record.healedMs).toBeGreaterThan((record.installedMs ?? 0) + 1_000);
    }
    expect(records[1]?.round).toBeGreaterThan(records[0]?.round ?? 0);
    expect(lines).toHaveLength(2);
    expect(cluster.nodes.map(({ isUp }) => isUp)).toEqual([true, true, true]);
  });

  it('pauses, cuts one way, delays and stalls, each with evidence and healing', () => {
    const { records, cluster } = carryOut([
      { at: '100ms', pause: 'leader', for: '700ms' },
      { at: '2s', cut: { from: 'leader', to: 'followers[0]', direction: 'one-way' }, for: '1s' },
      { at: '5s', partition: [['leader'], ['rest']], for: '1s' },
      { at: '8s', link: { between: 'all', delay: '20ms', jitter: '5ms', loss: '1%' }, for: '1s' },
      { at: '11s', disk: { on: 'leader', stallFsync: '100ms' }, for: '1s' },
    ]);
    expect(records.map(({ proven, excludedReason }) => ({ proven, excludedReason }))).toEqual(
      Array(5).fill({ proven: true, excludedReason: null }),
    );
    const cut = records[1] as FaultRecord;
    expect(cut.evidence.install?.detail).toMatch(/^\d->\d: [1-9]\d* pieces$/);
    expect(records[2]?.evidence.install?.detail.split(', ')).toHaveLength(4);
    expect(records[4]?.evidence.heal?.detail).toMatch(/met the stall: [1-9]/);
    for (const node of cluster.nodes) expect(node.disk.delays.syncMicros).toBe(500);
    const usual = cluster.world.links.usual;
    const { delayMinMicros, delayMaxMicros } = usual;
    for (const from of cluster.world.ids) {
      for (const to of cluster.world.ids.filter((id) => id !== from)) {
        expect(cluster.world.links.isCut(from, to)).toBe(false);
        expect(cluster.world.links.settings(from, to)).toMatchObject({
          ...{ delayMinMicros, delayMaxMicros, loss: 0 },
        });
      }
    }
  });

  it('does not call proven what nothing met, and says why', () => {
    const stall = [{ at: '10ms', disk: { on: 'follower', stallFsync: '1s' }, for: '100ms' }];
    const [record] = carryOut(stall, 1, false).records;
    expect(record).toMatchObject({ proven: false, excludedReason: 'no sync met the stall' });
    const twice = [
      { at: '10ms', kill: 'node 2' },
      { at: '20ms', kill: 'node 2' },
      { at: '30ms', restart: 'killed' },
      { at: '40ms', restart: 'node 2' },
    ];
    expect(carryOut(twice).records.map(({ excludedReason }) => excludedReason)).toEqual([
      null,
      'not running: 2',
      null,
      'still running: 2',
    ]);
  });

  it('waits for a role that nobody holds, and gives up in the end', () => {
    const faults = [
      { at: '10ms', kill: 'leader', restartAfter: '50ms' },
      { at: '20ms', pause: 'leader', for: '10ms' },
      { at: '4s', restart: 'killed' },
    ];
    const { records } = carryOut(faults);
    expect(records[1]?.proven).toBe(true);
    expect(records[1]?.installedMs).toBeGreaterThan((records[1]?.requestedMs ?? 0) + 50);
    expect(records[2]?.excludedReason).toBe('there was no killed node');
  });

  it('repeats exactly, and records times from the offset', () => {
    const faults = [
      { at: '500ms', jitter: '300ms', kill: 'follower', restartAfter: '200ms' },
      { at: '2s', jitter: '100ms', pause: 'any', for: '300ms' },
    ];
    const { records, cluster } = carryOut(faults, 7);
    const again = carryOut(faults, 7);
    expect(again.records).toEqual(records);
    expect(again.cluster.hash()).toBe(cluster.hash());
    expect(carryOut(faults, 8).records).not.toEqual(records);
  });
});
