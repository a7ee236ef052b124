/** A broken promise between two parts of this program; never raised by outside input. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
}

/**
 * Throws {@link InvariantViolation} unless `condition` holds. Assertions stay on in production and
 * in benchmarks: a replica that contradicts itself must stop before it tells others.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message);
}

/** Returns `value`, or throws {@link InvariantViolation} when it is null or undefined. */
export function required<T>(value: T | null | undefined, message: string): T {
  if (value === null || value === undefined) throw new InvariantViolation(message);
  return value;
}

/** Marks a branch that the types rule out; throws {@link InvariantViolation} when it is reached. */
export function unreachable(value: never, message: string): never {
  throw new InvariantViolation(`${message}: ${String(value)}`);
}
