import { setTimeout } from 'node:timers/promises';
import { type Cluster, type Evidence, type LinkEvidence, monotonicMicros } from '@quorate/cluster';
import {
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

/** What a driver of faults works with. */
export interface FaultDriverOptions {
  readonly cluster: Cluster;
  readonly steps: readonly PlanStep[];
  readonly block: number;
  readonly random: Random;
  /** CLOCK_MONOTONIC microseconds: time 0 of the run, and of the schedule. */
  readonly runOriginMicros: number;
  readonly scheduleOriginMicros: number;
  /** Told one line a fault, for people. */
  readonly onLine: (line: string) => void;
  /** Ends the schedule early: what is under way is awaited, nothing else begins. */
  readonly signal: AbortSignal;
}

/** Link counters are asked for this long after a fault for proof that it holds frames up. */
const LINK_PROOF_MS = 2_000;
const POLL_MS = 10;
/** A restarted replica must have applied what was committed at its restart within this time. */
const CATCH_UP_MS = 10_000;
/** Slower than other polls: a status digests the state of every replica. */
const CATCH_UP_POLL_MS = 25;
/** A role that nobody holds just now is looked for again for this long. */
const ROLE_WAIT_MS = 3_000;

type Known = Extract<ResolvedFault, { readonly excludedReason: null }>;

/** Evidence of the cluster, or what the driver has seen beyond it. */
type Proof = Omit<Evidence, 'method'> & { readonly method: string };

interface Active {
  readonly trace: FaultTrace;
  readonly mustHeal: boolean;
  resolved: Known | null;
  /** Sums of what the links had held, delayed, lost before the fault. */
  before: Map<string, number>;
  installing: Promise<void>;
}

/**
 * Carries a fault plan out against a running cluster. What it does not see take effect, it records
 * as not proven; it never takes a request for a fact.
 */
export class FaultDriver {
  private readonly options: FaultDriverOptions;
  private readonly active = new Map<string, Active>();
  private readonly killed = new Set<number>();

  constructor(options: FaultDriverOptions) {
    this.options = options;
  }

  /** Runs the whole plan; resolves with the records in the order of the faults. */
  async run(): Promise<FaultRecord[]> {
    const running: Promise<void>[] = [];
    try {
      for (const step of this.options.steps) {
        await this.sleepUntil(step.atMs);
        // A step may outlast the next one's time; only steps of one fault wait for each other.
        running.push(step.do === 'install' ? this.begin(step.fault) : this.finish(step.fault));
      }
    } finally {
      await Promise.all(running);
    }
    return [...this.active.values()].map(({ trace, mustHeal }) => trace.record(mustHeal));
  }

  private async sleepUntil(atMs: number): Promise<void> {
    const { signal, scheduleOriginMicros } = this.options;
    const leftMs = atMs - (monotonicMicros() - scheduleOriginMicros) / 1000;
    if (leftMs > 0) await setTimeout(leftMs, undefined, { signal });
    signal.throwIfAborted();
  }

  private sinceRunMs(atMicros: number): number {
    return (atMicros - this.options.runOriginMicros) / 1000;
  }

  private begin(fault: PlannedFault): Promise<void> {
    const requestedMs = this.sinceRunMs(monotonicMicros());
    const mustHeal = this.options.steps.some((one) => one.fault === fault && one.do === 'heal');
    const trace = new FaultTrace(fault, this.options.block, requestedMs);
    const active: Active = {
      ...{ trace, mustHeal, resolved: null, before: new Map() },
      installing: Promise.resolve(),
    };
    this.active.set(fault.id, active);
    active.installing = this.install(fault, active).catch((error: unknown) => {
      trace.failed(reasonOf(error));
      this.options.onLine(`${fault.id} ${fault.label}: not proven: ${reasonOf(error)}`);
    });
    return active.installing;
  }

  private async finish(fault: PlannedFault): Promise<void> {
    const active = this.active.get(fault.id);
    if (active === undefined) return;
    await active.installing;
    if (active.resolved === null) return;
    try {
      const evidence = await this.heal(fault.action, active.resolved, active);
      active.trace.healed(this.traced(evidence));
    } catch (error) {
      active.trace.failed(`healing: ${reasonOf(error)}`);
    }
  }

  private async install(fault: PlannedFault, active: Active): Promise<void> {
    const { picture, resolved } = await this.resolve(fault.action);
    const round = Math.max(0, ...picture.nodes.map((node) => (node.leads ? node.round : 0)));
    active.trace.resolvedTo(resolved, round);
    if (resolved.excludedReason !== null) throw new Error(resolved.excludedReason);
    active.resolved = resolved;
    const evidence = await this.apply(fault.action, resolved, active);
    active.trace.installed(this.traced(evidence));
    const at = (this.sinceRunMs(evidence.atMicros) / 1000).toFixed(2);
    this.options.onLine(`${fault.id} ${fault.label} at ${at} s: ${resolved.sentence}`);
  }

  private traced(evidence: Proof): { method: string; atMs: number; detail: string } {
    const { method, detail, atMicros } = evidence;
    return { method, detail, atMs: this.sinceRunMs(atMicros) };
  }

  /** Resolves roles against the cluster, and again while somebody is missing. */
  private async resolve(
    action: FaultAction,
  ): Promise<{ picture: StatusPicture; resolved: ResolvedFault }> {
    const deadline = performance.now() + ROLE_WAIT_MS;
    for (;;) {
      this.options.signal.throwIfAborted();
      const picture = await this.picture();
      const resolved = resolveFault(action, picture, this.options.random);
      if (resolved.excludedReason === null || performance.now() > deadline) {
        return { picture, resolved };
      }
      await setTimeout(POLL_MS);
    }
  }

  private async picture(): Promise<StatusPicture> {
    const { cluster } = this.options;
    const statuses = await cluster.statuses();
    const nodes = cluster.description.nodeIds.map((node) => {
      const seen = statuses.find((status) => status.id === node);
      const leads = seen?.role === 'leader' && seen.serving;
      return { node, alive: cluster.running.includes(node), leads, round: seen?.round ?? 0 };
    });
    return { nodes: nodes.sort((a, b) => a.node - b.node) };
  }

  private async apply(action: FaultAction, resolved: Known, active: Active): Promise<Proof> {
    const { cluster } = this.options;
    switch (action.kind) {
      case 'kill':
        return latest(
          await Promise.all(
            resolved.nodes.map((node) => {
              this.killed.add(node);
              return cluster.kill(node);
            }),
          ),
        );
      case 'restart':
        return latest(await Promise.all(resolved.nodes.map((node) => this.restart(node))));
      case 'pause': {
        const micros = action.forMs * 1000;
        return latest(await Promise.all(resolved.nodes.map((node) => cluster.pause(node, micros))));
      }
      case 'cut':
      case 'partition':
      case 'link':
        return this.applyLinks(action, resolved, active);
      default:
        throw new Error(`${action.kind} faults are not possible here`);
    }
  }

  private async heal(action: FaultAction, resolved: Known, active: Active): Promise<Proof> {
    const { cluster } = this.options;
    switch (action.kind) {
      case 'kill':
        return latest(await Promise.all(resolved.nodes.map((node) => this.restart(node))));
      case 'pause':
        return latest(await Promise.all(resolved.nodes.map((node) => cluster.resume(node))));
      default:
        return this.healLinks(resolved, active);
    }
  }

  /**
   * Starts a replica again. It has recovered once it has applied all that the cluster had committed
   * when it was ready: a process that runs and knows nothing is no member yet.
   */
  private async restart(node: number): Promise<Proof> {
    const { cluster, signal } = this.options;
    const ready = await cluster.restart(node);
    this.killed.delete(node);
    let target: number | null = null;
    const deadline = performance.now() + CATCH_UP_MS;
    for (;;) {
      signal.throwIfAborted();
      const statuses = await cluster.statuses();
      target ??= Math.max(0, ...statuses.map(({ commitIndex }) => commitIndex));
      const applied = statuses.find(({ id }) => id === node)?.appliedIndex ?? 0;
      if (applied >= target) {
        const readyAt = (this.sinceRunMs(ready.atMicros) / 1000).toFixed(2);
        const detail =
          `${ready.detail} at ${readyAt} s; ` +
          `it has applied ${applied}, the cluster had committed ${target} by then`;
        return { method: 'caught-up', detail, atMicros: monotonicMicros() };
      }
      if (performance.now() > deadline) {
        throw new Error(`replica ${node} has applied ${applied} of ${target} after its restart`);
      }
      await setTimeout(CATCH_UP_POLL_MS);
    }
  }

  private async applyLinks(
    action: Extract<FaultAction, { readonly kind: 'cut' | 'partition' | 'link' }>,
    resolved: Known,
    active: Active,
  ): Promise<Proof> {
    active.before = await this.affected(resolved);
    for (const { from, to } of resolved.links) {
      await this.options.cluster.setLinkFault(from, to, linkFault(action));
    }
    const atMicros = monotonicMicros(); // From here on every link named obeys the fault.
    const deadline = performance.now() + LINK_PROOF_MS;
    for (;;) {
      const now = await this.affected(resolved);
      const touched = [...now].map(([link, frames]) => [
        link,
        frames - (active.before.get(link) ?? 0),
      ]);
      const total = touched.reduce((sum, [, frames]) => sum + (frames as number), 0);
      if (total > 0) {
        const detail = touched.map(([link, frames]) => `${link}: ${frames} frames`).join(', ');
        return { method: 'link-counters', detail, atMicros };
      }
      if (performance.now() > deadline) throw new Error('no frame met the fault');
      await setTimeout(POLL_MS);
    }
  }

  private async healLinks(resolved: Known, active: Active): Promise<Proof> {
    for (const { from, to } of resolved.links) {
      await this.options.cluster.setLinkFault(from, to, null);
    }
    const atMicros = monotonicMicros();
    const deadline = performance.now() + LINK_PROOF_MS;
    for (;;) {
      const links = await this.linkEvidence(resolved);
      const clear = links.every(
        ({ evidence }) => !evidence.faultInForce && evidence.outbound.framesWaiting === 0,
      );
      if (clear) {
        const now = await this.affected(resolved);
        const frames = [...now].map(
          ([link, total]) => `${link}: ${total - (active.before.get(link) ?? 0)} frames`,
        );
        const detail = `no fault in force, nothing waits; met the fault: ${frames.join(', ')}`;
        return { method: 'link-counters', detail, atMicros };
      }
      if (performance.now() > deadline) throw new Error('frames still wait on a link');
      await setTimeout(POLL_MS);
    }
  }

  private async linkEvidence(
    resolved: Known,
  ): Promise<{ readonly from: number; readonly to: number; readonly evidence: LinkEvidence }[]> {
    const senders = [...new Set(resolved.links.map(({ from }) => from))];
    const found: { from: number; to: number; evidence: LinkEvidence }[] = [];
    for (const from of senders) {
      if (!this.options.cluster.running.includes(from)) continue;
      for (const evidence of await this.options.cluster.links(from)) {
        const wanted = resolved.links.some((one) => one.from === from && one.to === evidence.peer);
        if (wanted) found.push({ from, to: evidence.peer, evidence });
      }
    }
    return found;
  }

  /** Frames that a fault has touched so far, by link. */
  private async affected(resolved: Known): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    for (const { from, to, evidence } of await this.linkEvidence(resolved)) {
      const { framesHeld, framesDelayed, framesLost, handshakesBlocked } = evidence.outbound;
      counts.set(`${from}->${to}`, framesHeld + framesDelayed + framesLost + handshakesBlocked);
    }
    return counts;
  }
}

function linkFault(action: Extract<FaultAction, { readonly kind: 'cut' | 'partition' | 'link' }>) {
  if (action.kind !== 'link') return { direction: 'outbound', cut: true } as const;
  return {
    direction: 'outbound',
    delayMicros: action.delayMs * 1000,
    jitterMicros: action.jitterMs * 1000,
    lossFraction: action.lossShare,
  } as const;
}

function latest(all: readonly Proof[]): Proof {
  const sorted = [...all].sort((a, b) => a.atMicros - b.atMicros);
  const last = sorted.at(-1);
  if (last === undefined) throw new Error('the role named nobody');
  return { ...last, detail: sorted.map(({ detail }) => detail).join('; ') };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
