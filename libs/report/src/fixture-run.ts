import { createRandom, type Random } from '@quorate/foundation';
import { summariseFailovers } from './failover.ts';
import { LatencyHistogram } from './histogram.ts';
import type { ProtocolCurve, ReportInput } from './report-input.ts';
import type { Run, RunFailover, RunFault, RunLatency, RunProtocol } from './run-schema.ts';
import { SeriesBuilder, type SeriesRow } from './series.ts';
import { parseSlo } from './slo.ts';
import { judgeSlo, runExitCode } from './slo-verdict.ts';

/**
 * TEST DATA. A made-up run for tests of the report, drawn from a seed; nothing in it was measured.
 * Its scenario is called `test-data`, so that no page of it can be taken for a result.
 */
export function fixtureReport(options: FixtureOptions = {}): ReportInput {
  const { trials = 5, violated = null } = options;
  const names = ['raft', 'multi-paxos', 'zab', 'none'];
  const made = names.map((name, place) => fixtureProtocol(name, place, trials, violated === name));
  const protocols = made.map(({ protocol }) => protocol);
  const slo = protocols.flatMap(({ verdicts }) => verdicts.slo);
  const exit = runExitCode({ slo, violated: violated !== null, undecided: false });
  const run: Run = {
    ...fixtureFrame(),
    exitCode: exit,
    quick: trials < 30,
    protocols,
    verdict: { exit, lines: ['test data: nothing was measured'] },
  };
  return {
    run,
    series: made.flatMap(({ series }) => series),
    curves: made.flatMap(({ curves }) => curves),
    drawings: new Map(violated === null ? [] : [[violated, FIXTURE_DRAWING]]),
  };
}

/** What {@link fixtureReport} may be told. */
export interface FixtureOptions {
  /** Leader kills for each replicated protocol. */
  readonly trials?: number;
  /** A protocol whose history is made not linearizable. */
  readonly violated?: string | null;
}

const FIXTURE_DRAWING = [
  'key "k7": not linearizable; a value was seen after an acknowledged operation had replaced it',
  '',
  '  process 1  [ write "w12" ]',
  '  process 4                  [ write "w19" ]',
  '  process 9                                  [ read -> "w12" ]',
  '',
].join('\n');

const SLOS = ['acked_lost == 0', 'linearizable == true', 'errors.rate < 1%'];
const RATES = [500, 1_000, 2_000, 4_000];
const EVERY_MS = 2_500;

interface Made {
  readonly protocol: RunProtocol;
  readonly series: readonly SeriesRow[];
  readonly curves: readonly ProtocolCurve[];
}

function fixtureProtocol(name: string, place: number, trials: number, violated: boolean): Made {
  const random = createRandom(`fixture ${name}`);
  const startMs = 1_000 + place * 30_000;
  const speed = [1, 1.15, 0.92, 0.45][place] ?? 1;
  const write = fixtureLatency(name, 'write', 1.6 * speed, random.split('write'));
  const read = fixtureLatency(name, 'read', 0.9 * speed, random.split('read'));
  const replicated = name !== 'none';
  const { faults, failovers } = replicated
    ? fixtureFailovers(trials, startMs, speed, random.split('faults'))
    : { faults: [], failovers: [] };
  const durationMs = 14_000 + (replicated ? trials * EVERY_MS : 0);
  const subject = {
    name,
    blocks: [fixtureBlock(name, place, startMs, durationMs)],
    throughput: {
      offeredPerSecond: 4_000,
      committedWritesPerSecond: Math.round(2_590 / speed ** 0.1),
      opsPerSecond: Math.round(3_985 / speed ** 0.1),
      low95: 3_890,
      high95: 4_010,
    },
    operations: {
      write: { ok: 42_000, fail: 3, info: replicated ? 20 + trials : 0 },
      read: { ok: 24_500, fail: 1, info: 0 },
      cas: { ok: 3_000, fail: 480, info: replicated ? 3 : 0 },
    },
    latencyMs: { write: write.latency, read: read.latency },
    faults,
    failovers,
    verdicts: {
      linearizable: !violated,
      linearizableReason: violated ? 'key "k7": a stale read' : null,
      checkedOperations: 69_980,
      ackedWrites: 45_000,
      ackedLost: 0,
      lostExamples: [],
      smallestFailingHistory: violated ? `histories/${name}-violation.ndjson` : null,
    },
  };
  const slo = SLOS.flatMap((expression) => {
    const verdict = judgeSlo(parseSlo(expression), subject);
    if (verdict === null) return [];
    const { protocol: _protocol, line: _line, ...result } = verdict;
    return [result];
  });
  const protocol: RunProtocol = {
    ...subject,
    target: 'quorate',
    variants: fixtureVariants(name),
    labels: {},
    points: fixturePoints(speed),
    failover: summariseFailovers(failovers),
    cost: fixtureCost(replicated),
    replicas: [1, 2, 3].slice(0, replicated ? 3 : 1).map((node) => ({
      node,
      pid: 4_000 + place * 10 + node,
      eventLoopDelayP99Ms: 2.1,
      gcMaxMs: 3.8,
      rssMaxBytes: 96_000_000,
    })),
    verdicts: { ...subject.verdicts, slo },
  };
  const series = fixtureSeries(protocol, startMs, durationMs, speed, random.split('series'));
  return { protocol, series, curves: [write.curve, read.curve] };
}

