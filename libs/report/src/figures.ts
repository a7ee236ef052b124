/** A duration in milliseconds as people read it, three significant digits: `0.31 ms`, `1.25 s`. */
export function showMs(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return '–';
  if (ms === Number.POSITIVE_INFINITY) return 'never';
  if (ms >= 60_000) return `${(ms / 60_000).toFixed(1)} min`;
  return ms >= 1_000 ? `${significant(ms / 1_000)} s` : `${significant(ms)} ms`;
}

/** A whole number with thin groups of three: `16,000`. */
export function showCount(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : Math.round(value).toLocaleString('en-US');
}

/** A share as a percentage: `0.12 %`. */
export function showShare(share: number | null | undefined): string {
  return share === null || share === undefined ? '–' : `${significant(share * 100)} %`;
}

/** Three significant digits without an exponent; whole from 100 on. */
export function significant(value: number): string {
  if (value === 0) return '0';
  const size = Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(4, Math.max(0, 2 - size)));
}

/** Makes text safe inside HTML and XML, attributes included. */
export function escapeMarkup(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
