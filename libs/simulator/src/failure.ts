/** A broken invariant in a simulated run: which one, the seed that shows it, the last events. */
export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure';
  /** The invariant's name in the safety net: `C1`, `C4`, `ticket`, `liveness` ... */
  readonly invariant: string;
  readonly seed: number | string;

  constructor(
    failure: { invariant: string; seed: number | string; message: string },
    events: readonly string[],
    cause?: unknown,
  ) {
    const head = `${failure.invariant}: ${failure.message} (seed ${failure.seed})`;
    super([head, 'last events:', ...events].join('\n'), { cause });
    this.invariant = failure.invariant;
    this.seed = failure.seed;
  }
}
