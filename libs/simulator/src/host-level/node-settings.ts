import { DEFAULT_LIMITS, type NodeId } from '@quorate/consensus';
import type { SwarmOptions } from './host-options.ts';
import { peerAddress } from './host-world.ts';

/** The engine's configuration of one node, as the seed drew it. */
export function engineConfig(swarm: SwarmOptions, ids: readonly NodeId[], id: NodeId) {
  const voters = ids.map((voter) => ({
    id: voter,
    disk: `disk-${voter}`,
    address: peerAddress(voter),
  }));
  const limits = {
    ...DEFAULT_LIMITS,
    appendEntriesMax: swarm.appendEntriesMax,
    appendBytesMax: swarm.appendBytesMax,
    inflightMessagesMax: swarm.inflightMessagesMax,
    uncommittedEntriesMax: swarm.uncommittedEntriesMax,
    logTailBytesMin: swarm.logTailBytesMin,
    logTailBytesMax: swarm.logTailBytesMax,
    syncBytesMax: swarm.syncBytesMax,
  };
  const membership = { voters, learners: [], witnesses: [] };
  return { id, membership, ...swarm.timing, variants: {}, limits };
}

/** The limits of the host around the engine, as the seed drew them. */
export function hostLimits(swarm: SwarmOptions) {
  const { commandsMax, inFlightBatchesMax, proposalsQueuedMax } = swarm;
  const { readiesUnpersistedMax, applyBytesMax } = swarm;
  return {
    ...{ commandsMax, inFlightBatchesMax, proposalsQueuedMax },
    ...{ readiesUnpersistedMax, applyBytesMax },
  };
}
