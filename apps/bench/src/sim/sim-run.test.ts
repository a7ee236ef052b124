import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { required } from '@quorate/foundation';
import { protocolNamed } from '@quorate/kv-server';
import { type Run, validateRun } from '@quorate/report';
import { clientAddress, HostCluster } from '@quorate/simulator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ViolationError } from '../errors.ts';
import { type GaugePair, pairGauges } from '../run/gauges.ts';
import { LoaderHandle } from '../run/loader-handle.ts';
import { makePlan } from '../run/make-plan.ts';
import { type FinishedRun, ScenarioRun } from '../run/run-scenario.ts';
import { readScenario } from '../scenario/load-scenario.ts';
import { scenarioSchema } from '../scenario/schema.ts';
import { Progress } from '../terminal/progress.ts';
import { summaryText } from '../terminal/summary.ts';
import { temporaryFolder } from '../trials/quorate-command.ts';
import { p99Bounds, recompute } from '../trials/recompute.ts';
import { readSimGauges } from './sim-gauges.ts';
import { simulatedLoader } from './sim-loader.ts';
import { settingsOf, swarmOf } from './sim-model.ts';
import { SimTime } from './sim-time.ts';

const TINY = `name: tiny-sim
description: Load, a kill and a stalled disk, all of it on virtual time
protocols: [raft, multi-paxos, zab, none]
runtime: sim
warmupSecondsMax: 0.5
load: { rates: [300], secondsEach: 0.5, keys: 40, clients: 2 }
probe: { rate: 200, settle: 800ms }
faults:
  - { at: 200ms, jitter: 100ms, kill: leader, restartAfter: 900ms }
  - { at: 2s, disk: { on: leader, stallFsync: 60ms }, for: 500ms }
slo: ["acked_lost == 0", "linearizable == true"]
`;

const out = temporaryFolder();
afterAll(() => out.remove());

/** Runs a scenario as the command does, with nobody to watch it. */
async function runText(text: string, folder: string): Promise<FinishedRun & { lines: string }> {
  let lines = '';
  const write = (line: string): void => {
    lines += line;
  };
  const flags = { out: join(out.path, folder) };
  const plan = makePlan(readScenario(text, 'tiny.yaml'), flags, ['quorate', 'run', 'tiny.yaml']);
  const progress = new Progress({ write, live: false, colours: false, columns: () => 80 });
  return { ...(await new ScenarioRun(plan, progress).run()), lines };
}

describe('a scenario under runtime sim', () => {
  let run: Run;
  let finished: Awaited<ReturnType<typeof runText>>;
  beforeAll(async () => {
    finished = await runText(TINY, 'first');
    ({ run } = finished);
  }, 60_000);

  it('writes a valid folder, holds its objectives and proves its faults', () => {
    expect(validateRun(finished.folder).problems).toEqual([]);
    expect(run).toMatchObject({ status: 'complete', exitCode: 0 });
    for (const { name, faults, failovers, verdicts } of run.protocols) {
      expect(verdicts, name).toMatchObject({ linearizable: true, ackedLost: 0 });
      expect(verdicts.checkedOperations).toBeGreaterThan(100);
      const kinds = faults.map(({ kind, proven }) => [kind, proven]);
      const both = [
        ['kill-leader', true],
        ['disk', true],
      ];
      expect(kinds, name).toEqual(name === 'none' ? [] : both);
      expect(failovers).toHaveLength(faults.length);
      // A killed leader is missed for an election; one whose disk is slow is not: two others sync.
      if (name !== 'none') expect(failovers[0]?.unavailableMs).toBeGreaterThan(100);
    }
    expect(finished.lines).toMatch(/f1 kill-leader at \d+\.\d\d s: leader was node \d in round/);
  });

  it('says that its times are those of a model, and leaves out what only a process has', () => {
    expect(run.labels).toMatchObject({
      runtime: 'sim',
      transport: 'tcp',
      clientProtocol: 'stream over tcp',
    });
    expect(run.labels.model).toMatchObject({ linkDelayUs: [100, 200], diskSyncUs: 500 });
    expect(run.environment).toMatchObject({ filesystem: null, fsyncLatencyUs: null });
    expect(run.generator).toMatchObject({
      ...{ pid: null, missedStarts: null, missedStartsShare: null, cpuShare: null },
      ...{ eventLoopDelayP99Ms: null, gcMaxMs: null },
    });
    for (const { replicas, cost } of run.protocols) {
      const gone = { pid: null, eventLoopDelayP99Ms: null, gcMaxMs: null, rssMaxBytes: null };
      expect(replicas.length).toBeGreaterThan(0);
      for (const replica of replicas) expect(replica).toMatchObject(gone);
      expect(cost?.leader?.cpuUsPerCommit).toBeNull();
    }
    const text = summaryText(run, finished.folder, false);
    expect(text).toMatch(/Virtual time: counts are exact; .* not of a machine\./);
    expect(text).toMatch(/raft follower +│ +[\d.]+ │/);
  });

  it('states figures that its histories alone give again', () => {
    for (const protocol of run.protocols) {
      const again = recompute(finished.folder, run, protocol);
      expect(again.ackedLost).toBe(protocol.verdicts.ackedLost);
      for (const { faultId, unavailableMs } of protocol.failovers) {
        expect(again.unavailableMs[faultId]).toBeCloseTo(unavailableMs, 2);
      }
      for (const [kind, latency] of Object.entries(protocol.latencyMs)) {
        const latencies = again.latenciesMs[kind] ?? [];
        expect(latencies).toHaveLength(latency.count);
        const { lowest, highest } = p99Bounds(latencies, latency.count);
        expect(latency.p99).toBeGreaterThanOrEqual(lowest);
        expect(latency.p99).toBeLessThanOrEqual(highest);
      }
    }
  });

  it('gives the same figures and the same bytes of history again', async () => {
    const one = TINY.replace(/protocols: .*/, 'protocols: [zab]');
    const runs = [await runText(one, 'second'), await runText(one, 'third')];
    const [figures, repeated] = runs.map(({ run: { startedAt: _, ...rest } }) => rest);
    expect(repeated).toEqual(figures);
    const [history, same] = runs.map(({ folder }) =>
      readFileSync(join(folder, 'histories/zab-0.ndjson.gz')),
    );
    expect(same).toEqual(history);
    // Of the first run the order of the blocks is another, so all times are.
    expect(figures?.protocols[0]).not.toEqual(run.protocols.find(({ name }) => name === 'zab'));
  });
});

