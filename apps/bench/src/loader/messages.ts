import type { SeriesRow } from '@quorate/report';
import type { OperationMix } from '@quorate/workload';

/** What a loader process is told once, before its first phase. */
export interface LoaderSettings {
  readonly clientTransport: 'grpc' | 'tcp';
  /** The client ports of all replicas. */
  readonly addresses: readonly string[];
  readonly seed: string;
  readonly keys: number;
  readonly keyDistribution: 'uniform' | 'zipf' | 'hot' | 'sequential';
  readonly valueBytes: number;
  readonly readLevel: 'linearizable' | 'stale';
  /** Client connections with a session of their own each. */
  readonly clients: number;
  /**
   * `shared`: reads go where writes go. `pinned`: reads have connections of their own, one begun at
   * each replica, which stay there while it answers; so a replica that goes on answering behind a
   * cut is heard, although the writers have left it.
   */
  readonly readers: 'shared' | 'pinned';
  readonly timeoutMs: number;
}

/** One stretch of load. Each has a histogram and a series of its own. */
export interface PhasePlan {
  readonly name: string;
  /** False for warm-up: its operations stand in the history, not in the figures. */
  readonly measured: boolean;
  readonly mix: OperationMix;
  readonly durationMs: number;
  readonly load:
    | {
        readonly mode: 'open';
        readonly arrival: 'poisson' | 'uniform';
        readonly ratePerSecond: number;
      }
    | { readonly mode: 'closed'; readonly inFlight: number };
}

/** How often each end happened. */
export interface OutcomeCounts {
  readonly ok: number;
  readonly fail: number;
  readonly info: number;
}

/** The kinds of operations that figures keep apart; reads and writes never share a percentile. */
export type FigureKind = 'write' | 'read' | 'cas' | 'delete';

/** What a phase came to. Latencies in milliseconds, from the intended start in an open loop. */
export interface PhaseSummary {
  readonly name: string;
  readonly measured: boolean;
  /** How long starts were to go on. */
  readonly plannedMs: number;
  /** Microseconds of the loader's clock: CLOCK_MONOTONIC, or virtual time. */
  readonly startMicros: number;
  readonly endMicros: number;
  readonly operations: Readonly<Record<FigureKind, OutcomeCounts>>;
  /** Failed and unknown ends by code, for the distribution of errors. */
  readonly errors: Readonly<Record<string, number>>;
  readonly offeredPerSecond: number | null;
  readonly opsPerSecond: number;
  readonly committedWritesPerSecond: number;
  readonly quantilesMs: Readonly<
    Record<FigureKind, { p50: number; p99: number; max: number } | null>
  >;
  /** Starts so late that the generator must have stalled (`load-loops.ts`); null: none can be. */
  readonly missedStarts: number | null;
  readonly starts: number;
  readonly worstStartLateMs: number | null;
  /** CPU time of the loader during the phase, user and system; null on virtual time. */
  readonly cpuMicros: number | null;
}

/** What stays of a loader when it ends; what only a process has is null on virtual time. */
export interface LoaderReport {
  readonly pid: number | null;
  readonly eventLoopDelayP99Ms: number | null;
  readonly gcMaxMs: number | null;
  readonly operations: number;
  /** Operations that stand in the history file; the others' keys were checked by reading back. */
  readonly historyOperations: number;
  /** The keys whose history is complete: all, or each `sampleEvery`-th. */
  readonly sampleEvery: number;
  /** Acknowledged writes of keys outside the history whose revision the read-back did not reach. */
  readonly unsampledLost: number;
  readonly unsampledAcked: number;
}

/** From the harness to the loader. */
export type LoaderCommand =
  | { readonly op: 'open'; readonly settings: LoaderSettings }
  | { readonly op: 'phase'; readonly plan: PhasePlan }
  | { readonly op: 'readBack' }
  | {
      readonly op: 'finish';
      readonly historyFile: string;
      readonly figuresFile: string;
      readonly historyOpsMax: number;
      /** The run's start on the loader's clock, in microseconds: time 0 of the history. */
      readonly originMicros: number;
      readonly protocol: string;
      readonly block: number;
    };

/** From the loader to the harness. */
export type LoaderAnswer =
  | { readonly done: 'open' }
  | { readonly done: 'phase'; readonly summary: PhaseSummary }
  | { readonly done: 'readBack'; readonly keys: number; readonly unread: number }
  | { readonly done: 'finish'; readonly report: LoaderReport }
  | {
      readonly progress: {
        readonly phase: string;
        readonly completed: number;
        readonly inFlight: number;
      };
    }
  | { readonly failed: string };

/** The figures file, JSON: what the harness merges over blocks. */
export interface Figures {
  /** The latencies of the definite successes of one phase and kind, as `.hlog` text. */
  readonly histograms: readonly {
    readonly phase: string;
    readonly measured: boolean;
    readonly kind: FigureKind;
    readonly hlog: string;
  }[];
  /** All operations in windows of 100 ms, times in milliseconds since the run's start. */
  readonly series: readonly SeriesRow[];
}
