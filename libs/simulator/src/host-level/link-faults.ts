import type { NodeId } from '@quorate/consensus';
import type { Random } from '@quorate/foundation';
import type { LinkEffect } from './link-effects.ts';

/** What a fault of links needs to know. */
export interface LinkFaultTarget {
  readonly ids: readonly NodeId[];
  /** The node that it strikes; often the leader. */
  readonly node: NodeId;
  readonly random: Random;
}

/** The kinds of faults that are made of links alone. */
export type LinkFaultKind =
  | 'isolate'
  | 'oneWayCut'
  | 'partition'
  | 'partialPartition'
  | 'delay'
  | 'loss'
  | 'clog'
  | 'leaveBehind'
  | 'duplication'
  | 'reordering';

const DELAY_MAX_MICROS = 300_000;
const LOSS_MAX = 0.4;
const DUPLICATION_MAX = 0.8;
const REORDERING_MAX = 0.8;

/** The links that a fault of one kind harms, and how. */
export function linksOf(kind: LinkFaultKind, target: LinkFaultTarget): LinkEffect[] {
  const { ids, node, random } = target;
  const others = ids.filter((id) => id !== node);
  switch (kind) {
    case 'isolate':
      return isolation(ids, node);
    case 'oneWayCut':
      return oneWay(node, others, random);
    case 'partition':
      return partition(ids, random);
    case 'partialPartition':
      return partialPartition(ids, node, random);
    case 'delay': {
      const delayMicros = 1 + random.below(DELAY_MAX_MICROS);
      return allWays(ids)
        .filter(() => random.below(3) > 0)
        .map((way) => ({ ...way, delayMicros }));
    }
    case 'loss': {
      const loss = random.fraction() * LOSS_MAX;
      return allWays(ids).map((way) => ({ ...way, loss }));
    }
    case 'leaveBehind':
      return leaveBehind(ids, random);
    case 'duplication': {
      const duplication = random.fraction() * DUPLICATION_MAX;
      return allWays(ids).map((way) => ({ ...way, duplication }));
    }
    case 'reordering': {
      const reordering = random.fraction() * REORDERING_MAX;
      return allWays(ids).map((way) => ({ ...way, reordering }));
    }
    case 'clog':
      return allWays(ids)
        .filter(() => random.below(3) === 0)
        .map((way) => ({ ...way, cut: true }));
  }
}

function bothWays(a: NodeId, b: NodeId): LinkEffect[] {
  return [
    { from: a, to: b, cut: true },
    { from: b, to: a, cut: true },
  ];
}

function allWays(ids: readonly NodeId[]): { from: NodeId; to: NodeId }[] {
  return ids.flatMap((from) => ids.filter((to) => to !== from).map((to) => ({ from, to })));
}

/** The node speaks and is not heard, or hears and cannot speak; to one peer or to all. */
function oneWay(node: NodeId, others: readonly NodeId[], random: Random): LinkEffect[] {
  const mute = random.below(2) === 0;
  const one = others[random.below(others.length)] as NodeId;
  const peers = random.below(2) === 0 ? others : [one];
  return peers.map((peer) => {
    return mute ? { from: node, to: peer, cut: true } : { from: peer, to: node, cut: true };
  });
}

/** One node, any, hears nothing for so long that only a snapshot brings it up to date. */
function leaveBehind(ids: readonly NodeId[], random: Random): LinkEffect[] {
  return isolation(ids, ids[random.below(ids.length)] as NodeId);
}

/** All links of one node, both ways. */
export function isolation(ids: readonly NodeId[], node: NodeId): LinkEffect[] {
  return ids.filter((id) => id !== node).flatMap((id) => bothWays(node, id));
}

/**
 * A client that reaches no replica, all but the leader, or the leader only, or of which only one
 * direction works; `repliesLost`: every request arrives and no answer.
 */
export function cutClient(
  kind: 'clientCut' | 'repliesLost',
  target: {
    readonly ids: readonly NodeId[];
    readonly client: NodeId;
    readonly leader: NodeId | null;
    readonly random: Random;
  },
): LinkEffect[] {
  const { ids, client, leader, random } = target;
  if (kind === 'repliesLost') return ids.map((id) => ({ from: id, to: client, cut: true }));
  const shape = random.below(5);
  const from = ids.filter((id) => (shape === 0 ? id === leader : shape !== 1 || id !== leader));
  return from.flatMap((id) => [
    { from: client, to: id, cut: shape !== 2 },
    { from: id, to: client, cut: shape !== 3 },
  ]);
}

function partition(ids: readonly NodeId[], random: Random): LinkEffect[] {
  const left = ids.filter(() => random.below(2) === 0);
  const right = ids.filter((id) => !left.includes(id));
  return left.flatMap((a) => right.flatMap((b) => bothWays(a, b)));
}

/** Topologies in which nodes disagree about who is reachable: hub, chain, ring, or any matrix. */
function partialPartition(ids: readonly NodeId[], node: NodeId, random: Random): LinkEffect[] {
  const shape = random.below(4);
  const place = new Map(ids.map((id, i) => [id, i] as const));
  const apart = (a: NodeId, b: NodeId): number =>
    Math.abs((place.get(a) as number) - (place.get(b) as number));
  const joined = (a: NodeId, b: NodeId): boolean => {
    if (shape === 0) return a === node || b === node;
    if (shape === 1) return apart(a, b) === 1;
    if (shape === 2) return apart(a, b) === 1 || apart(a, b) === ids.length - 1;
    return random.below(2) === 0;
  };
  return ids.flatMap((a) =>
    ids.filter((b) => a < b && !joined(a, b)).flatMap((b) => bothWays(a, b)),
  );
}
