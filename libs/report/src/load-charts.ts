import {
  type Chart,
  type ChartSpec,
  type ChartWidth,
  chartSpec,
  logMillis,
  plotWidth,
  protocolColour,
  protocolDash,
  sideBySide,
} from './chart.ts';
import { protocolStyle } from './chart-palette.ts';
import { showCount, showMs } from './figures.ts';
import { type ReportInput, soundProtocols } from './report-input.ts';
import type { RunProtocol } from './run-schema.ts';
import { medianOf } from './statistics.ts';

interface LoadPoint {
  readonly protocol: string;
  readonly offered: number;
  readonly ops: number;
  readonly percentile: 'p50' | 'p99';
  readonly ms: number;
  readonly low: number;
  readonly high: number;
  readonly limitedBy: string;
}

/** Chart 1: latency of writes against completed operations a second, a line for each protocol. */
export function latencyThroughputChart({ run }: ReportInput): Chart {
  const protocols = soundProtocols(run);
  const names = protocols.map(({ name }) => name);
  const points = protocols.flatMap(loadPoints);
  const title = 'Latency against throughput';
  const what = 'median and 99th percentile of write latency at each load step';
  const description = `${title}: ${what}, ${listed(names)}.`;
  const draw = (width: ChartWidth): ChartSpec => {
    const panel = (percentile: string, label: string): ChartSpec => ({
      title: label,
      width: plotWidth(width, 2),
      height: 230,
      data: { values: points.filter((point) => point.percentile === percentile) },
      encoding: {
        x: {
          field: 'ops',
          type: 'quantitative',
          title: 'completed operations/s',
          axis: { tickCount: 5 },
        },
        color: protocolColour(names, width),
      },
      layer: [
        {
          mark: { type: 'rule', strokeWidth: 1.5 },
          encoding: { y: logMillis('low', 'write latency, ms'), y2: { field: 'high' } },
        },
        {
          mark: { type: 'line', strokeWidth: 2.2, point: { size: 42, filled: true } },
          encoding: {
            y: logMillis('ms', 'write latency, ms'),
            order: { field: 'offered', type: 'quantitative' },
            strokeDash: protocolDash(names, width),
          },
        },
      ],
    });
    const panels = [panel('p50', 'median'), panel('p99', '99th percentile')];
    return chartSpec(description, sideBySide(panels, width));
  };
  const empty = points.length === 0;
  return {
    id: 'latency-throughput',
    title,
    description,
    caption:
      'Each point is one load step; down and to the right is better. ' +
      'Bars span the blocks of a step.',
    columns: ['protocol', 'offered', 'completed/s', 'percentile', 'latency', 'limited by'],
    rows: points.map((p) => [
      p.protocol,
      showCount(p.offered),
      showCount(p.ops),
      p.percentile,
      showMs(p.ms),
      p.limitedBy,
    ]),
    emptyReason: empty ? 'This run has no load steps with writes.' : null,
    wide: empty ? null : draw('wide'),
    narrow: empty ? null : draw('narrow'),
  };
}

/** Chart 2: the whole distribution of latency, percentiles on a logarithmic scale. */
export function percentileChart({ run, curves }: ReportInput): Chart {
  const protocols = soundProtocols(run);
  const names = protocols.map(({ name }) => name);
  const shown = curves.filter(({ protocol }) => names.includes(protocol));
  const values = shown.flatMap(({ protocol, operation, points }) =>
    points
      .filter(({ ms, percentile }) => ms > 0 && percentile < 100)
      .map(({ percentile, ms }) => ({
        protocol: protocolStyle(protocol).title,
        operation,
        percentile,
        nines: -Math.log10(1 - percentile / 100),
        ms,
      })),
  );
  const title = 'Latency by percentile';
  const operations = ['write', 'read'].filter((name) => values.some((v) => v.operation === name));
  const what = `latency of ${listed(operations)} operations from the fastest to the slowest`;
  const description = `${title}: ${what}, ${listed(names)}.`;
  const ninesMax = Math.max(1, ...values.map(({ nines }) => nines));
  const draw = (width: ChartWidth): ChartSpec => {
    const panel = (operation: string): ChartSpec => ({
      title: `${operation}s`,
      width: plotWidth(width, operations.length),
      height: 230,
      data: { values: values.filter((value) => value.operation === operation) },
      mark: { type: 'line', strokeWidth: 2.2, interpolate: 'step-before' },
      encoding: {
        x: {
          field: 'nines',
          type: 'quantitative',
          title: 'percentile',
          scale: { domain: [0, ninesMax], nice: false },
          axis: { values: NINES.map(({ at }) => at), labelExpr: NINES_LABELS },
        },
        y: logMillis('ms', `${operation} latency, ms`),
        color: protocolColour(names, width),
        strokeDash: protocolDash(names, width),
      },
    });
    return chartSpec(description, sideBySide(operations.map(panel), width));
  };
  const marks = values.filter(({ percentile }) =>
    KEPT.some((k) => Math.abs(k - percentile) < 1e-9),
  );
  const empty = operations.length === 0;
  return {
    id: 'percentiles',
    title,
    description,
    caption:
      'Latency counts from the intended start. ' +
      'Each step to the right leaves a tenth as many operations above it.',
    columns: ['protocol', 'operation', 'percentile', 'latency'],
    rows: marks.map((v) => [
      v.protocol,
      v.operation,
      `${Number(v.percentile.toFixed(3))} %`,
      showMs(v.ms),
    ]),
    emptyReason: empty ? 'This run has no histograms.' : null,
    wide: empty ? null : draw('wide'),
    narrow: empty ? null : draw('narrow'),
  };
}

const KEPT = [0, 50, 75, 87.5, 93.75, 96.875, 98.4375, 99.21875, 99.609375, 99.8046875];

const NINES = [
  { at: 0.30103, label: '50 %' },
  { at: 1, label: '90 %' },
  { at: 2, label: '99 %' },
  { at: 3, label: '99.9 %' },
  { at: 4, label: '99.99 %' },
  { at: 5, label: '99.999 %' },
];
const NINES_LABELS = NINES.reduceRight(
  (rest, { at, label }) => `datum.value < ${at + 0.1} ? '${label}' : ${rest}`,
  "''",
);

/** Names as a sentence has them: `raft, zab and none`. */
export function listed(names: readonly string[]): string {
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

function loadPoints({ name, points }: RunProtocol): LoadPoint[] {
  const steps = new Map<number, RunProtocol['points']>();
  for (const point of points) {
    const offered = point.ratePerSecond ?? point.inFlight ?? 0;
    steps.set(offered, [...(steps.get(offered) ?? []), point]);
  }
  const result: LoadPoint[] = [];
  for (const [offered, step] of [...steps].sort(([a], [b]) => a - b)) {
    const ops = medianOf(step.map(({ opsPerSecond }) => opsPerSecond));
    const reasons = step.flatMap(({ limitedBy }) => (limitedBy === null ? [] : [limitedBy]));
    for (const percentile of ['p50', 'p99'] as const) {
      const values = step.flatMap(({ latencyMs }) => latencyMs.write?.[percentile] ?? []);
      if (values.length === 0) continue;
      result.push({
        protocol: protocolStyle(name).title,
        offered,
        ops,
        percentile,
        ms: medianOf(values),
        low: Math.min(...values),
        high: Math.max(...values),
        limitedBy: [...new Set(reasons)].join(', '),
      });
    }
  }
  return result;
}