const COST = {
  messagesPerCommit: 1.625,
  bytesPerCommit: 312.5,
  fsyncsPerCommit: 0.4375,
  cpuUsPerCommit: 41.5,
} as const;

function fixtureCost(replicated: boolean): RunProtocol['cost'] {
  const half = { messagesPerCommit: [0.5, 0.5] as [number, number], fsyncsPerCommitMax: 0.5 };
  const range: [number, number] = replicated ? [1, 2] : [0, 0];
  return {
    leader: { ...COST, fsyncsPerCommit: 0.5 },
    follower: replicated ? { ...COST, messagesPerCommit: 0.5, bytesPerCommit: 12 } : null,
    commandsPerEntry: 2,
    expected: {
      leader: { messagesPerCommit: range, fsyncsPerCommitMax: 0.5 },
      follower: replicated ? half : null,
    },
  };
}

function fixtureVariants(name: string): RunProtocol['variants'] {
  if (name === 'raft') return { preVote: true, checkQuorum: true };
  return name === 'multi-paxos' ? { electionRule: 'timeout' } : {};
}

function fixtureLatency(
  protocol: string,
  operation: string,
  medianMs: number,
  random: Random,
): { latency: RunLatency; curve: ProtocolCurve } {
  const histogram = LatencyHistogram.create();
  for (let i = 0; i < 20_000; i++) {
    const spread = Math.exp(
      (random.fraction() + random.fraction() + random.fraction() - 1.5) * 1.1,
    );
    const tail = random.fraction() < 0.004 ? 20 + 180 * random.fraction() : 1;
    histogram.recordMicros(medianMs * 1_000 * spread * tail);
  }
  const latency = histogram.summary('intendedStart', null);
  const curve = { protocol, operation, points: histogram.curve() };
  histogram.destroy();
  if (latency === null) throw new Error('the fixture recorded something');
  return { latency, curve };
}

function fixturePoints(speed: number): RunProtocol['points'] {
  return RATES.map((ratePerSecond) => {
    const load = ratePerSecond / (5_200 / speed);
    const p50 = (1.1 * speed) / Math.max(0.12, 1 - load);
    const opsPerSecond = Math.round(ratePerSecond * (load > 0.85 ? 0.93 : 0.997));
    const limitedBy = load > 0.85 ? 'leader CPU' : null;
    const latencyMs = { write: { p50, p99: p50 * 5.5, max: p50 * 21 } };
    return { ratePerSecond, inFlight: null, opsPerSecond, latencyMs, limitedBy };
  });
}

function fixtureFailovers(
  trials: number,
  startMs: number,
  speed: number,
  random: Random,
): { faults: RunFault[]; failovers: RunFailover[] } {
  const faults: RunFault[] = [];
  const failovers: RunFailover[] = [];
  let leader = 1;
  for (let trial = 0; trial < trials; trial++) {
    const id = `f1.${trial + 1}`;
    const requestedMs = startMs + 13_000 + trial * EVERY_MS + 200 * random.fraction();
    const installedMs = requestedMs + 3;
    const suspicion = 160 + 140 * random.fraction();
    const candidacy = suspicion + 1;
    const failedRounds = random.fraction() < 0.2 ? 1 : 0;
    const elected = candidacy + 8 * speed + failedRounds * 170;
    const repaired = elected + 5 * speed;
    const firstCommit = repaired + 4 * speed;
    const firstClientSuccess = firstCommit + 6;
    const throughput90 = firstClientSuccess + 60 + 90 * random.fraction();
    const newLeader = (leader % 3) + 1;
    faults.push({
      id,
      block: 0,
      kind: 'kill-leader',
      role: `leader was node ${leader} in round ${trial + 1}`,
      node: leader,
      round: trial + 1,
      requestedMs,
      installedMs,
      healedMs: installedMs + 1_200,
      evidence: {
        install: { method: 'exit-signal', atMs: installedMs, detail: 'SIGKILL' },
        heal: { method: 'ready-report', atMs: installedMs + 1_200, detail: 'follows' },
      },
      proven: true,
      excludedReason: null,
    });
    failovers.push({
      faultId: id,
      unavailableMs: firstClientSuccess + 2,
      censored: false,
      resolutionMs: 4.2,
      oldLeader: leader,
      newLeader,
      failedRounds,
      phasesMs: {
        suspicion,
        candidacy,
        elected,
        repaired,
        firstCommit,
        firstClientSuccess,
        throughput90,
      },
      phasesReason: null,
    });
    leader = newLeader;
  }
  return { faults, failovers };
}

