import { DEFAULT_LIMITS, type NodeId } from '@quorate/consensus';
import type { SwarmOptions } from './host-options.ts';
import { type HostWorld, peerAddress } from './host-world.ts';

/** The engine's configuration of one node, as the seed drew it or the scenario says. */
export function engineConfig(
  world: Pick<HostWorld<unknown>, 'ids' | 'swarm' | 'settings'>,
  id: NodeId,
) {
  const { ids, swarm, settings } = world;
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
  const timing = { ...swarm.timing, ...settings.timingOf(id) };
  return { id, membership, ...timing, variants: settings.variants, limits };
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
