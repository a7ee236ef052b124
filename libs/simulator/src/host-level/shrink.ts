/** The fewest events whose omission is tried together at first is this part of all. */
const FIRST_PARTS = 2;

/**
 * Finds a small set of events that still fails, by leaving out ever smaller parts (Zeller and
 * Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", TSE 2002). `fails` is asked with
 * the events left out; it is asked at most `triesMax` times.
 */
export function shrinkEvents(
  numbers: readonly number[],
  fails: (dropped: readonly number[]) => boolean,
  triesMax: number,
): readonly number[] {
  let kept = [...numbers];
  let parts = FIRST_PARTS;
  let tries = 0;
  const without = (part: readonly number[]): number[] => kept.filter((n) => !part.includes(n));
  while (kept.length > 0 && tries < triesMax) {
    const size = Math.ceil(kept.length / parts);
    let smaller: number[] | null = null;
    for (let from = 0; from < kept.length && smaller === null && tries < triesMax; from += size) {
      const rest = without(kept.slice(from, from + size));
      tries++;
      if (fails(numbers.filter((n) => !rest.includes(n)))) smaller = rest;
    }
    if (smaller !== null) {
      kept = smaller;
      parts = Math.max(FIRST_PARTS, parts - 1);
    } else if (size === 1) break;
    else parts = Math.min(kept.length, parts * 2);
  }
  return numbers.filter((n) => !kept.includes(n));
}
