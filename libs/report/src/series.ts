import { assert } from '@quorate/foundation';
import { RunFolderError } from './errors.ts';
import { percentileOf } from './statistics.ts';

/** The width of a window in milliseconds. */
export const SERIES_WINDOW_MS = 100;
/** Windows of one series: an hour and more. */
export const SERIES_WINDOWS_MAX = 50_000;

/** One window of one kind of operation in one block; empty windows are kept too. */
export interface SeriesRow {
  readonly protocol: string;
  readonly block: number;
  /** Start of the window, in milliseconds since the start of the run. */
  readonly atMs: number;
  readonly operation: string;
  /** Ends in this window, by outcome. */
  readonly ok: number;
  readonly fail: number;
  readonly info: number;
  /** Latency of the successes in this window; null when there was none. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number | null;
}

/** How an operation ended, for {@link SeriesBuilder.add}. */
export type SeriesOutcome = 'ok' | 'fail' | 'info';

interface Window {
  ok: number;
  fail: number;
  info: number;
  readonly latenciesMs: number[];
}

/** Collects ends of operations of one block into windows. */
export class SeriesBuilder {
  private readonly protocol: string;
  private readonly block: number;
  private readonly startMs: number;
  private readonly windows = new Map<string, Window[]>();

  /** `startMs` is the start of the block since the start of the run. */
  constructor(protocol: string, block: number, startMs: number) {
    this.protocol = protocol;
    this.block = block;
    this.startMs = startMs;
  }

  /** Adds one end at `atMs` since the start of the run; ends before the block are left out. */
  add(operation: string, outcome: SeriesOutcome, atMs: number, latencyMs: number): void {
    const place = Math.floor((atMs - this.startMs) / SERIES_WINDOW_MS);
    if (place < 0) return;
    assert(place < SERIES_WINDOWS_MAX, 'a series has a limited number of windows');
    let windows = this.windows.get(operation);
    if (windows === undefined) {
      windows = [];
      this.windows.set(operation, windows);
    }
    while (windows.length <= place) windows.push({ ok: 0, fail: 0, info: 0, latenciesMs: [] });
    const window = windows[place] as Window;
    window[outcome]++;
    if (outcome === 'ok') window.latenciesMs.push(latencyMs);
  }

  /** The rows so far, by operation and time. */
  rows(): SeriesRow[] {
    const rows: SeriesRow[] = [];
    for (const [operation, windows] of this.windows) {
      windows.forEach(({ ok, fail, info, latenciesMs }, place) => {
        const none = latenciesMs.length === 0;
        rows.push({
          protocol: this.protocol,
          block: this.block,
          atMs: this.startMs + place * SERIES_WINDOW_MS,
          operation,
          ok,
          fail,
          info,
          p50Ms: none ? null : percentileOf(latenciesMs, 50),
          p99Ms: none ? null : percentileOf(latenciesMs, 99),
          maxMs: none ? null : Math.max(...latenciesMs),
        });
      });
    }
    return rows;
  }
}

const COLUMNS = 'protocol,block,atMs,operation,ok,fail,info,p50Ms,p99Ms,maxMs';

/** The content of `series.csv`: a header and a line for each window; absent is empty. */
export function seriesToCsv(rows: readonly SeriesRow[]): string {
  const number = (value: number | null): string =>
    value === null ? '' : String(Number(value.toFixed(3)));
  const lines = rows.map((row) =>
    [
      row.protocol,
      row.block,
      number(row.atMs),
      row.operation,
      row.ok,
      row.fail,
      row.info,
      number(row.p50Ms),
      number(row.p99Ms),
      number(row.maxMs),
    ].join(','),
  );
  return `${[COLUMNS, ...lines].join('\n')}\n`;
}

/** Reads what {@link seriesToCsv} wrote; throws {@link RunFolderError} naming the line. */
export function seriesFromCsv(text: string): SeriesRow[] {
  const [header, ...lines] = text.trimEnd().split('\n');
  if (header !== COLUMNS) throw new RunFolderError('series.csv', [`line 1: allowed: ${COLUMNS}`]);
  return lines.map((line, i) => {
    const fields = line.split(',');
    const number = (place: number): number => Number(fields[place]);
    const optional = (place: number): number | null =>
      fields[place] === '' ? null : number(place);
    if (fields.length !== 10 || [1, 2, 4, 5, 6].some((place) => Number.isNaN(number(place)))) {
      throw new RunFolderError('series.csv', [`line ${i + 2}: allowed: ${COLUMNS}`]);
    }
    return {
      protocol: fields[0] as string,
      block: number(1),
      atMs: number(2),
      operation: fields[3] as string,
      ok: number(4),
      fail: number(5),
      info: number(6),
      p50Ms: optional(7),
      p99Ms: optional(8),
      maxMs: optional(9),
    };
  });
}
