import type { PhaseSummary } from '../loader/messages.ts';
import { cpuMicrosOf, type GaugePair } from './gauges.ts';

/** One load step with what its processes did meanwhile. */
export interface LoadStep {
  readonly phase: PhaseSummary;
  /** Empty when nobody could be asked. */
  readonly replicas: readonly GaugePair[];
  /** What the machine has. */
  readonly cores: number;
  /** Median latency of a sync, measured on the idle machine; null where it is not known. */
  readonly syncMicros: number | null;
}

/** Above this share of late starts, latencies of a step describe the generator as well. */
export const LATE_STARTS_SHARE_MAX = 0.01;
/** A step whose throughput is this close to the offered rate has kept up. */
const FOLLOWED_SHARE = 0.97;
/** A thread this busy has no time left: the rest are gaps shorter than a turn of its loop. */
const BUSY_SHARE = 0.9;
/** All cores together this busy: somebody always waits for a core. */
const MACHINE_BUSY_SHARE = 0.88;
/** Syncs one after the other that fill this much of the time. */
const SYNCING_SHARE = 0.8;
/** On virtual time a service that keeps up ends its last operation this soon after its start. */
const BACKLOG_MS_MAX = 20;

/** True when the service completed what was offered; a closed loop offers no rate to follow. */
export function keptUp({ offeredPerSecond, opsPerSecond }: PhaseSummary): boolean {
  return offeredPerSecond !== null && opsPerSecond >= offeredPerSecond * FOLLOWED_SHARE;
}

/** The share of starts that were late; none can be on virtual time. */
export function lateShare({ starts, missedStarts }: PhaseSummary): number {
  return starts === 0 ? 0 : (missedStarts ?? 0) / starts;
}

/**
 * What held a step back, with the counters that say so; null for an open step that kept up. A
 * closed loop is always held back by something, were it only the time of one round trip.
 */
export function limitOf(step: LoadStep): string | null {
  const { phase } = step;
  const isLate = phase.offeredPerSecond !== null && lateShare(phase) > LATE_STARTS_SHARE_MAX;
  if (keptUp(phase) && !isLate) return null;
  const seconds = (phase.endMicros - phase.startMicros) / 1e6;
  if (seconds <= 0) return null;
  const leads = step.replicas.find((pair) => pair.leads === true);
  const syncs =
    leads === undefined ? 0 : Math.max(0, leads.after.walSyncs - leads.before.walSyncs) / seconds;
  const syncing = step.syncMicros === null ? 0 : (syncs * step.syncMicros) / 1e6;
  const rate = Math.round(syncs).toLocaleString('en-US');
  const each = step.syncMicros === null ? '' : ` of ${(step.syncMicros / 1000).toFixed(2)} ms`;
  const counted = `leader fsyncs/s: ${rate}${each}`;
  if (phase.cpuMicros === null) {
    // On virtual time nothing takes CPU: what is left are the delays of the model, and queues. A
    // short step may offer less than its rate, so what counts is what was left to do at its end.
    const isOpen = phase.offeredPerSecond !== null;
    if (isOpen && seconds * 1000 - phase.plannedMs < BACKLOG_MS_MAX) return null;
    const delays = isOpen ? 'delays' : 'the time of a round trip';
    return `${syncing > SYNCING_SHARE ? 'fsync' : delays} (virtual time; ${counted})`;
  }
  const shares = step.replicas.map((pair) => ({
    leads: pair.leads,
    cpu: (cpuMicrosOf(pair) ?? 0) / 1e6 / seconds,
  }));
  const generator = phase.cpuMicros / 1e6 / seconds;
  const leader = shares.find((one) => one.leads === true);
  const followers = shares.filter((one) => one.leads !== true).map(({ cpu }) => cpu);
  const total = shares.reduce((sum, { cpu }) => sum + cpu, generator);
  const culprit = (): string => {
    if (isLate) return `generator: ${percent(lateShare(phase))} of its starts late`;
    if (generator > BUSY_SHARE) return 'generator CPU';
    if (leader !== undefined && leader.cpu > BUSY_SHARE) return 'leader CPU';
    if (followers.some((cpu) => cpu > BUSY_SHARE)) return 'follower CPU';
    if (total > MACHINE_BUSY_SHARE * step.cores) return `CPU of the machine, ${step.cores} cores`;
    if (syncing > SYNCING_SHARE) return 'fsync';
    return phase.offeredPerSecond === null
      ? 'the time of a round trip: no process was busy'
      : 'waiting: no process was busy';
  };
  const cpu = [
    ...(leader === undefined ? [] : [`leader ${percent(leader.cpu)}`]),
    ...(followers.length === 0 ? [] : [`followers ${followers.map(percent).join(', ')}`]),
    `generator ${percent(generator)}`,
    `together ${percent(total / step.cores)} of ${step.cores} cores`,
  ];
  return `${culprit()} (of a core: ${cpu.join('; ')}; ${counted})`;
}

function percent(share: number): string {
  return `${share < 0.1 ? (share * 100).toFixed(1) : Math.round(share * 100)} %`;
}