describe('a broken invariant', () => {
  it('ends the run with its name and leaves no folder', async () => {
    // A log that is kept in memory comes back empty: the restarted replica has forgotten its vote.
    const text = `${TINY.replace(/protocols: .*/, 'protocols: [raft]')}sync: memory\n`;
    await expect(runText(text, 'broken')).rejects.toThrow(ViolationError);
    await expect(runText(text, 'broken')).rejects.toThrow(/raft block 1: S1: node \d came back/);
    expect(readdirSync(join(out.path, 'broken'))).toEqual([]);
  });
});

/** What a second of writes, one in flight, costs: by the replicas' counters and from outside. */
async function costOfWrites(protocol: string) {
  const scenario = scenarioSchema.parse({ name: 'cost', description: 'x', runtime: 'sim' });
  const cluster = new HostCluster({
    ...{ protocol: required(protocolNamed(protocol), protocol), seed: 3 },
    ...{ swarm: swarmOf(scenario, protocol), settings: settingsOf(scenario, protocol) },
  });
  expect(cluster.runUntil(5_000_000, () => cluster.leader() !== null)).toBe(true);
  const time = new SimTime(cluster, new AbortController().signal);
  const loader = new LoaderHandle(simulatedLoader(cluster, time, 'cost'));
  await loader.open({
    ...{ clientTransport: 'tcp', addresses: cluster.world.ids.map(clientAddress), seed: 'cost' },
    ...{ keys: 20, keyDistribution: 'uniform', valueBytes: 128, readLevel: 'linearizable' },
    ...{ clients: 1, readers: 'shared', timeoutMs: 5_000 },
  });
  const phase = (name: string, durationMs: number) =>
    loader.phase(
      {
        ...{ name, measured: true, mix: { put: 1 }, durationMs },
        load: { mode: 'closed', inFlight: 1 },
      },
      null,
    );
  await phase('first', 50);
  // So long until the last notices and syncs of a phase are through.
  const quiet = () => cluster.runUntil(time.now() + 5_000);
  const outside = () => ({ ...cluster.frames, syncs: cluster.nodes.map((n) => n.disk.syncCount) });
  quiet();
  const [before, seenBefore] = [readSimGauges(cluster), outside()];
  const { operations } = await phase('counted', 500);
  quiet();
  const [pairs, seenAfter] = [pairGauges(before, readSimGauges(cluster)), outside()];
  return { pairs, seenBefore, seenAfter, commits: operations.write.ok };
}

const delta = (pair: GaugePair, name: 'walSyncs' | 'peerMessagesSent' | 'peerBytesSent') =>
  pair.after[name] - pair.before[name];

describe('the cost of a commit', () => {
  it.each(['raft', 'multi-paxos', 'zab'])('of %s is what its paper says', async (protocol) => {
    const { pairs, seenBefore, seenAfter, commits } = await costOfWrites(protocol);
    expect(commits).toBeGreaterThan(300);
    const leader = required(
      pairs.find(({ leads }) => leads === true),
      'a leader',
    );
    const followers = pairs.filter(({ leads }) => leads === false);
    expect(followers).toHaveLength(2);
    // One write at a time: a proposal and a notice of its commit to each follower, one answer, one
    // fsync each. On top come heartbeats: 20 a second, one answer each.
    const heartbeats = 11;
    const sent = delta(leader, 'peerMessagesSent');
    expect(sent).toBeGreaterThanOrEqual(4 * (commits - 1));
    expect(sent).toBeLessThanOrEqual(4 * commits + 2 * heartbeats);
    for (const follower of followers) {
      const answers = delta(follower, 'peerMessagesSent');
      expect(answers).toBeGreaterThanOrEqual(commits - 1);
      expect(answers).toBeLessThanOrEqual(commits + heartbeats + 2);
    }
    for (const pair of pairs) {
      expect(delta(pair, 'walSyncs')).toBe(commits);
      // What the simulated disk was asked for is what the log says that it asked for.
      const place = pair.node - 1;
      const syncs = (seenAfter.syncs[place] ?? 0) - (seenBefore.syncs[place] ?? 0);
      expect(syncs).toBe(delta(pair, 'walSyncs'));
    }
    // What all replicas say that they sent is what passed the door of their transports.
    const total = (name: 'peerMessagesSent' | 'peerBytesSent') =>
      pairs.reduce((sum, pair) => sum + delta(pair, name), 0);
    expect(total('peerMessagesSent')).toBe(seenAfter.sent - seenBefore.sent);
    expect(total('peerBytesSent')).toBe(seenAfter.sentBytes - seenBefore.sentBytes);
  });
});
