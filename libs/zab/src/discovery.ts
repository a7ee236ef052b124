import type { NodeId } from '@quorate/consensus';
import type { FollowerChannel } from './follower-channel.ts';
import type { AckEpoch } from './messages.ts';
import type { Server } from './server.ts';
import { compareZxid } from './zxid.ts';

/**
 * The epoch that a prospective leader proposes: above every acceptedEpoch that a quorum (itself
 * included) has reported, hence above every epoch that was ever established (DSN'11, section V-B,
 * phase 1). Null until there is a quorum.
 */
export function proposeEpoch(
  server: Server,
  channels: ReadonlyMap<NodeId, FollowerChannel>,
): number | null {
  if (!server.isQuorum((voter) => voter === server.id || channels.has(voter))) return null;
  let highest = Math.max(server.acceptedEpoch, server.epochFloor);
  for (const channel of channels.values()) highest = Math.max(highest, channel.acceptedEpoch);
  return highest + 1;
}

/** True when a quorum, this server's own promise included, supports the proposed epoch. */
export function isEpochSupported(
  server: Server,
  channels: ReadonlyMap<NodeId, FollowerChannel>,
): boolean {
  return server.isQuorum(
    (voter) => voter === server.id || channels.get(voter)?.supportsEpoch === true,
  );
}

/**
 * True when a follower's history is better than the prospective leader's own. The paper lets the
 * leader adopt the best history of its quorum; like ZooKeeper this leader steps down instead, and
 * the election names the better server.
 */
export function isAhead(follower: AckEpoch, server: Server): boolean {
  if (follower.currentEpoch !== server.currentEpoch) {
    return follower.currentEpoch > server.currentEpoch;
  }
  return compareZxid(follower.zxid, server.history.lastZxid) > 0;
}
