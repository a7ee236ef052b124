import { FaultScheduleError } from './errors.ts';
import type { Role } from './role.ts';
import { FAULT_KINDS, type FaultEntry, type FaultKind } from './schedule.ts';

/** Where replicas run: a process each, a worker thread each, or in the simulator. */
export type FaultRuntime = 'process' | 'worker' | 'sim';

/** All runtimes. */
export const FAULT_RUNTIMES: readonly FaultRuntime[] = ['process', 'worker', 'sim'];

/** How a runtime brings a fault about, for the label; or null and why it cannot. */
export type FaultMeans =
  | { readonly method: string; readonly impossible: null }
  | { readonly method: null; readonly impossible: string };

const by = (method: string): FaultMeans => ({ method, impossible: null });
const not = (impossible: string): FaultMeans => ({ method: null, impossible });

const LINK_MEANS = {
  process: by('link-counters'),
  worker: by('link-counters'),
  sim: by('link-counters'),
};
const DISK = 'disk faults come later, through the port of the log';
const CLOCK = 'replicas of one machine share its clock';
const VIRTUAL_CLOCK = 'the clocks of a simulated cluster all show one virtual time';

/** What each runtime can do. A pair that is impossible is refused before anything starts. */
export const FAULTS_BY_RUNTIME: {
  readonly [kind in FaultKind]: { readonly [runtime in FaultRuntime]: FaultMeans };
} = {
  kill: { process: by('SIGKILL'), worker: by('thread terminated'), sim: by('process ended') },
  restart: { process: by('new process'), worker: by('new thread'), sim: by('new process') },
  pause: { process: by('SIGSTOP'), worker: by('event loop blocked'), sim: by('process stopped') },
  cut: LINK_MEANS,
  partition: LINK_MEANS,
  link: LINK_MEANS,
  disk: { process: not(DISK), worker: not(DISK), sim: by('slower syncs') },
  clock: { process: not(CLOCK), worker: not(CLOCK), sim: not(VIRTUAL_CLOCK) },
};

/** Why `kind` cannot be had in `runtime`, in one line, or null when it can. */
export function faultRefusal(kind: FaultKind, runtime: FaultRuntime): string | null {
  const { impossible } = FAULTS_BY_RUNTIME[kind][runtime];
  if (impossible === null) return null;
  const possible = FAULT_KINDS.filter((k) => FAULTS_BY_RUNTIME[k][runtime].impossible === null);
  return `impossible with runtime ${runtime}: ${impossible}; allowed: ${possible.join(', ')}`;
}

/**
 * Refuses a schedule that this cluster cannot carry out: a fault impossible in the runtime, a node
 * or a follower that does not exist, or a restart that nothing was killed for. Throws
 * {@link FaultScheduleError}; nothing may be started before this was asked.
 */
export function checkSchedule(
  entries: readonly FaultEntry[],
  cluster: { readonly runtime: FaultRuntime; readonly nodes: number },
): void {
  for (const { place, action } of entries) {
    const refusal = faultRefusal(action.kind, cluster.runtime);
    if (refusal !== null) throw new FaultScheduleError([place, action.kind], refusal);
    for (const role of rolesOf({ action })) checkRole(role, cluster.nodes, place, action.kind);
    if (action.kind !== 'restart' || action.target.kind !== 'killed') continue;
    if (!entries.some((other) => other.action.kind === 'kill')) {
      throw new FaultScheduleError([place, 'restart'], 'nothing is killed; allowed: after a kill');
    }
  }
}

/** All roles that a fault names, in the order in which it names them. */
export function rolesOf({ action }: Pick<FaultEntry, 'action'>): readonly Role[] {
  switch (action.kind) {
    case 'kill':
    case 'restart':
    case 'pause':
      return [action.target];
    case 'cut':
      return [action.from, action.to];
    case 'partition':
      return action.groups.flat();
    case 'link':
      return action.between;
    case 'disk':
      return [action.on];
    default:
      return [];
  }
}

function checkRole(role: Role, nodes: number, place: number, kind: FaultKind): void {
  if (role.kind === 'node' && role.node > nodes) {
    const problem = `there is no node ${role.node}; allowed: node 1 to node ${nodes}`;
    throw new FaultScheduleError([place, kind], problem);
  }
  if (role.kind === 'followerAt' && role.place > nodes - 2) {
    const allowed = nodes < 2 ? 'none, one node has no followers' : `up to followers[${nodes - 2}]`;
    const problem = `there is no followers[${role.place}]; allowed: ${allowed}`;
    throw new FaultScheduleError([place, kind], problem);
  }
}
