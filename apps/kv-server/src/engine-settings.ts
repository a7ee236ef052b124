import {
  DEFAULT_LIMITS,
  type EngineConfig,
  type Member,
  type NodeId,
  nodeId,
} from '@quorate/consensus';
import type { ServerOptions } from './server-options.ts';

const MICROS_PER_MS = 1000;

/** The engine's settings, from the cluster file and the flags; times turn into microseconds. */
export function engineConfig(options: ServerOptions): Omit<EngineConfig, 'now'> {
  const { settings } = options;
  const [electionMinMs, electionMaxMs] = settings.electionTimeoutMs;
  const voters: Member[] = [...options.members]
    .sort((a, b) => a.id - b.id)
    .map((member) => ({ id: nodeId(member.id) as NodeId, disk: '', address: member.peer }));
  return {
    id: nodeId(options.id),
    membership: { voters, learners: [], witnesses: [] },
    heartbeatMicros: Math.round(settings.heartbeatMs * MICROS_PER_MS),
    electionTimeoutMinMicros: Math.round(electionMinMs * MICROS_PER_MS),
    electionTimeoutMaxMicros: Math.round(electionMaxMs * MICROS_PER_MS),
    detector: settings.detector,
    variants: settings.variants,
    limits: DEFAULT_LIMITS,
  };
}
