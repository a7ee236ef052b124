import { GRID, INK, MUTED, protocolStyle } from './chart-palette.ts';

/** A vega-lite specification. */
export type ChartSpec = { readonly [field: string]: unknown };

/** A cell of the table behind a chart. */
export type Cell = string | number | null;

/** One chart: two drawings of the same data, and the data as a table. */
export interface Chart {
  /** File name without ending, and id in the page. */
  readonly id: string;
  /** The accessible name. */
  readonly title: string;
  /** What can be seen, for those who cannot see it. */
  readonly description: string;
  /** How to read it, under the chart. */
  readonly caption: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** Why there is nothing to draw; null when there is. */
  readonly emptyReason: string | null;
  /** For pages from about 720 px on, and below; both null when there is nothing to draw. */
  readonly wide: ChartSpec | null;
  readonly narrow: ChartSpec | null;
}

/** The two widths that a chart is drawn for. */
export type ChartWidth = 'wide' | 'narrow';

const SCHEMA = 'https://vega.github.io/schema/vega-lite/v6.json';
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** Joins a view with what all charts share: fonts, quiet axes, no frame. */
export function chartSpec(description: string, view: ChartSpec): ChartSpec {
  const quiet = { labelColor: MUTED, titleColor: MUTED, labelFontSize: 11, titleFontSize: 11 };
  return {
    $schema: SCHEMA,
    description,
    background: null,
    padding: 4,
    ...view,
    config: {
      font: FONT,
      axis: {
        ...quiet,
        titleFontWeight: 'normal',
        gridColor: GRID,
        domainColor: GRID,
        tickColor: GRID,
        labelLimit: 0,
        titleLimit: 0,
        titlePadding: 8,
      },
      legend: {
        orient: 'top',
        title: null,
        labelColor: INK,
        labelFontSize: 12,
        labelLimit: 0,
        symbolStrokeWidth: 2.5,
        symbolSize: 220,
        columnPadding: 18,
      },
      title: { color: INK, fontSize: 12, fontWeight: 600, anchor: 'start', limit: 0 },
      view: { stroke: null },
      concat: { spacing: 26 },
    },
  };
}

/** Colour by protocol, the same in each chart; the legend merges with that of the dash. */
export function protocolColour(names: readonly string[], width: ChartWidth): ChartSpec {
  const styles = names.map((name, i) => protocolStyle(name, i));
  return {
    field: 'protocol',
    type: 'nominal',
    scale: { domain: styles.map(({ title }) => title), range: styles.map(({ colour }) => colour) },
    legend: { columns: width === 'wide' ? 6 : 2, symbolType: 'stroke' },
  };
}

/** Dash by protocol, so that lines differ without colour too. */
export function protocolDash(names: readonly string[], width: ChartWidth): ChartSpec {
  const styles = names.map((name, i) => protocolStyle(name, i));
  return {
    field: 'protocol',
    type: 'nominal',
    scale: { domain: styles.map(({ title }) => title), range: styles.map(({ dash }) => dash) },
    legend: { columns: width === 'wide' ? 6 : 2, symbolType: 'stroke' },
  };
}

const DECADES = [0.001, 0.01, 0.1, 1, 10, 100, 1_000, 10_000, 100_000];

/** A logarithmic axis of milliseconds. */
export function logMillis(field: string, title: string): ChartSpec {
  return {
    field,
    type: 'quantitative',
    title,
    scale: { type: 'log', nice: true },
    axis: { format: '~g', values: DECADES },
  };
}

/** Views beside each other on a wide page, below each other on a narrow one. */
export function sideBySide(views: readonly ChartSpec[], width: ChartWidth): ChartSpec {
  const [only] = views;
  if (views.length === 1 && only !== undefined) return only;
  return { concat: views, columns: width === 'wide' ? 2 : 1 };
}

/** The width of one of `columns` plots in a row, in pixels, without axes. */
export function plotWidth(width: ChartWidth, columns: number): number {
  if (width === 'narrow') return 264;
  return columns === 1 ? 880 : 424;
}
