import type { EngineEventKind } from '@quorate/consensus';

/** Something that an engine told. Times here and below: microseconds of virtual time. */
export interface Told {
  readonly at: number;
  readonly node: number;
  readonly kind: EngineEventKind;
  readonly round: number;
}

/** One write that a replica took on, as seen from beside it. */
export interface ObservedWrite {
  readonly value: string;
  readonly node: number;
  readonly askedAt: number;
  /** When the replica acknowledged it; null when it never did. */
  readonly ackedAt: number | null;
  /** The replica exchanged messages with less than a majority when it was asked. */
  readonly askedInMinority: boolean;
  /** The same when it acknowledged; false when it never did. */
  readonly ackedInMinority: boolean;
  /** Some replica applied it in the end. */
  readonly tookEffect: boolean;
}

/** One trial as an outsider saw it: what the measures are made of. */
export interface Observation {
  readonly nodes: number;
  /** The first fault was in force; without faults the start of the schedule. */
  readonly startMicros: number;
  /** The last fault ended; or the trial was over. */
  readonly endMicros: number;
  /** The longest that a follower waits, for what counts as a gap. */
  readonly electionTimeoutMaxMicros: number;
  /** When the first kill of the leader took effect; null without one. */
  readonly killedAt: number | null;
  /** There is no load that would show who serves: the next leader is all there is to see. */
  readonly judgedByServing: boolean;
  readonly told: readonly Told[];
  readonly writes: readonly ObservedWrite[];
  /** All replicas were equal at the end; null when the trial did not wait for that. */
  readonly equal: boolean | null;
  /** The verdict on the history; null is unknown. */
  readonly linearizable: boolean | null;
  readonly ackedLost: number;
  /** The leader at the end of the observed time, 0 when there was none, and its round. */
  readonly lastLeader: number;
  readonly lastRound: number;
}
