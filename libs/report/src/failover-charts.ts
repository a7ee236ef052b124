import {
  type Cell,
  type Chart,
  type ChartSpec,
  type ChartWidth,
  chartSpec,
  plotWidth,
  protocolColour,
  protocolDash,
  sideBySide,
} from './chart.ts';
import { PHASE_COLOURS, protocolStyle } from './chart-palette.ts';
import { showMs } from './figures.ts';
import { listed } from './load-charts.ts';
import { type ReportInput, soundProtocols } from './report-input.ts';
import { FAILOVER_PHASES, type RunFailover, type RunProtocol } from './run-schema.ts';
import { ecdf, meanOf, percentileOf } from './statistics.ts';

/** What people read for each phase of a failover. */
export const PHASE_TITLES: { readonly [phase in (typeof FAILOVER_PHASES)[number]]: string } = {
  suspicion: 'suspicion',
  candidacy: 'candidacy',
  elected: 'elected',
  repaired: 'log repaired',
  firstCommit: 'first commit',
  firstClientSuccess: 'first client success',
  throughput90: 'throughput at 90 %',
};

// Labels stand above their bars, so that bars and legend may use the whole width.
const LABELS_ABOVE_BARS = {
  labelAlign: 'left',
  labelBaseline: 'middle',
  labelPadding: -2,
  labelOffset: -16,
  labelFontSize: 12,
  domain: false,
  ticks: false,
};

interface FaultGroup {
  readonly protocol: string;
  readonly fault: string;
  readonly seen: readonly number[];
  readonly censored: number;
}

/** Chart 4: how long writes were out, as a distribution for each protocol and kind of fault. */
export function failoverChart({ run }: ReportInput): Chart {
  const groups = soundProtocols(run).flatMap(faultGroups);
  const names = [...new Set(groups.map(({ protocol }) => protocol))];
  const kinds = [...new Set(groups.map(({ fault }) => fault))];
  const title = 'Time without writes after a fault';
  const shown = 'the share of faults after which writes were back within a time';
  const description = `${title}: ${shown}, ${listed(names)}.`;
  const longest = Math.max(1, ...groups.flatMap(({ seen }) => seen)) * 1.06;
  const draw = (width: ChartWidth): ChartSpec => {
    const panels = kinds.map((kind) =>
      ecdfPanel(
        groups.filter(({ fault }) => fault === kind),
        names,
        kind,
        longest,
        width,
        kinds.length,
      ),
    );
    return chartSpec(description, sideBySide(panels, width));
  };
  const empty = groups.length === 0;
  return {
    id: 'failover',
    title,
    description,
    caption:
      'Steeper and further left is better. Circle: median, diamond: 95th percentile. ' +
      'A line that ends below 100 % never came back within a trial.',
    columns: ['protocol', 'fault', 'n', 'never back', 'median', 'p95', 'longest'],
    rows: groups.map(({ protocol, fault, seen, censored }) => [
      protocolStyle(protocol).title,
      fault,
      seen.length + censored,
      censored,
      showMs(percentileOf([...seen, ...never(censored)], 50)),
      showMs(percentileOf([...seen, ...never(censored)], 95)),
      showMs(Math.max(...seen, ...never(censored))),
    ]),
    emptyReason: empty ? 'This run has no proven faults.' : null,
    wide: empty ? null : draw('wide'),
    narrow: empty ? null : draw('narrow'),
  };
}

/** Chart 5: where the time of a failover goes, mean phases stacked for each protocol. */
export function phasesChart({ run }: ReportInput): Chart {
  const rows = soundProtocols(run).flatMap(phaseRows);
  const names = [...new Set(rows.map(({ protocol }) => protocol))];
  const title = 'Phases of a failover';
  const shown =
    'mean time from the fault to suspicion, candidacy, election, repair, first commit, ' +
    'first client success and recovered throughput';
  const description = `${title}: ${shown}, ${listed(names)}.`;
  const titles = FAILOVER_PHASES.map((phase) => PHASE_TITLES[phase]);
  const draw = (width: ChartWidth): ChartSpec =>
    chartSpec(description, {
      width: plotWidth(width, 1) + (width === 'wide' ? 50 : 44),
      height: { step: 54 },
      data: { values: rows },
      mark: { type: 'bar', height: 22, yOffset: 8 },
      encoding: {
        y: {
          field: 'label',
          type: 'nominal',
          title: null,
          sort: null,
          axis: LABELS_ABOVE_BARS,
        },
        x: {
          field: 'meanMs',
          type: 'quantitative',
          title: 'ms since the fault, mean',
          axis: { tickCount: 6 },
        },
        color: {
          field: 'phase',
          type: 'nominal',
          scale: { domain: titles, range: PHASE_COLOURS },
          legend: {
            columns: width === 'wide' ? 7 : 2,
            columnPadding: width === 'wide' ? 14 : 8,
            labelFontSize: width === 'wide' ? 12 : 11,
            symbolType: 'square',
            symbolSize: 120,
            symbolStrokeWidth: 0,
          },
        },
        order: { field: 'place', type: 'quantitative' },
      },
    });
  const empty = rows.length === 0;
  return {
    id: 'phases',
    title,
    description,
    caption:
      'Measured by clients from outside; engines only tell the phases. ' +
      'Trials that never came back are left out here.',
    columns: ['protocol', 'phase', 'mean', 'n'],
    rows: rows.map(({ protocol, phase, meanMs, n }): Cell[] => [
      protocol,
      phase,
      showMs(meanMs),
      n,
    ]),
    emptyReason: empty ? 'This run has no failovers with phases.' : null,
    wide: empty ? null : draw('wide'),
    narrow: empty ? null : draw('narrow'),
  };
}

