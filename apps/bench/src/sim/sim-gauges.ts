import type { HostCluster } from '@quorate/simulator';
import type { GaugePair, GaugeReading, Gauges } from '../run/gauges.ts';

/** Between two readings a role may change; what a replica did meanwhile is then neither role's. */
const READ_EVERY_MICROS = 10_000;

/** Counters that add up; the others are null on virtual time. */
const COUNTERS = [
  'peerMessagesSent',
  'peerBytesSent',
  'walSyncs',
  'walBatches',
  'walBytes',
  'commandsApplied',
  'entriesApplied',
] as const satisfies readonly (keyof Gauges)[];

const NO_HEALTH = {
  cpuUserMicros: null,
  cpuSystemMicros: null,
  rssBytes: null,
  eventLoopDelayP99Ms: null,
  gcMaxMs: null,
} as const;

/** Counters of every running replica since it started; exact, and asking takes no time. */
export function readSimGauges<M>(cluster: HostCluster<M>): GaugeReading[] {
  const leader = cluster.leader();
  const readings: GaugeReading[] = [];
  for (const node of cluster.nodes) {
    const status = node.replica?.status();
    if (status === undefined) continue;
    const { counters, wal } = status;
    const gauges: Gauges = {
      ...NO_HEALTH,
      peerMessagesSent: counters.sent.reduce((total, { frames }) => total + frames, 0),
      peerBytesSent: counters.sent.reduce((total, { bytes }) => total + bytes, 0),
      walSyncs: wal.syncs,
      walBatches: wal.batches,
      walBytes: wal.bytesWritten,
      commandsApplied: counters.commandsApplied,
      entriesApplied: counters.entriesApplied,
    };
    readings.push({ node: node.id, leads: node === leader, gauges });
  }
  return readings;
}

/**
 * Adds up what replicas did while they kept their role, over a stretch in which roles change:
 * readings every 10 ms, of which a pair counts when the replica was the same process and had the
 * same role at both. Ends with the call of the function returned.
 */
export function watchSimGauges<M>(cluster: HostCluster<M>): () => readonly GaugePair[] {
  const { queue } = cluster.world;
  const sums = new Map<string, { readonly node: number; leads: boolean; sums: number[] }>();
  let last = new Map<number, { readonly starts: number; readonly reading: GaugeReading }>();
  let ended = false;
  const look = (): void => {
    if (ended) return;
    const seen: typeof last = new Map();
    for (const reading of readSimGauges(cluster)) {
      const { node, leads, gauges } = reading;
      const starts = cluster.nodes[node - 1]?.starts ?? 0;
      seen.set(node, { starts, reading });
      const before = last.get(node);
      if (before?.starts !== starts || before.reading.leads !== leads) continue;
      const key = `${node} ${leads}`;
      const sum = sums.get(key) ?? { node, leads, sums: COUNTERS.map(() => 0) };
      sums.set(key, sum);
      COUNTERS.forEach((name, i) => {
        sum.sums[i] = (sum.sums[i] ?? 0) + gauges[name] - before.reading.gauges[name];
      });
    }
    last = seen;
    queue.after(READ_EVERY_MICROS, look);
  };
  look();
  return () => {
    ended = true;
    return [...sums.values()].map((sum) => ({
      node: sum.node,
      leads: sum.leads,
      before: gaugesOf(COUNTERS.map(() => 0)),
      after: gaugesOf(sum.sums),
    }));
  };
}

function gaugesOf(values: readonly number[]): Gauges {
  const entries = COUNTERS.map((name, i) => [name, values[i] ?? 0] as const);
  const counters = Object.fromEntries(entries) as Record<(typeof COUNTERS)[number], number>;
  return { ...NO_HEALTH, ...counters };
}
