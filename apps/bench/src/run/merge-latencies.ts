import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LatencyHistogram, type RunProtocol, type SeriesRow } from '@quorate/report';
import type { Figures } from '../loader/messages.ts';
import { FIGURE_KINDS } from './protocol-figures.ts';

/** The latencies of a protocol, and where their histograms lie. */
export interface MergedLatencies {
  readonly latencyMs: RunProtocol['latencyMs'];
  /** Paths in the run folder. */
  readonly hlogs: readonly string[];
  readonly series: readonly SeriesRow[];
}

/** Where merged histograms go, and which clock their latencies have. */
export interface MergeTarget {
  readonly protocol: string;
  readonly folder: string;
  readonly clock: 'intendedStart' | 'send';
}

/** Merges the histograms of the measured phases of several blocks; no percentile is averaged. */
export function mergeLatencies(files: readonly string[], target: MergeTarget): MergedLatencies {
  const figures = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Figures);
  const latencyMs: RunProtocol['latencyMs'] = {};
  const hlogs: string[] = [];
  const { protocol, folder, clock } = target;
  for (const operation of FIGURE_KINDS) {
    const merged = LatencyHistogram.create();
    for (const part of figures.flatMap(({ histograms }) => histograms)) {
      if (!part.measured || part.kind !== operation) continue;
      const histogram = LatencyHistogram.fromHlog(part.hlog);
      if (histogram !== null) merged.merge(histogram);
      histogram?.destroy();
    }
    if (merged.count > 0) {
      const hlog = `histograms/${protocol}-${operation}.hlog`;
      writeFileSync(join(folder, hlog), merged.toHlog(`${protocol}-${operation}`, 0, 0));
      const summary = merged.summary(clock, hlog);
      if (summary !== null) latencyMs[operation] = summary;
      hlogs.push(hlog);
    }
    merged.destroy();
  }
  return { latencyMs, hlogs, series: figures.flatMap(({ series }) => [...series]) };
}
