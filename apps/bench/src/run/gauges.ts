import type { Cluster, ReplicaGauges } from '@quorate/cluster';

/** What a replica is as a process of a machine; nothing of it exists on virtual time. */
type HealthGauge =
  | 'cpuUserMicros'
  | 'cpuSystemMicros'
  | 'rssBytes'
  | 'eventLoopDelayP99Ms'
  | 'gcMaxMs';

/** Counters of a replica; absent is null. */
export type Gauges = {
  readonly [name in keyof ReplicaGauges]: name extends HealthGauge ? number | null : number;
};

/** Counters of one replica at one time, and whether it led then. */
export interface GaugeReading {
  readonly node: number;
  readonly leads: boolean;
  readonly gauges: Gauges;
}

/** Counters of one replica before and after a stretch of load. */
export interface GaugePair {
  readonly node: number;
  /** Null when it led at one end of the stretch only: what it cost is then neither role's. */
  readonly leads: boolean | null;
  readonly before: Gauges;
  readonly after: Gauges;
}

/** Reads the counters of every running replica; between phases, as asking costs them time. */
export async function readGauges(cluster: Cluster): Promise<GaugeReading[]> {
  const leader = await cluster.leader();
  return Promise.all(
    cluster.running.map(async (node) => ({
      node,
      leads: leader?.id === node,
      gauges: await cluster.gauges(node),
    })),
  );
}

/** Joins two readings; a replica that is missing in one of them is left out. */
export function pairGauges(
  before: readonly GaugeReading[],
  after: readonly GaugeReading[],
): GaugePair[] {
  const pairs: GaugePair[] = [];
  for (const last of after) {
    const first = before.find((other) => other.node === last.node);
    if (first === undefined) continue;
    const leads = first.leads === last.leads ? last.leads : null;
    pairs.push({ node: last.node, leads, before: first.gauges, after: last.gauges });
  }
  return pairs;
}

/** CPU time between two readings, user and system, in microseconds; null where there is none. */
export function cpuMicrosOf({ before, after }: Pick<GaugePair, 'before' | 'after'>): number | null {
  const total = ({ cpuUserMicros, cpuSystemMicros }: Gauges): number | null =>
    cpuUserMicros === null || cpuSystemMicros === null ? null : cpuUserMicros + cpuSystemMicros;
  const [first, last] = [total(before), total(after)];
  return first === null || last === null ? null : Math.max(0, last - first);
}
