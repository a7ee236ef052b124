import { type DocumentPath, FaultScheduleError } from './errors.ts';

const MILLIS_BY_UNIT: ReadonlyMap<string, number> = new Map([
  ['us', 0.001],
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

/** Reads a duration such as `150ms`, `1.5s` or `2m` as milliseconds; null for anything else. */
export function durationMs(text: unknown): number | null {
  if (text === 0) return 0;
  const match = typeof text === 'string' ? /^(\d+(?:\.\d+)?) ?(us|ms|s|m|h)$/.exec(text) : null;
  const unit = MILLIS_BY_UNIT.get(match?.[2] ?? '');
  return match === null || unit === undefined ? null : Number(match[1]) * unit;
}

/** Reads a share such as `1%` or `0.01`, 0 to 1; null for anything else. */
export function shareOf(value: unknown): number | null {
  const percent = typeof value === 'string' ? /^(\d+(?:\.\d+)?) ?%$/.exec(value)?.[1] : undefined;
  const share = percent === undefined ? value : Number(percent) / 100;
  return typeof share === 'number' && share >= 0 && share <= 1 ? share : null;
}

/** A duration field of at least `minMs`; throws {@link FaultScheduleError} otherwise. */
export function parseDuration(value: unknown, path: DocumentPath, minMs = 0): number {
  const ms = durationMs(value);
  if (ms !== null && ms >= minMs) return ms;
  const least = minMs > 0 ? ` of at least ${minMs}ms` : '';
  const shown = value === undefined ? 'missing' : JSON.stringify(value);
  throw new FaultScheduleError(
    path,
    `${shown}; allowed: a duration${least} such as 150ms, 5s or 2m`,
  );
}

/** A share field below 1: of what is always lost nothing arrives, which is a cut, not a loss. */
export function parseShare(value: unknown, path: DocumentPath): number {
  const share = shareOf(value);
  if (share !== null && share < 1) return share;
  throw new FaultScheduleError(
    path,
    `${JSON.stringify(value)}; allowed: a share below 1 such as 1% or 0.01; to lose all, cut`,
  );
}
