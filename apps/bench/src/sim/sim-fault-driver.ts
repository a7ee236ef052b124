import {
  type Evidence,
  type FaultAction,
  type FaultRecord,
  FaultTrace,
  type PlannedFault,
  type PlanStep,
  type ResolvedFault,
  resolveFault,
  type StatusPicture,
} from '@quorate/faults';
import type { Random } from '@quorate/foundation';
import type { HostCluster } from '@quorate/simulator';
import { type FaultHold, FaultStrike, type StrikeTarget } from './sim-strikes.ts';

/** What a driver of faults on virtual time works with. */
export interface SimFaultDriverOptions<M> {
  readonly cluster: HostCluster<M>;
  /** As `planFaults` makes it; its times count from `start()`. */
  readonly steps: readonly PlanStep[];
  /** For roles that mean one of several; each fault draws from a part of its own. */
  readonly random: Random;
  /** The number of the block, for the records; default 0. */
  readonly block?: number;
  /** Added to the cluster's virtual time in records; default 0. In microseconds. */
  readonly offsetMicros?: number;
  /** Told one line a fault, for people. */
  readonly onLine?: (line: string) => void;
}

/** A role that nobody holds just now is looked for again for this long. */
const ROLE_WAIT_MICROS = 3_000_000;
const ROLE_POLL_MICROS = 10_000;

interface Active {
  readonly fault: PlannedFault;
  readonly trace: FaultTrace;
  readonly mustHeal: boolean;
  /** False until the fault is in force and proven, or has failed. */
  settled: boolean;
  /** The fault was to end while it was still being installed. */
  healDue: boolean;
  healing: boolean;
  hold: FaultHold | null;
}

type Known = Extract<ResolvedFault, { readonly excludedReason: null }>;

/**
 * Carries a fault plan out against simulated replicas, as the driver of real processes does: roles
 * are resolved at the virtual time at which a fault is due, and what is not seen to take effect is
 * recorded as not proven. It knows nothing of load and of run folders.
 *
 * `start()` puts the plan on the cluster's event queue; whoever runs the cluster moves it along.
 */
export class SimFaultDriver<M> {
  private readonly options: SimFaultDriverOptions<M>;
  private readonly active = new Map<string, Active>();
  private stepsLeft: number;

  constructor(options: SimFaultDriverOptions<M>) {
    this.options = options;
    this.stepsLeft = options.steps.length;
  }

  /** Schedules every step of the plan, counted from the cluster's virtual time now. */
  start(): void {
    const { queue } = this.options.cluster.world;
    const startMicros = queue.now();
    for (const step of this.options.steps) {
      queue.schedule(Math.round(startMicros + step.atMs * 1000), () => {
        this.stepsLeft--;
        if (step.do === 'install') this.begin(step.fault);
        else this.finish(step.fault);
      });
    }
  }

  /** True when every step was taken and every fault is settled, its healing included. */
  get isOver(): boolean {
    if (this.stepsLeft > 0) return false;
    return [...this.active.values()].every((one) => one.settled && !one.healDue && !one.healing);
  }

  /** The records in the order in which the faults were due; final once {@link isOver}. */
  get records(): readonly FaultRecord[] {
    return [...this.active.values()].map(({ trace, mustHeal }) => trace.record(mustHeal));
  }

  private get nowMs(): number {
    return (this.options.cluster.world.queue.now() + (this.options.offsetMicros ?? 0)) / 1000;
  }

  private begin(fault: PlannedFault): void {
    const mustHeal = this.options.steps.some((one) => one.fault === fault && one.do === 'heal');
    const trace = new FaultTrace(fault, this.options.block ?? 0, this.nowMs);
    const active: Active = {
      ...{ fault, trace, mustHeal, settled: false },
      ...{ healDue: false, healing: false, hold: null },
    };
    this.active.set(fault.id, active);
    const { queue } = this.options.cluster.world;
    this.resolve(active, queue.now() + ROLE_WAIT_MICROS);
  }

  /** Resolves roles against the cluster, and again while somebody is missing. */
  private resolve(active: Active, deadline: number): void {
    const { cluster, random } = this.options;
    const { queue } = cluster.world;
    const { fault, trace } = active;
    const picture = pictureOf(cluster);
    // The same draw at each try: what a fault draws must not depend on how long it waited.
    const resolved = resolveFault(fault.action, picture, random.split(fault.id));
    if (resolved.excludedReason !== null && queue.now() < deadline) {
      queue.after(ROLE_POLL_MICROS, () => this.resolve(active, deadline));
      return;
    }
    const round = Math.max(0, ...picture.nodes.map((node) => (node.leads ? node.round : 0)));
    trace.resolvedTo(resolved, round);
    if (resolved.excludedReason !== null) this.settle(active, resolved.excludedReason);
    else this.install(active, resolved);
  }

  private install(active: Active, resolved: Known): void {
    const { fault, trace } = active;
    const strike = new FaultStrike(this.target(fault.action, resolved));
    active.hold = strike.install((reason, evidence) => {
      if (evidence !== null) trace.installed(evidence);
      const at = ((evidence?.atMs ?? this.nowMs) / 1000).toFixed(2);
      if (reason === null) {
        this.options.onLine?.(`${fault.id} ${fault.label} at ${at} s: ${resolved.sentence}`);
      }
      this.settle(active, reason);
    });
  }

  private target(action: FaultAction, resolved: Known): StrikeTarget<M> {
    const { nodes, links } = resolved;
    return { cluster: this.options.cluster, action, nodes, links, nowMs: () => this.nowMs };
  }

  /** The fault is in force and proven, or `reason` says why it is not. */
  private settle(active: Active, reason: string | null): void {
    const { fault, trace } = active;
    active.settled = true;
    if (reason !== null) {
      trace.failed(reason);
      this.options.onLine?.(`${fault.id} ${fault.label}: not proven: ${reason}`);
    }
    if (active.healDue) this.heal(active);
  }

  private finish(fault: PlannedFault): void {
    const active = this.active.get(fault.id);
    if (active === undefined) return;
    if (active.settled) this.heal(active);
    else active.healDue = true; // Steps of one fault wait for each other.
  }

  private heal(active: Active): void {
    active.healDue = false;
    const { hold, trace } = active;
    if (hold === null) return; // Nobody was struck.
    active.healing = true;
    hold.heal((reason: string | null, evidence: Evidence | null) => {
      active.healing = false;
      if (evidence !== null && trace.record(false).installedMs !== null) trace.healed(evidence);
      if (reason !== null) trace.failed(`healing: ${reason}`);
    });
  }
}

/** Who lives and who leads, as a harness could ask: a stopped process answers nothing. */
export function pictureOf<M>(cluster: HostCluster<M>): StatusPicture {
  const nodes = cluster.nodes.map((node) => {
    const engine = node.isPaused ? undefined : node.replica?.status().engine;
    const leads = engine?.role === 'leader' && engine.serving;
    return { node: node.id, alive: node.isUp, leads, round: engine?.round ?? 0 };
  });
  return { nodes };
}
