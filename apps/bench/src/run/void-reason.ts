import type { BlockResult } from './block.ts';
import { keptUp, LATE_STARTS_SHARE_MAX, lateShare } from './limits.ts';

/**
 * Why a block does not count, or null when it does: a replica ended by itself, or the generator was
 * the limit where the service was not.
 *
 * Late starts are counted over the steps that the service followed. A step beyond saturation keeps
 * every core busy, so its late starts are a finding about the machine; it is labelled by what
 * limited it and voids nothing, or no sweep that reaches the top could ever count. When no step was
 * followed, nothing else was measured, and all of them are looked at.
 */
export function voidReasonOf(
  block: Pick<BlockResult, 'unexpectedExits' | 'phases'>,
): string | null {
  const [exit] = block.unexpectedExits;
  if (exit !== undefined) return `${exit} without having been asked to`;
  const open = block.phases.filter(
    ({ measured, offeredPerSecond }) => measured && offeredPerSecond !== null,
  );
  const followed = open.filter(keptUp);
  const judged = followed.length > 0 ? followed : open;
  const starts = judged.reduce((total, phase) => total + phase.starts, 0);
  const missedStarts = judged.reduce((total, phase) => total + (phase.missedStarts ?? 0), 0);
  const share = starts === 0 ? 0 : missedStarts / starts;
  if (share <= LATE_STARTS_SHARE_MAX) return null;
  const worst = judged.reduce((a, b) => (lateShare(b) > lateShare(a) ? b : a));
  const percent = (share * 100).toFixed(1);
  return (
    `the generator was the limit: ${percent} % of ${starts} starts were late, ` +
    `most of them in ${worst.name}`
  );
}
