import { assert, type Random, unreachable } from '@quorate/foundation';
import { type DocumentPath, FaultScheduleError } from './errors.ts';

/**
 * Whom a fault meets, written as a role so that one schedule fits each protocol:
 * `leader`; `followers[0]`, the first live follower by node number, and so on; `follower`, one of
 * them by seed; `followers`, all of them; `any`, a live node by seed; `killed`, those now down;
 * `rest`, those that the fault does not name otherwise; `all`; `node 2`, this node.
 */
export type Role =
  | { readonly kind: 'leader' | 'followers' | 'follower' | 'any' | 'killed' | 'rest' | 'all' }
  | { readonly kind: 'followerAt'; readonly place: number }
  | { readonly kind: 'node'; readonly node: number };

/** What a schedule may write as a role. */
export const ROLES_ALLOWED =
  'leader, follower, followers, followers[0], any, killed, rest, all, or node 1';

const PLAIN_ROLES = ['leader', 'followers', 'follower', 'any', 'killed', 'rest', 'all'] as const;

/** Reads a role; throws {@link FaultScheduleError} that says what is allowed. */
export function parseRole(value: unknown, path: DocumentPath): Role {
  if (typeof value === 'string') {
    const plain = PLAIN_ROLES.find((name) => name === value);
    if (plain !== undefined) return { kind: plain };
    const place = /^followers\[(\d{1,3})\]$/.exec(value)?.[1];
    if (place !== undefined) return { kind: 'followerAt', place: Number(place) };
    const node = /^node ([1-9]\d{0,3})$/.exec(value)?.[1];
    if (node !== undefined) return { kind: 'node', node: Number(node) };
  }
  throw new FaultScheduleError(
    path,
    `${JSON.stringify(value)} is no role; allowed: ${ROLES_ALLOWED}`,
  );
}

/** A role as a schedule writes it; the inverse of {@link parseRole}. */
export function showRole(role: Role): string {
  if (role.kind === 'followerAt') return `followers[${role.place}]`;
  if (role.kind === 'node') return `node ${role.node}`;
  return role.kind;
}

/** What the harness knows of one replica when a fault is due. */
export interface NodePicture {
  readonly node: number;
  /** False while it is killed. A paused replica is alive. */
  readonly alive: boolean;
  readonly leads: boolean;
  /** Its term, ballot or epoch, as a number; of several that claim to lead, the highest counts. */
  readonly round: number;
}

/** The cluster as it was seen when roles were resolved. */
export interface StatusPicture {
  readonly nodes: readonly NodePicture[];
}

/** The nodes that a role meant, with the sentence for the record; or why there was none. */
export type ResolvedRole =
  | { readonly nodes: readonly number[]; readonly sentence: string }
  | { readonly nodes: null; readonly reason: string };

/** The node that leads with the highest round, or null. */
export function leaderOf(picture: StatusPicture): NodePicture | null {
  let leader: NodePicture | null = null;
  for (const node of picture.nodes) {
    if (node.alive && node.leads && (leader === null || node.round > leader.round)) leader = node;
  }
  return leader;
}

/**
 * Resolves a role against a picture of the cluster. `named` are the nodes that the same fault names
 * elsewhere, for `rest`. A role that nobody holds resolves to a reason: the fault is then excluded,
 * or asked for again when the picture has changed.
 */
export function resolveRole(
  role: Role,
  picture: StatusPicture,
  random: Random,
  named: ReadonlySet<number> = new Set(),
): ResolvedRole {
  const ordered = [...picture.nodes].sort((a, b) => a.node - b.node);
  const leader = leaderOf(picture);
  const live = ordered.filter(({ alive }) => alive);
  const followers = live.filter(({ node }) => node !== leader?.node);
  const some = (nodes: readonly NodePicture[], what: string): ResolvedRole =>
    nodes.length === 0
      ? { nodes: null, reason: `there was no ${what}` }
      : resolved(nodes, `${what} was`, leader);
  const one = (nodes: readonly NodePicture[], what: string): ResolvedRole =>
    some(nodes.length === 0 ? [] : nodes.slice(random.below(nodes.length)).slice(0, 1), what);
  const followerRole = role.kind === 'followerAt' || role.kind.startsWith('follower');
  if (followerRole && leader === null) return { nodes: null, reason: 'there was no leader' };
  switch (role.kind) {
    case 'leader':
      return some(leader === null ? [] : [leader], 'leader');
    case 'followers':
      return some(followers, 'followers');
    case 'follower':
      return one(followers, 'follower');
    case 'followerAt':
      return some(followers.slice(role.place, role.place + 1), showRole(role));
    case 'any':
      return one(live, 'live node');
    case 'killed':
      return some(
        ordered.filter(({ alive }) => !alive),
        'killed node',
      );
    case 'rest':
      return some(
        ordered.filter(({ node }) => !named.has(node)),
        'rest',
      );
    case 'all':
      return some(ordered, 'nodes');
    case 'node':
      return some(
        ordered.filter(({ node }) => node === role.node),
        showRole(role),
      );
    default:
      return unreachable(role, 'unknown role');
  }
}

function resolved(
  nodes: readonly NodePicture[],
  subject: string,
  leader: NodePicture | null,
): ResolvedRole {
  assert(nodes.length > 0, 'somebody holds the role');
  const names = nodes.map(({ node }) => node);
  const which = names.length === 1 ? `node ${names[0]}` : `nodes ${names.join(', ')}`;
  const round = leader === null ? '' : ` in round ${leader.round}`;
  return { nodes: names, sentence: `${subject} ${which}${round}` };
}
