import type { NodeId } from '@quorate/consensus';
import type { Evidence, FaultAction, Link } from '@quorate/faults';
import type { HostCluster, LinkEffect } from '@quorate/simulator';

/** Whom one fault strikes, roles resolved. */
export interface StrikeTarget<M> {
  readonly cluster: HostCluster<M>;
  readonly action: FaultAction;
  readonly nodes: readonly number[];
  readonly links: readonly Link[];
  /** The time for evidence, in milliseconds since the run's start. */
  readonly nowMs: () => number;
}

/** Told once, in a later event: why something could not be proven, or its evidence. */
export type Proven = (reason: string | null, evidence: Evidence | null) => void;

/** A fault that was brought about, and how it is ended. */
export interface FaultHold {
  heal(done: Proven): void;
}

/** Counters are looked at for this long after a fault for proof that something met it. */
const PROOF_MICROS = 2_000_000;
/** A restarted replica must have applied what was committed at its restart within this time. */
const CATCH_UP_MICROS = 10_000_000;
const POLL_MICROS = 1_000;

/** One fault against simulated replicas: brings it about, ends it, and says how that was seen. */
export class FaultStrike<M> {
  private readonly target: StrikeTarget<M>;

  constructor(target: StrikeTarget<M>) {
    this.target = target;
  }

  /** Brings the fault about. `done` is told when it is proven, or cannot be. */
  install(done: Proven): FaultHold | null {
    const { action } = this.target;
    switch (action.kind) {
      case 'kill':
        return this.kill(done);
      case 'restart':
        this.restart(done);
        return null;
      case 'pause':
        return this.pause(done);
      case 'cut':
      case 'partition':
      case 'link':
        return this.harmLinks(done);
      case 'disk':
        return this.stallDisks(action.stallFsyncMs * 1000, done);
      default:
        this.refuse(`${action.kind} faults are not possible here`, done);
        return null;
    }
  }

  private kill(done: Proven): FaultHold {
    const isProven = this.requireRunning(done);
    for (const node of this.struck) node.kill();
    if (isProven) this.prove(this.seen('process-state', `no process on ${this.names}`), done);
    return { heal: (healed) => this.restart(healed) };
  }

  /**
   * Starts the nodes again. They have recovered once they have applied all that the cluster had
   * committed when they were ready: a process that runs and knows nothing is no member yet.
   */
  private restart(done: Proven): void {
    const { cluster } = this.target;
    const running = this.struck.filter((node) => node.isUp).map(({ id }) => id);
    if (running.length > 0) {
      this.refuse(`still running: ${running.join(', ')}`, done);
      return;
    }
    for (const node of this.struck) node.start();
    let readyAtMs: number | null = null;
    let wanted = 0;
    const isCaughtUp = (): boolean => {
      if (this.struck.some(({ replica }) => replica === null)) return false;
      if (readyAtMs === null) {
        readyAtMs = this.target.nowMs();
        const statuses = cluster.nodes.map((node) => node.replica?.status().engine);
        wanted = Math.max(0, ...statuses.map((engine) => engine?.commitIndex ?? 0));
      }
      return this.struck.every(({ replica }) => (replica?.appliedIndex ?? 0) >= wanted);
    };
    this.poll(CATCH_UP_MICROS, isCaughtUp, (caughtUp) => {
      const ready =
        readyAtMs === null ? 'not ready' : `ready at ${(readyAtMs / 1000).toFixed(2)} s`;
      const applied = this.struck.map(({ replica }) => replica?.appliedIndex ?? 0).join(', ');
      const detail =
        `${this.names} ${ready}; applied ${applied}, ` +
        `the cluster had committed ${wanted} by then`;
      if (caughtUp) done(null, this.seen('caught-up', detail));
      else done(`not caught up: ${detail}`, null);
    });
  }

  private pause(done: Proven): FaultHold {
    const isProven = this.requireRunning(done);
    for (const node of this.struck) node.pause();
    if (isProven) this.prove(this.seen('process-state', `${this.names} stopped`), done);
    return {
      heal: (healed) => {
        for (const node of this.struck) node.resume();
        this.prove(this.seen('process-state', `${this.names} runs again`), healed);
      },
    };
  }

