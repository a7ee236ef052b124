import {
  type Cell,
  type Chart,
  type ChartSpec,
  type ChartWidth,
  chartSpec,
  logMillis,
  plotWidth,
} from './chart.ts';
import { FAULT, INK, protocolStyle } from './chart-palette.ts';
import { showMs } from './figures.ts';
import { listed } from './load-charts.ts';
import { type ReportInput, soundProtocols } from './report-input.ts';
import type { RunProtocol } from './run-schema.ts';
import { SERIES_WINDOW_MS, type SeriesRow } from './series.ts';

/** Rows of the table behind the chart; all of them stand in `series.csv`. */
const ROWS_MAX = 200;

const CAPTION =
  'One block of each protocol, time in seconds since its start. Bands: a fault in force. ' +
  'Lanes: which node leads; a tick marks an election.';

interface Block {
  readonly protocol: RunProtocol;
  readonly startMs: number;
  readonly endMs: number;
  readonly rows: readonly SeriesRow[];
}

/** Chart 3: throughput, latency and leaders over one block of each protocol, faults as bands. */
export function timeChart({ run, series }: ReportInput): Chart {
  const blocks = soundProtocols(run).flatMap((protocol) => chosenBlock(protocol, series) ?? []);
  const names = blocks.map(({ protocol }) => protocol.name);
  const title = 'Throughput and latency over time';
  const shown = 'with faults as bands and the leader of each moment';
  const windowed = `in windows of ${SERIES_WINDOW_MS} ms`;
  const description = `${title}, ${windowed}, ${shown}: ${listed(names)}.`;
  const draw = (width: ChartWidth): ChartSpec => {
    const columns = width === 'wide' && blocks.length > 1 ? 2 : 1;
    const views = blocks.map((block, i) => blockView(block, i, plotWidth(width, columns)));
    return chartSpec(description, { concat: views, columns, spacing: 34 });
  };
  const windowCount = blocks.reduce((sum, { rows }) => sum + rows.length, 0);
  const sampled =
    windowCount > ROWS_MAX ? ' The table samples series.csv, which has all windows.' : '';
  const empty = blocks.length === 0;
  return {
    id: 'time',
    title,
    description,
    caption: `${CAPTION}${sampled}`,
    columns: ['protocol', 'window', 'operation', 'ok', 'fail', 'in doubt', 'p99'],
    rows: tableRows(blocks),
    emptyReason: empty ? 'This run has no time series.' : null,
    wide: empty ? null : draw('wide'),
    narrow: empty ? null : draw('narrow'),
  };
}

function chosenBlock(protocol: RunProtocol, series: readonly SeriesRow[]): Block | null {
  const own = series.filter((row) => row.protocol === protocol.name);
  const valid = protocol.blocks.filter(({ status }) => status === 'ok');
  const faulty = valid.find(({ index }) => protocol.faults.some(({ block }) => block === index));
  const block = faulty ?? valid[0];
  const rows = own.filter((row) => row.block === block?.index);
  if (block === undefined || rows.length === 0) return null;
  const endMs = Math.max(...rows.map(({ atMs }) => atMs)) + SERIES_WINDOW_MS;
  return { protocol, startMs: block.startMs, endMs, rows };
}

function blockView(block: Block, place: number, width: number): ChartSpec {
  const { colour, title } = protocolStyle(block.protocol.name, place);
  const seconds = (ms: number): number => Number(((ms - block.startMs) / 1_000).toFixed(3));
  const domain = [0, seconds(block.endMs)];
  const bands = block.protocol.faults
    .filter(({ kind }) => !kind.startsWith('restart'))
    .filter(
      (f) =>
        f.installedMs !== null && f.installedMs >= block.startMs && f.installedMs < block.endMs,
    )
    .map((f) => ({
      from: seconds(f.installedMs ?? 0),
      to: seconds(Math.min(bandEnd(f, block), block.endMs)),
    }));
  const x = { field: 't', type: 'quantitative', scale: { domain, nice: false }, title: null };
  const bandLayer = {
    data: { values: bands },
    mark: { type: 'rect', color: FAULT, opacity: 0.14 },
    encoding: { x: { ...x, field: 'from' }, x2: { field: 'to' } },
  };
  const { throughput, latency } = windows(block, seconds);
  const lanes = leaders(block);
  const options = { x, bandLayer, colour, width, seconds };
  const hasLanes = lanes.reigns.length > 0;
  const ops = { field: 'ops', title: 'ops/s', axis: { tickCount: 3, format: ',~f' } };
  const ms = { ...logMillis('ms', 'p99, ms'), title: 'p99, ms' };
  return {
    title: { text: title, offset: 8 },
    spacing: 8,
    vconcat: [
      lineView(throughput, ops, { ...options, height: 90, timeAxis: false }),
      lineView(latency, ms, { ...options, height: 70, timeAxis: !hasLanes }),
      ...(hasLanes ? [laneView(lanes, options)] : []),
    ],
  };
}

