import { DEFAULT_LIMITS } from '@quorate/consensus';
import { KV_SESSION_LIMITS_DEFAULT } from '@quorate/kv';
import { REPLICA_LIMITS_DEFAULT, SNAPSHOT_POLICY_DEFAULT } from '@quorate/replica';
import type { HostSettings, SwarmOptions } from '@quorate/simulator';
import { SEGMENT_BYTES_DEFAULT } from '@quorate/wal';
import { nodesFor } from '../run/plan.ts';
import type { Scenario } from '../scenario/schema.ts';

/**
 * The delays of a scenario under runtime `sim`, in microseconds: machines of one data centre with a
 * flash disk. Work takes no time at all, so latencies are sums of these and of waiting, and nothing
 * of them is a machine's.
 */
export const SIM_MODEL = {
  linkDelayUs: [100, 200],
  timersLateMaxUs: 100,
  diskReadUs: 50,
  diskWriteUs: 20,
  diskSyncUs: 500,
  /** Of the log, as on a real disk: a roll of segments costs syncs of its own. */
  segmentBytes: SEGMENT_BYTES_DEFAULT,
} as const;

/** States are compared after so many entries; each comparison walks over all keys. */
const DIGEST_EVERY = 2_048;
/** Far above what the longest scenario takes; a cluster that feeds itself reaches it. */
const EVENTS_MAX = 2_000_000_000;

/** What `quorate simulate` draws from its seed stands in the scenario here, limits as measured. */
export function swarmOf(scenario: Scenario, protocol: string): SwarmOptions {
  const [minMs, maxMs] = scenario.electionTimeout;
  const [linkDelayMinMicros, linkDelayMaxMicros] = SIM_MODEL.linkDelayUs;
  const { commandsMax, inFlightBatchesMax, proposalsQueuedMax } = REPLICA_LIMITS_DEFAULT;
  const { readiesUnpersistedMax, applyBytesMax } = REPLICA_LIMITS_DEFAULT;
  const { appendEntriesMax, appendBytesMax, inflightMessagesMax } = DEFAULT_LIMITS;
  const { uncommittedEntriesMax, logTailBytesMin, logTailBytesMax, syncBytesMax } = DEFAULT_LIMITS;
  return {
    nodes: nodesFor(scenario, protocol),
    timing: {
      heartbeatMicros: Math.round(scenario.heartbeat * 1000),
      electionTimeoutMinMicros: Math.round(minMs * 1000),
      electionTimeoutMaxMicros: Math.round(maxMs * 1000),
      detector: scenario.detector,
    },
    ...{ linkDelayMinMicros, linkDelayMaxMicros },
    timersLateMaxMicros: SIM_MODEL.timersLateMaxUs,
    diskReadMicros: SIM_MODEL.diskReadUs,
    diskWriteMicros: SIM_MODEL.diskWriteUs,
    diskSyncMicros: SIM_MODEL.diskSyncUs,
    segmentBytes: SIM_MODEL.segmentBytes,
    writeThrough: true,
    snapshotEveryEntries: SNAPSHOT_POLICY_DEFAULT.snapshotEveryEntries,
    resultsPerSessionMax: KV_SESSION_LIMITS_DEFAULT.resultsPerSessionMax,
    ...{ commandsMax, inFlightBatchesMax, proposalsQueuedMax },
    ...{ readiesUnpersistedMax, applyBytesMax },
    ...{ appendEntriesMax, appendBytesMax, inflightMessagesMax },
    ...{ uncommittedEntriesMax, logTailBytesMin, logTailBytesMax, syncBytesMax },
    // The loader of the scenario is the only client.
    ...{ clients: 0, clientConcurrency: 0, keys: 0, valueBytesMax: 0, thinkMaxMicros: 1 },
    ...{ operationTimeoutMicros: 0, sessionlessClients: false },
    ...{ faultEveryMicros: 1, faultLastsMaxMicros: 1 },
  };
}

/** What a seed of `quorate simulate` never draws. */
export function settingsOf(scenario: Scenario, protocol: string): Partial<HostSettings> {
  return {
    variants: scenario.variants[protocol as 'raft'] ?? {},
    sync: scenario.sync,
    digestEvery: DIGEST_EVERY,
    eventsMax: EVENTS_MAX,
  };
}
