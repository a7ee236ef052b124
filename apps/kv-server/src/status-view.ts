import type { Replica } from '@quorate/replica';
import type { MemberBook } from './member-book.ts';
import type { ServerOptions } from './server-options.ts';
import type { MemberView, StatusView } from './service.ts';

/** The answer of `GET /api/cluster/status`, from what this replica knows now. */
export function statusView(options: ServerOptions, replica: Replica, book: MemberBook): StatusView {
  const status = replica.status();
  const { engine } = status;
  const { leader } = engine;
  return {
    clusterId: options.clusterId,
    id: options.id,
    protocol: options.protocol.name,
    variants: { ...options.protocol.variants, ...options.settings.variants },
    role: engine.role,
    phase: engine.phase,
    round: engine.round,
    leader: leader === null ? null : { id: leader, http: book.httpAddress(leader) },
    commitIndex: engine.commitIndex,
    appliedIndex: status.appliedIndex,
    lastIndex: engine.lastIndex,
    snapshotIndex: engine.snapshotIndex,
    members: engine.membership.current.voters.map((member): MemberView => {
      const http = book.httpAddress(member.id);
      const peer = engine.peers.find((one) => one.id === member.id);
      if (peer !== undefined) {
        return { id: member.id, http, state: peer.state, matchIndex: peer.matchIndex };
      }
      const state = member.id === leader ? 'leader' : 'voter';
      return { id: member.id, http, state };
    }),
    health: healthOf(status.stopped, status.restoring, status.hasSpace, leader !== null),
  };
}

function healthOf(
  stopped: boolean,
  restoring: boolean,
  hasSpace: boolean,
  hasLeader: boolean,
): StatusView['health'] {
  if (stopped) return 'stopped';
  if (restoring) return 'restoring';
  if (!hasSpace) return 'no_space';
  return hasLeader ? 'ok' : 'no_leader';
}
