import type {
  ControlRequest,
  LinkDirectionEvidence,
  LinkEvidence,
  ReplicaLine,
  ReplicaStatusReply,
} from '@quorate/cluster';
import { nodeId } from '@quorate/consensus';
import type { DirectionCounters } from '@quorate/transport';
import type { HealthWatch } from './gauges.ts';
import type { RunningServer } from './server.ts';
import type { ServerOptions } from './server-options.ts';

/** What the control channel of one replica works on. */
export interface ControlTarget {
  readonly options: ServerOptions;
  readonly server: RunningServer;
  readonly health: HealthWatch;
  /** Ends the replica with grace. */
  readonly stop: () => void;
  /** Blocks the event loop; null where pausing is done from outside. */
  readonly block: ((micros: number) => void) | null;
}

/** Answers one request of the harness; the answer goes out by `post`. */
export function answerControl(
  target: ControlTarget,
  request: ControlRequest & { readonly request: number },
  post: (line: ReplicaLine) => void,
): void {
  const reply = request.request;
  try {
    post({ reply, value: perform(target, request) });
  } catch (error) {
    const { message, code = 'failed' } = error as Error & { code?: string };
    post({ reply, error: { code, message } });
  }
  // The answer must be out before the loop blocks or ends.
  if (request.op === 'block') setImmediate(() => target.block?.(request.micros));
  if (request.op === 'stop') setImmediate(target.stop);
}

function perform(target: ControlTarget, request: ControlRequest): unknown {
  const { server } = target;
  switch (request.op) {
    case 'peers':
      server.setMembers(request.members);
      return true;
    case 'status':
      return status(target);
    case 'link':
      if (server.transport === null) throw new Error('a cluster of one has no links');
      server.transport.setLinkFault(nodeId(request.peer), request.fault);
      return true;
    case 'links':
      return links(server);
    case 'gauges':
      return target.health.gauges(server.replica);
    case 'block':
      if (target.block === null) throw new Error('a process is paused from outside');
      return true;
    case 'stop':
      return true;
    default:
      throw new Error(`unknown request ${JSON.stringify(request)}`);
  }
}

function status(target: ControlTarget): ReplicaStatusReply {
  const { options, server } = target;
  const { engine, appliedIndex } = server.replica.status();
  return {
    id: options.id,
    protocol: options.protocol.name,
    variants: { ...options.protocol.variants, ...options.settings.variants },
    role: engine.role,
    phase: engine.phase,
    round: engine.round,
    leader: engine.leader,
    serving: engine.serving,
    commitIndex: engine.commitIndex,
    appliedIndex,
    lastIndex: engine.lastIndex,
    snapshotIndex: engine.snapshotIndex,
    digest: server.stateMachine.digest(),
  };
}

function links(server: RunningServer): LinkEvidence[] {
  if (server.transport === null) return [];
  return server.transport.linkCounters().map((one) => ({
    peer: one.peer,
    connected: one.connected,
    faultInForce: one.fault !== null,
    outbound: direction(one.outbound),
    inbound: direction(one.inbound),
  }));
}

function direction(counters: DirectionCounters): LinkDirectionEvidence {
  const { frames, framesHeld, framesDelayed, framesLost, framesReleased } = counters;
  const { framesWaiting, handshakesBlocked } = counters;
  return {
    frames,
    framesHeld,
    framesDelayed,
    framesLost,
    framesReleased,
    framesWaiting,
    handshakesBlocked,
  };
}
