import { assert } from '@quorate/foundation';
import type { PlannedFault, ResolvedFault } from './plan.ts';

/** How it was seen that a fault came into force, or ended. */
export interface Evidence {
  /**
   * `exit-signal`, `proc-state`, `link-counters`, `thread-exit`, `event-loop`, `ready-line`,
   * `caught-up`; in the simulator also `process-state` and `disk-counters`.
   */
  readonly method: string;
  /** When it was seen, in milliseconds since the start of the run. */
  readonly atMs: number;
  /** What was seen: `SIGKILL`, `T (stopped)`, `12 frames held`. */
  readonly detail: string;
}

/** The record of one fault, as `run.json` keeps it. Times: milliseconds since the run's start. */
export interface FaultRecord {
  readonly id: string;
  readonly block: number;
  /** The label: `kill-leader`, `partition`. */
  readonly kind: string;
  /** The sentence of the resolved role. */
  readonly role: string | null;
  readonly node: number | null;
  readonly round: number | null;
  readonly requestedMs: number;
  /** At completion, when the fault was in force; null when it never was. */
  readonly installedMs: number | null;
  readonly healedMs: number | null;
  readonly evidence: { readonly install: Evidence | null; readonly heal: Evidence | null };
  /** True when its effect was proven, and its end as well where it has one. */
  readonly proven: boolean;
  /** Why the trial does not count; null when it does. */
  readonly excludedReason: string | null;
}

/** Follows one fault from the request to its record; never calls something proven by default. */
export class FaultTrace {
  private readonly fault: PlannedFault;
  private readonly block: number;
  private readonly requestedMs: number;
  private resolved: ResolvedFault | null = null;
  private round: number | null = null;
  private install: Evidence | null = null;
  private heal: Evidence | null = null;
  private failure: string | null = null;

  constructor(fault: PlannedFault, block: number, requestedMs: number) {
    this.fault = fault;
    this.block = block;
    this.requestedMs = requestedMs;
  }

  /** Notes whom the fault meets, and the leader's round at that time. */
  resolvedTo(resolved: ResolvedFault, round: number | null): void {
    this.resolved = resolved;
    this.round = round;
  }

  /** Notes proof that the fault is in force; the time is that of completion, not of the request. */
  installed(evidence: Evidence): void {
    assert(this.install === null, 'a fault comes into force once');
    assert(evidence.atMs >= this.requestedMs, 'evidence comes after the request');
    this.install = evidence;
  }

  /** Notes proof that the fault has ended. */
  healed(evidence: Evidence): void {
    assert(this.install !== null, 'what never was in force cannot end');
    assert(evidence.atMs >= this.install.atMs, 'the end comes after the effect');
    this.heal = evidence;
  }

  /** Notes why the fault could not be brought about or ended. The first reason stays. */
  failed(reason: string): void {
    this.failure ??= reason;
  }

  /** The record. `mustHeal` is false for a fault that the schedule does not end. */
  record(mustHeal: boolean): FaultRecord {
    const excludedReason = this.exclusion(mustHeal);
    const known = this.resolved?.excludedReason === null ? this.resolved : null;
    return {
      id: this.fault.id,
      block: this.block,
      kind: this.fault.label,
      role: known?.sentence ?? null,
      node: known?.nodes.length === 1 ? (known.nodes[0] ?? null) : null,
      round: this.round,
      requestedMs: this.requestedMs,
      installedMs: this.install?.atMs ?? null,
      healedMs: this.heal?.atMs ?? null,
      evidence: { install: this.install, heal: this.heal },
      proven: excludedReason === null,
      excludedReason,
    };
  }

  private exclusion(mustHeal: boolean): string | null {
    if (this.failure !== null) return this.failure;
    if (this.resolved === null) return 'the role was never resolved';
    if (this.resolved.excludedReason !== null) return this.resolved.excludedReason;
    if (this.install === null) return 'its effect was not proven';
    return mustHeal && this.heal === null ? 'its healing was not proven' : null;
  }
}