function never(count: number): number[] {
  return new Array<number>(count).fill(Number.POSITIVE_INFINITY);
}

function faultGroups({ name, faults, failovers }: RunProtocol): FaultGroup[] {
  const groups = new Map<string, { seen: number[]; censored: number }>();
  for (const { faultId, unavailableMs, censored } of failovers) {
    const fault = faults.find(({ id }) => id === faultId);
    if (fault === undefined || !fault.proven) continue;
    const group = groups.get(fault.kind) ?? { seen: [], censored: 0 };
    if (censored) group.censored++;
    else group.seen.push(unavailableMs);
    groups.set(fault.kind, group);
  }
  return [...groups].map(([fault, group]) => ({ protocol: name, fault, ...group }));
}

function ecdfPanel(
  groups: readonly FaultGroup[],
  names: readonly string[],
  kind: string,
  longest: number,
  width: ChartWidth,
  panels: number,
): ChartSpec {
  const lines = groups.flatMap(({ protocol, seen, censored }) => {
    const steps = ecdf(seen, censored);
    const last = steps.at(-1)?.share ?? 0;
    const whole = [{ value: 0, share: 0 }, ...steps, { value: longest, share: last }];
    return whole.map((step) => ({ protocol: protocolStyle(protocol).title, ...step }));
  });
  const marks = groups.flatMap(({ protocol, seen, censored }) =>
    [50, 95].flatMap((percentile) => {
      const value = percentileOf([...seen, ...never(censored)], percentile);
      const share = ecdf(seen, censored).find((step) => step.value === value)?.share;
      if (!Number.isFinite(value) || share === undefined) return [];
      return [{ protocol: protocolStyle(protocol).title, value, share, percentile }];
    }),
  );
  const x = {
    field: 'value',
    type: 'quantitative',
    title: 'ms without a successful write',
    scale: { domain: [0, longest], nice: false },
    axis: { tickCount: width === 'wide' ? 10 : 5 },
  };
  const y = {
    field: 'share',
    type: 'quantitative',
    title: 'share of faults',
    axis: { format: '.0%', tickCount: 5 },
    scale: { domain: [0, 1] },
  };
  return {
    title: kind,
    width: plotWidth(width, panels),
    height: 230,
    encoding: { x, y, color: protocolColour(names, width) },
    layer: [
      {
        data: { values: lines },
        mark: { type: 'line', interpolate: 'step-after', strokeWidth: 2.2 },
        encoding: { strokeDash: protocolDash(names, width) },
      },
      {
        data: { values: marks.filter(({ percentile }) => percentile === 50) },
        mark: { type: 'point', shape: 'circle', filled: true, size: 70, opacity: 1 },
      },
      {
        data: { values: marks.filter(({ percentile }) => percentile === 95) },
        mark: { type: 'point', shape: 'diamond', filled: true, size: 90, opacity: 1 },
      },
    ],
  };
}

interface PhaseRow {
  readonly protocol: string;
  readonly label: string;
  readonly phase: string;
  readonly place: number;
  readonly meanMs: number;
  readonly n: number;
}

function phaseRows({ name, failovers, faults }: RunProtocol): PhaseRow[] {
  const proven = new Set(faults.filter((fault) => fault.proven).map(({ id }) => id));
  const counted = failovers.filter(({ censored, faultId }) => !censored && proven.has(faultId));
  if (counted.length === 0) return [];
  const title = protocolStyle(name).title;
  return FAILOVER_PHASES.flatMap((phase, place) => {
    if (counted.every(({ phasesMs }) => phasesMs[phase] === null)) return [];
    const meanMs = meanOf(counted.map((failover) => phaseLength(failover, place)));
    const label = `${title} (n = ${counted.length})`;
    return [
      { protocol: title, label, phase: PHASE_TITLES[phase], place, meanMs, n: counted.length },
    ];
  });
}

/** The time of one phase alone: from the last known phase before it. */
function phaseLength({ phasesMs }: RunFailover, place: number): number {
  const phase = FAILOVER_PHASES[place];
  const end = phase === undefined ? null : phasesMs[phase];
  if (end === null) return 0;
  let start = 0;
  for (const before of FAILOVER_PHASES.slice(0, place)) start = phasesMs[before] ?? start;
  return end - start;
}
