import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Chart } from './chart.ts';
import { chartSvg } from './chart-render.ts';
import { RunFolderError } from './errors.ts';
import { failoverChart, phasesChart } from './failover-charts.ts';
import { LatencyHistogram } from './histogram.ts';
import { renderJunit } from './junit.ts';
import { latencyThroughputChart, percentileChart } from './load-charts.ts';
import { renderMarkdown } from './markdown.ts';
import { renderPage } from './page.ts';
import type { ProtocolCurve, ReportInput } from './report-input.ts';
import type { Run } from './run-schema.ts';
import { seriesFromCsv } from './series.ts';
import { timeChart } from './time-chart.ts';
import { parseRun } from './validate.ts';

/** The charts of a report, in its order. */
export function reportCharts(input: ReportInput): Chart[] {
  return [
    latencyThroughputChart(input),
    percentileChart(input),
    timeChart(input),
    failoverChart(input),
    phasesChart(input),
  ];
}

/** The files that {@link writeReport} writes, relative to the folder, as `run.json` lists them. */
export interface ReportFiles {
  readonly report: string;
  readonly markdown: string;
  readonly junit: string;
  /** For each chart its specification and its picture. */
  readonly charts: readonly string[];
}

/** The names that {@link writeReport} uses, known beforehand, so that `run.json` can list them. */
export function reportFiles(): ReportFiles {
  const ids = ['latency-throughput', 'percentiles', 'time', 'failover', 'phases'];
  const charts = ids.flatMap((id) => [`charts/${id}.vl.json`, `charts/${id}.svg`]);
  return { report: 'report.html', markdown: 'report.md', junit: 'junit.xml', charts };
}

/**
 * Draws everything that people read from what the folder holds (`run.json`, `series.csv`, `.hlog`
 * files): `report.html`, `report.md`, `junit.xml` and `charts/`. Changes neither `run.json` nor any
 * data. Throws {@link RunFolderError} when the folder holds no valid `run.json`.
 */
export async function writeReport(folder: string): Promise<ReportFiles> {
  const input = readReportInput(folder);
  const charts = reportCharts(input);
  const files = reportFiles();
  mkdirSync(join(folder, 'charts'), { recursive: true });
  for (const chart of charts) {
    const spec = chart.wide ?? { description: chart.emptyReason };
    write(folder, `charts/${chart.id}.vl.json`, `${JSON.stringify(spec)}\n`);
    write(folder, `charts/${chart.id}.svg`, `${await chartSvg(chart, 'wide')}\n`);
  }
  write(folder, files.report, await renderPage(input, charts));
  write(folder, files.markdown, renderMarkdown(input));
  write(folder, files.junit, renderJunit(input.run));
  return files;
}

/** Reads what a report is made of. Missing series or histograms leave their charts empty. */
export function readReportInput(folder: string): ReportInput {
  const run = readRunFile(folder);
  const series = run.files.series === null ? null : readText(folder, run.files.series);
  const drawings = new Map<string, string>();
  for (const { name, verdicts } of run.protocols) {
    // The drawing of a failing part lies beside it, with the ending .txt.
    const drawn = verdicts.smallestFailingHistory?.replace(/\.ndjson(\.gz)?$/, '.txt');
    const text = drawn === undefined ? null : readText(folder, drawn);
    if (text !== null) drawings.set(name, text);
  }
  return {
    run,
    series: series === null ? [] : seriesFromCsv(series),
    curves: readCurves(folder, run),
    drawings,
  };
}

function readCurves(folder: string, run: Run): ProtocolCurve[] {
  const curves: ProtocolCurve[] = [];
  for (const { name, latencyMs } of run.protocols) {
    for (const [operation, { hlog }] of Object.entries(latencyMs)) {
      const text = hlog === null ? null : readText(folder, hlog);
      const histogram = text === null ? null : LatencyHistogram.fromHlog(text);
      if (histogram === null) continue;
      curves.push({ protocol: name, operation, points: histogram.curve() });
      histogram.destroy();
    }
  }
  return curves;
}

function readRunFile(folder: string): Run {
  const text = readText(folder, 'run.json');
  if (text === null) throw new RunFolderError(folder, ['run.json: there is no run.json']);
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new RunFolderError(folder, [`run.json: not JSON (${String(error)})`]);
  }
  const { run, problems } = parseRun(content);
  if (run === null) throw new RunFolderError(folder, problems);
  return run;
}

function readText(folder: string, path: string): string | null {
  const file = join(folder, path);
  return existsSync(file) ? readFileSync(file, 'utf8') : null;
}

function write(folder: string, path: string, content: string): void {
  writeFileSync(join(folder, path), content);
}