function fixtureSeries(
  protocol: RunProtocol,
  startMs: number,
  durationMs: number,
  speed: number,
  random: Random,
): SeriesRow[] {
  const builder = new SeriesBuilder(protocol.name, 0, startMs);
  const outages = protocol.failovers.map(({ faultId, unavailableMs }) => {
    const from = protocol.faults.find(({ id }) => id === faultId)?.installedMs ?? 0;
    return { from, to: from + unavailableMs };
  });
  for (let atMs = startMs; atMs < startMs + durationMs; atMs += 20) {
    const step = Math.min(3, Math.floor((atMs - startMs) / 3_000));
    const rate = atMs - startMs < 12_000 ? (RATES[step] ?? 500) : 500;
    if (outages.some(({ from, to }) => atMs >= from && atMs < to)) continue;
    const expected = rate * 0.02;
    const count = Math.round(expected * (0.8 + 0.4 * random.fraction()));
    for (let i = 0; i < count; i++) {
      const latencyMs = 1.6 * speed * (0.6 + 3 * random.fraction() ** 6);
      builder.add(i % 5 < 3 ? 'write' : 'read', 'ok', atMs + i * 0.1, latencyMs);
    }
  }
  return builder.rows();
}

function fixtureBlock(
  name: string,
  order: number,
  startMs: number,
  durationMs: number,
): RunProtocol['blocks'][number] {
  return {
    index: 0,
    order,
    status: 'ok',
    voidReason: null,
    startMs,
    durationMs,
    warmupMs: 800,
    history: `histories/${name}-0.ndjson.gz`,
    events: null,
  };
}

function fixtureFrame(): Omit<Run, 'exitCode' | 'quick' | 'protocols' | 'verdict'> {
  return {
    schemaVersion: 1,
    status: 'complete',
    startedAt: '2026-11-21T04:00:00Z',
    durationMs: 131_000,
    command: ['quorate', 'run', 'test-data.yaml'],
    scenario: { name: 'test-data', file: null, sha256: null, resolved: {} },
    seed: 'test-data',
    environment: {
      commit: '0000000',
      dirty: false,
      lockfileSha256: null,
      node: 'v20.20.2',
      os: 'linux',
      kernel: 'test',
      cpuModel: 'test data, no machine',
      cores: 2,
      memoryBytes: 8_000_000_000,
      filesystem: 'ext4',
      fsyncLatencyUs: { p50: 130, p99: 410, samples: 200 },
    },
    labels: {
      sync: 'group',
      nodes: 3,
      payloadBytes: 128,
      readLevel: 'linearizable',
      transport: 'grpc',
      runtime: 'process',
      clientPosition: 'own process',
      clientProtocol: 'grpc',
      batching: { maxBytes: 1_048_576, maxEntries: 1_024, maxInFlight: 256 },
      heartbeatMs: 50,
      electionTimeoutMs: [150, 300],
      retryPolicy: 'definite errors only',
      routing: 'leader',
      detector: 'timers',
      load: {
        mode: 'open',
        ratePerSecond: RATES,
        inFlight: null,
        arrival: 'poisson',
        mix: { put: 60, get: 35, cas: 5 },
        keys: 2_000,
        keyDistribution: 'uniform',
      },
    },
    generator: {
      pid: 3_999,
      missedStarts: 12,
      missedStartsShare: 0.0002,
      eventLoopDelayP99Ms: 3.1,
      cpuShare: 0.41,
      gcMaxMs: 5,
      healthy: true,
      voidReasons: [],
      voidBlocksRepeated: 0,
    },
    comparison: null,
    files: { report: null, markdown: null, junit: null, series: null, charts: [], hlogs: [] },
  };
}