  private harmLinks(done: Proven): FaultHold {
    const { cluster, links } = this.target;
    const before = links.map((link) => this.met(link));
    const undo = cluster.effects.install(links.map((link) => this.effectOn(link)));
    const atMs = this.target.nowMs(); // From here on every link named obeys the fault.
    const since = (): number[] => links.map((link, i) => this.met(link) - (before[i] as number));
    const detail = (): string =>
      since()
        .map((met, i) => `${links[i]?.from}->${links[i]?.to}: ${met} pieces`)
        .join(', ');
    this.poll(
      PROOF_MICROS,
      () => since().some((met) => met > 0),
      (proven) => {
        if (proven) done(null, { method: 'link-counters', atMs, detail: detail() });
        else done('nothing met the fault', null);
      },
    );
    const waiting = ({ from, to }: Link): number =>
      cluster.world.network.waiting(from as NodeId, to as NodeId);
    return {
      heal: (healed) => {
        undo();
        const healedMs = this.target.nowMs();
        this.poll(
          PROOF_MICROS,
          () => links.every((link) => waiting(link) === 0),
          (clear) => {
            const text = `nothing waits; met the fault: ${detail()}`;
            if (clear) healed(null, { method: 'link-counters', atMs: healedMs, detail: text });
            else healed('something still waits on a link', null);
          },
        );
      },
    };
  }

  private effectOn(link: Link): LinkEffect {
    const { action } = this.target;
    const way = { from: link.from as NodeId, to: link.to as NodeId };
    if (action.kind !== 'link') return { ...way, cut: true };
    const delayMicros = Math.round(action.delayMs * 1000);
    const jitterMicros = Math.round(action.jitterMs * 1000);
    return { ...way, delayMicros, jitterMicros, loss: action.lossShare };
  }

  /** What faults of a link did to its traffic so far. */
  private met({ from, to }: Link): number {
    const counts = this.target.cluster.world.network.counts(from as NodeId, to as NodeId);
    return counts.held + counts.delayed + counts.resent + counts.dialsBlocked;
  }

  private stallDisks(stallMicros: number, done: Proven): FaultHold {
    const syncs = (): number[] => this.struck.map(({ disk }) => disk.syncCount);
    const before = syncs();
    const stalled = (): number[] => syncs().map((count, i) => count - (before[i] as number));
    for (const { disk } of this.struck) disk.delays.syncMicros += stallMicros;
    const atMs = this.target.nowMs();
    const detail = (): string => `syncs that met the stall: ${stalled().join(', ')}`;
    this.poll(
      PROOF_MICROS,
      () => stalled().some((count) => count > 0),
      (proven) => {
        if (proven) done(null, { method: 'disk-counters', atMs, detail: detail() });
        else done('no sync met the stall', null);
      },
    );
    return {
      heal: (healed) => {
        const met = detail();
        for (const { disk } of this.struck) disk.delays.syncMicros -= stallMicros;
        this.prove(this.seen('disk-counters', `syncs are as fast as before; ${met}`), healed);
      },
    };
  }

  /** Asks until it holds or the time is up, in virtual time. */
  private poll(limitMicros: number, holds: () => boolean, done: (held: boolean) => void): void {
    const { queue } = this.target.cluster.world;
    const deadline = queue.now() + limitMicros;
    const look = (): void => {
      const held = holds();
      if (held || queue.now() >= deadline) done(held);
      else queue.after(POLL_MICROS, look);
    };
    queue.after(0, look);
  }

  /** Refuses the fault when a process that it means is gone already. */
  private requireRunning(done: Proven): boolean {
    const down = this.struck.filter((node) => !node.isUp).map(({ id }) => id);
    if (down.length > 0) this.refuse(`not running: ${down.join(', ')}`, done);
    return down.length === 0;
  }

  private refuse(reason: string, done: Proven): void {
    this.target.cluster.world.queue.after(0, () => done(reason, null));
  }

  private prove(evidence: Evidence, done: Proven): void {
    this.target.cluster.world.queue.after(0, () => done(null, evidence));
  }

  private seen(method: string, detail: string): Evidence {
    return { method, atMs: this.target.nowMs(), detail };
  }

  private get struck() {
    return this.target.nodes.map((node) => this.target.cluster.node(node as NodeId));
  }

  private get names(): string {
    const { nodes } = this.target;
    return nodes.length === 1 ? `node ${nodes[0]}` : `nodes ${nodes.join(', ')}`;
  }
}
