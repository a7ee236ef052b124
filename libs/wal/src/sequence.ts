import type { Done } from '@quorate/consensus';

/** Does `step` for each item, one after the other; ends with the first error or with null. */
export function inTurn<T>(
  items: readonly T[],
  step: (item: T, next: Done) => void,
  done: Done,
): void {
  let position = 0;
  const advance: Done = (error) => {
    if (error !== null || position >= items.length) {
      done(error, undefined);
      return;
    }
    const item = items[position++] as T;
    step(item, advance);
  };
  advance(null, undefined);
}
