import { writeFileSync } from 'node:fs';
import { LatencyHistogram, SeriesBuilder } from '@quorate/report';
import { CAS, DELETE, GET, PUT } from '@quorate/workload';
import type { LoopResult } from './load-loops.ts';
import type { FigureKind, Figures, OutcomeCounts, PhaseSummary } from './messages.ts';
import { FAIL, OK, type OperationLog } from './operation-log.ts';

/** The kinds of figures in the order of their codes. */
const KIND_OF_CODE: Readonly<Record<number, FigureKind>> = {
  [PUT]: 'write',
  [GET]: 'read',
  [DELETE]: 'delete',
  [CAS]: 'cas',
};
const KINDS: readonly FigureKind[] = ['write', 'read', 'cas', 'delete'];
const MICROS_PER_SECOND = 1e6;

/** A phase as the loader remembers it. */
export interface PhaseRecord {
  readonly name: string;
  readonly measured: boolean;
  readonly firstOperation: number;
  readonly lastOperation: number;
  readonly loop: LoopResult;
  readonly offeredPerSecond: number | null;
  readonly durationMs: number;
  /** CPU time of the loader; null on virtual time. */
  readonly cpuMicros: number | null;
  readonly errors: Readonly<Record<string, number>>;
}

/** Sums a phase up from the log. */
export function summarize(log: OperationLog, phase: PhaseRecord): PhaseSummary {
  const latencies = latenciesOf(log, phase);
  const operations = {} as Record<FigureKind, OutcomeCounts>;
  const quantilesMs = {} as Record<FigureKind, { p50: number; p99: number; max: number } | null>;
  let ok = 0;
  let writes = 0;
  for (const kind of KINDS) {
    const { counts, histogram } = latencies[kind];
    operations[kind] = counts;
    ok += counts.ok;
    if (kind !== 'read') writes += counts.ok;
    quantilesMs[kind] =
      histogram.count === 0
        ? null
        : {
            p50: histogram.percentileMs(50),
            p99: histogram.percentileMs(99),
            max: histogram.percentileMs(100),
          };
    histogram.destroy();
  }
  const { loop } = phase;
  // Work that ends after the last start belongs to the phase; its time does, too.
  const seconds = (loop.endMicros - loop.startMicros) / MICROS_PER_SECOND;
  return {
    name: phase.name,
    measured: phase.measured,
    plannedMs: phase.durationMs,
    startMicros: loop.startMicros,
    endMicros: loop.endMicros,
    operations,
    errors: phase.errors,
    offeredPerSecond: phase.offeredPerSecond,
    opsPerSecond: ok / seconds,
    committedWritesPerSecond: writes / seconds,
    quantilesMs,
    missedStarts: loop.missedStarts,
    starts: loop.starts,
    worstStartLateMs: loop.worstStartLateMicros === null ? null : loop.worstStartLateMicros / 1000,
    cpuMicros: phase.cpuMicros,
  };
}

/** Writes the figures of all phases as one JSON file. */
export function writeFigures(
  log: OperationLog,
  phases: readonly PhaseRecord[],
  file: string,
  run: { readonly protocol: string; readonly block: number; readonly originMicros: number },
): void {
  const histograms: Figures['histograms'][number][] = [];
  const startMicros = phases[0]?.loop.startMicros ?? run.originMicros;
  const startMs = Math.max(0, (startMicros - run.originMicros) / 1000);
  const series = new SeriesBuilder(run.protocol, run.block, startMs);
  for (const phase of phases) {
    const latencies = latenciesOf(log, phase);
    const fromMs = (phase.loop.startMicros - run.originMicros) / 1000;
    const toMs = (phase.loop.endMicros - run.originMicros) / 1000;
    for (const kind of KINDS) {
      const { histogram } = latencies[kind];
      if (histogram.count > 0) {
        const hlog = histogram.toHlog(`${phase.name}-${kind}`, fromMs, toMs);
        histograms.push({ phase: phase.name, measured: phase.measured, kind, hlog });
      }
      histogram.destroy();
    }
    for (let number = phase.firstOperation; number < phase.lastOperation; number++) {
      const { kind, outcome, intendedMicros, endedMicros } = log.at(number);
      const atMs = (endedMicros - run.originMicros) / 1000;
      const latencyMs = (endedMicros - intendedMicros) / 1000;
      const end = outcome === OK ? 'ok' : outcome === FAIL ? 'fail' : 'info';
      series.add(KIND_OF_CODE[kind] ?? 'write', end, atMs, latencyMs);
    }
  }
  const figures: Figures = { histograms, series: series.rows() };
  writeFileSync(file, JSON.stringify(figures));
}

type Latencies = Record<FigureKind, { counts: OutcomeCounts; histogram: LatencyHistogram }>;

function latenciesOf(log: OperationLog, phase: PhaseRecord): Latencies {
  const sums = {} as Record<
    FigureKind,
    { ok: number; fail: number; info: number; histogram: LatencyHistogram }
  >;
  for (const kind of KINDS) {
    sums[kind] = { ok: 0, fail: 0, info: 0, histogram: LatencyHistogram.create() };
  }
  for (let number = phase.firstOperation; number < phase.lastOperation; number++) {
    const { kind, outcome, intendedMicros, endedMicros } = log.at(number);
    const sum = sums[KIND_OF_CODE[kind] ?? 'write'];
    if (outcome === OK) {
      sum.ok++;
      sum.histogram.recordMicros(endedMicros - intendedMicros);
    } else if (outcome === FAIL) sum.fail++;
    else sum.info++;
  }
  const latencies = {} as Latencies;
  for (const kind of KINDS) {
    const { ok, fail, info, histogram } = sums[kind];
    latencies[kind] = { counts: { ok, fail, info }, histogram };
  }
  return latencies;
}
