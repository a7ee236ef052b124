/** What a check may use before it gives up with the verdict "unknown". */
export interface CheckLimits {
  /** Search steps, each one configuration; about a million a second. */
  readonly stepsMax: number;
  /** Bytes for the configurations remembered at one time. */
  readonly memoryBytesMax: number;
  /** Asked now and then; true ends the check. The library itself reads no clock. */
  readonly expired: () => boolean;
}

/** The limits of `quorate check` unless it is told otherwise. */
export const DEFAULT_LIMITS: CheckLimits = {
  stepsMax: 20_000_000,
  memoryBytesMax: 1024 * 1024 * 1024,
  expired: () => false,
};

const STEPS_BETWEEN_QUESTIONS = 4096;

/** Counts the steps of a check against its limits. */
export class Budget {
  readonly limits: CheckLimits;
  /** Why the check must stop, or null while it may go on. */
  stopReason: string | null = null;
  private steps = 0;

  constructor(limits: CheckLimits) {
    this.limits = limits;
  }

  /** The steps spent so far. */
  get stepsUsed(): number {
    return this.steps;
  }

  /** Spends one step; false when the check must stop. */
  spend(): boolean {
    this.steps++;
    if (this.steps > this.limits.stepsMax) {
      this.stopReason = `step limit reached (${this.limits.stepsMax} configurations)`;
    } else if (this.steps % STEPS_BETWEEN_QUESTIONS === 0 && this.limits.expired()) {
      this.stopReason = 'time limit reached';
    }
    return this.stopReason === null;
  }

  /** Notes that the memory for configurations is used up. */
  outOfMemory(): void {
    this.stopReason = `memory limit reached (${this.limits.memoryBytesMax} bytes)`;
  }
}
