import type { Cluster, ReplicaGauges } from '@quorate/cluster';

/** Counters of one replica at one time, and whether it led then. */
export interface GaugeReading {
  readonly node: number;
  readonly leads: boolean;
  readonly gauges: ReplicaGauges;
}

/** Counters of one replica before and after a stretch of load. */
export interface GaugePair {
  readonly node: number;
  /** Null when it led at one end of the stretch only: what it cost is then neither role's. */
  readonly leads: boolean | null;
  readonly before: ReplicaGauges;
  readonly after: ReplicaGauges;
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

/** CPU time between two readings, user and system, in microseconds. */
export function cpuMicrosOf({ before, after }: Pick<GaugePair, 'before' | 'after'>): number {
  const total = (gauges: ReplicaGauges): number => gauges.cpuUserMicros + gauges.cpuSystemMicros;
  return Math.max(0, total(after) - total(before));
}
