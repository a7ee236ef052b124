import { DEFAULT_LIMITS } from '@quorate/consensus';
import { REPLICA_LIMITS_DEFAULT } from '@quorate/replica';
import type { Run } from '@quorate/report';
import { SIM_MODEL } from '../sim/sim-model.ts';
import type { RunPlan } from './plan.ts';

/** What must be equal before two runs are compared. */
export function labelsOf(plan: RunPlan): Run['labels'] {
  const { scenario, clientTransport } = plan;
  const { load, probe } = scenario;
  const [electionMinMs, electionMaxMs] = scenario.electionTimeout;
  const isSimulated = scenario.runtime === 'sim';
  const isClosed = load?.mode === 'closed';
  return {
    sync: scenario.sync,
    nodes: scenario.nodes,
    payloadBytes: load?.valueBytes ?? 128,
    readLevel: load?.readLevel ?? 'linearizable',
    transport: scenario.transport,
    runtime: scenario.runtime,
    clientPosition: isSimulated
      ? 'a simulated machine of its own, as far from replicas as they are from each other'
      : 'a process of its own on the same machine',
    clientProtocol: `stream over ${clientTransport}`,
    batching: {
      maxBytes: REPLICA_LIMITS_DEFAULT.batchBytesMax,
      maxEntries: REPLICA_LIMITS_DEFAULT.commandsMax,
      maxInFlight: Math.min(
        REPLICA_LIMITS_DEFAULT.inFlightBatchesMax,
        DEFAULT_LIMITS.inflightMessagesMax,
      ),
    },
    heartbeatMs: scenario.heartbeat,
    electionTimeoutMs: [electionMinMs, electionMaxMs],
    retryPolicy: 'until-deadline',
    routing:
      probe.readers === 'pinned'
        ? 'writes: leader, found by hints; reads: a connection to each replica'
        : 'leader, found by hints',
    detector: scenario.detector,
    ...(isSimulated ? { model: { ...SIM_MODEL, linkDelayUs: [...SIM_MODEL.linkDelayUs] } } : {}),
    load: {
      mode: load?.mode ?? 'open',
      ratePerSecond: isClosed ? null : (load?.rates ?? probe.rate),
      inFlight: isClosed ? (load?.inFlight ?? null) : null,
      arrival: isClosed ? null : load === undefined ? 'uniform' : load.arrival,
      mix: { ...(load?.mix ?? probe.mix) },
      keys: load?.keys ?? 500,
      keyDistribution: load?.keyDistribution ?? 'uniform',
    },
  };
}
