import { createRandom, type Random } from '@quorate/foundation';
import { type Role, resolveRole, type StatusPicture, showRole } from './role.ts';
import type { FaultAction, FaultEntry } from './schedule.ts';

/** One fault with its drawn time: entry and repetition made definite, roles not yet. */
export interface PlannedFault {
  /** Unique in the run: `f<entry>` or `f<entry>.<repetition>`, both counted from 1. */
  readonly id: string;
  /** Milliseconds since the start of the probe load. */
  readonly atMs: number;
  readonly action: FaultAction;
  /** `kill-leader`, `pause-follower`, `partition`: what selectors and legends call it. */
  readonly label: string;
}

/** What to do at one time: bring a fault about, or end one. */
export interface PlanStep {
  readonly atMs: number;
  readonly do: 'install' | 'heal';
  readonly fault: PlannedFault;
}

/**
 * Makes a schedule definite: repetitions written out, jitter drawn from `seed`, ends added, all in
 * order of time. Equal seeds give equal plans, whatever the protocol; an entry's draws do not
 * depend on the other entries. A `heal` of a kill is a restart of the same node.
 */
export function planFaults(entries: readonly FaultEntry[], seed: number | string): PlanStep[] {
  const root = createRandom(seed).split('faults');
  const steps: PlanStep[] = [];
  for (const entry of entries) {
    const random = root.split(`entry ${entry.place}`);
    for (let repetition = 0; repetition < entry.times; repetition++) {
      const base = entry.atMs + repetition * (entry.everyMs ?? 0);
      const atMs = base + random.fraction() * entry.jitterMs;
      const suffix = entry.times === 1 ? '' : `.${repetition + 1}`;
      const id = `f${entry.place + 1}${suffix}`;
      const fault = { id, atMs, action: entry.action, label: faultLabel(entry.action) };
      steps.push({ atMs, do: 'install', fault });
      const lastsMs = lasting(entry.action);
      if (lastsMs !== null) steps.push({ atMs: atMs + lastsMs, do: 'heal', fault });
    }
  }
  // The sort is stable: at one time the order of the schedule holds.
  return steps.sort((a, b) => a.atMs - b.atMs);
}

/** The name of a fault in selectors and legends: `kill-leader`, `cut-one-way`, `partition`. */
export function faultLabel(action: FaultAction): string {
  switch (action.kind) {
    case 'kill':
    case 'restart':
    case 'pause':
      return `${action.kind}-${showRole(action.target)
        .replaceAll(/[[\] ]+/g, '-')
        .replace(/-$/, '')}`;
    case 'cut':
      return action.direction === 'both' ? 'cut' : 'cut-one-way';
    default:
      return action.kind;
  }
}

/** A directed pair of nodes: what goes from one to the other. */
export interface Link {
  readonly from: number;
  readonly to: number;
}

/** A fault whose roles have become nodes; or why they could not. */
export type ResolvedFault =
  | {
      readonly excludedReason: null;
      /** The nodes whose process or disk is meant; of link faults all that take part. */
      readonly nodes: readonly number[];
      /** For link faults, the directed links that are affected. */
      readonly links: readonly Link[];
      /** For the record, such as "leader was node 3 in round 7". */
      readonly sentence: string;
    }
  | { readonly excludedReason: string };

/** Resolves the roles of a fault against the cluster as it is at this moment. */
export function resolveFault(
  action: FaultAction,
  picture: StatusPicture,
  random: Random,
): ResolvedFault {
  const groups = roleGroups(action);
  const named = new Set<number>();
  const resolvedGroups: number[][] = groups.map(() => []);
  const sentences: string[] = [];
  // "rest" means what is left once all others are known, so it is resolved last.
  for (const isRest of [false, true]) {
    for (const [place, group] of groups.entries()) {
      for (const role of group.filter(({ kind }) => (kind === 'rest') === isRest)) {
        const resolved = resolveRole(role, picture, random, named);
        if (resolved.nodes === null) return { excludedReason: resolved.reason };
        resolvedGroups[place]?.push(...resolved.nodes);
        sentences.push(resolved.sentence);
      }
    }
    for (const node of resolvedGroups.flat()) named.add(node);
  }
  const links = linksOf(action, resolvedGroups);
  if (links !== null && links.length === 0) {
    return { excludedReason: 'the roles left no link between two nodes' };
  }
  const nodes = [...named].sort((a, b) => a - b);
  return { excludedReason: null, nodes, links: links ?? [], sentence: sentences.join('; ') };
}

function roleGroups(action: FaultAction): readonly (readonly Role[])[] {
  switch (action.kind) {
    case 'cut':
      return [[action.from], [action.to]];
    case 'partition':
      return action.groups;
    case 'link':
      return action.between.map((role) => [role]);
    case 'kill':
    case 'restart':
    case 'pause':
      return [[action.target]];
    case 'disk':
      return [[action.on]];
    default:
      return [];
  }
}

function linksOf(action: FaultAction, groups: readonly (readonly number[])[]): Link[] | null {
  const { kind } = action;
  if (kind !== 'cut' && kind !== 'partition' && kind !== 'link') return null;
  const links = new Map<string, Link>();
  const connect = (sources: readonly number[], targets: readonly number[]): void => {
    for (const from of sources) {
      for (const to of targets) if (from !== to) links.set(`${from} ${to}`, { from, to });
    }
  };
  const [only] = groups;
  if (groups.length === 1 && only !== undefined) connect(only, only);
  const oneWay = kind === 'cut' && action.direction === 'one-way';
  for (const [a, sources] of groups.entries()) {
    for (const [b, targets] of groups.entries()) {
      if (a < b || (a > b && !oneWay)) connect(sources, targets);
    }
  }
  return [...links.values()];
}

function lasting(action: FaultAction): number | null {
  if (action.kind === 'kill') return action.restartAfterMs;
  return 'forMs' in action ? action.forMs : null;
}