interface LaneOptions {
  readonly x: ChartSpec;
  readonly bandLayer: ChartSpec;
  readonly colour: string;
  readonly width: number;
  readonly seconds: (ms: number) => number;
}

function lineView(
  values: unknown,
  y: ChartSpec,
  options: LaneOptions & { readonly height: number; readonly timeAxis: boolean },
): ChartSpec {
  const { x, bandLayer, colour, width, height, timeAxis } = options;
  const axis = timeAxis ? {} : { labels: false, ticks: false };
  return {
    width,
    height,
    layer: [
      bandLayer,
      {
        data: { values },
        mark: { type: 'line', color: colour, strokeWidth: 1.4 },
        encoding: { x: { ...x, axis }, y: { type: 'quantitative', ...y } },
      },
    ],
  };
}

function laneView(
  { reigns, elections, nodes }: ReturnType<typeof leaders>,
  { x, bandLayer, colour, width, seconds }: LaneOptions,
): ChartSpec {
  const y = { field: 'node', type: 'nominal', title: 'leader', scale: { domain: nodes } };
  return {
    width,
    height: Math.max(16, nodes.length * 13),
    layer: [
      bandLayer,
      {
        data: {
          values: reigns.map((r) => ({ node: r.node, t: seconds(r.from), to: seconds(r.to) })),
        },
        mark: { type: 'bar', color: colour, height: 7 },
        encoding: { x, x2: { field: 'to' }, y },
      },
      {
        data: { values: elections.map((e) => ({ node: e.node, t: seconds(e.at) })) },
        mark: { type: 'tick', color: INK, thickness: 2.5, height: 12 },
        encoding: { x, y },
      },
    ],
  };
}

/** Who led when: until a fault the old leader, from its own election the new one. */
function leaders({ protocol, startMs, endMs }: Block): {
  reigns: { node: string; from: number; to: number }[];
  elections: { node: string; at: number }[];
  nodes: string[];
} {
  const reigns: { node: string; from: number; to: number }[] = [];
  const elections: { node: string; at: number }[] = [];
  let from = startMs;
  let leader: number | null = null;
  const installed = new Map(protocol.faults.map((f) => [f.id, f.installedMs]));
  for (const failover of protocol.failovers) {
    const at = installed.get(failover.faultId) ?? null;
    if (at === null || at < startMs || at >= endMs) continue;
    leader = failover.oldLeader ?? leader;
    if (leader !== null && leader === failover.newLeader) continue;
    if (leader !== null) reigns.push({ node: String(leader), from, to: at });
    const electedAt = at + (failover.phasesMs.elected ?? failover.unavailableMs);
    if (failover.newLeader !== null) {
      elections.push({ node: String(failover.newLeader), at: electedAt });
    }
    leader = failover.newLeader;
    from = electedAt;
  }
  if (leader !== null) reigns.push({ node: String(leader), from, to: endMs });
  const known = [...protocol.replicas, ...protocol.faults].flatMap(({ node }) => node ?? []);
  const nodes = [...new Set([...known, ...reigns.map(({ node }) => Number(node))])];
  return { reigns, elections, nodes: nodes.sort((a, b) => a - b).map(String) };
}

function bandEnd(fault: RunProtocol['faults'][number], { protocol, endMs }: Block): number {
  if (fault.healedMs !== null) return fault.healedMs;
  const failover = protocol.failovers.find(({ faultId }) => faultId === fault.id);
  return failover === undefined ? endMs : (fault.installedMs ?? 0) + failover.unavailableMs;
}

function windows(
  { rows }: Block,
  seconds: (ms: number) => number,
): { throughput: unknown[]; latency: unknown[] } {
  const ok = new Map<number, number>();
  for (const row of rows) ok.set(row.atMs, (ok.get(row.atMs) ?? 0) + row.ok);
  const throughput = [...ok]
    .sort(([a], [b]) => a - b)
    .map(([atMs, count]) => ({ t: seconds(atMs), ops: count * (1_000 / SERIES_WINDOW_MS) }));
  const latency = rows
    .filter(({ operation }) => operation === 'write')
    .map(({ atMs, p99Ms }) => ({ t: seconds(atMs), ms: p99Ms }));
  return { throughput, latency };
}

function tableRows(blocks: readonly Block[]): Cell[][] {
  const rows = blocks.flatMap((block) =>
    block.rows.map((row): Cell[] => [
      protocolStyle(row.protocol).title,
      `${((row.atMs - block.startMs) / 1_000).toFixed(1)} s`,
      row.operation,
      row.ok,
      row.fail,
      row.info,
      showMs(row.p99Ms),
    ]),
  );
  if (rows.length <= ROWS_MAX) return rows;
  // Every n-th row keeps the table short; the file next to the report has all of them.
  const step = Math.ceil(rows.length / ROWS_MAX);
  return rows.filter((_, i) => i % step === 0);
}
