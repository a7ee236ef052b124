import { type Cancel, type Clock, type Instant, instant } from '@quorate/consensus';

/**
 * One timer for the nearest deadline. It is moved only to an earlier time: a follower's deadline
 * moves away with every heartbeat, and a wake-up too many costs less than a new timer each turn.
 */
export class WakeTimer {
  private readonly clock: Clock;
  private readonly wake: () => void;
  private armedAt: number | null = null;
  private fired = false;
  private cancelArmed: Cancel = () => {};

  constructor(clock: Clock, wake: () => void) {
    this.clock = clock;
    this.wake = wake;
  }

  /** Makes sure that `wake` is called at or after the earliest of the deadlines, and not later. */
  arm(...deadlines: readonly (number | null)[]): void {
    let earliest: number | null = null;
    for (const at of deadlines) {
      if (at !== null && (earliest === null || at < earliest)) earliest = at;
    }
    if (this.fired) this.armedAt = null;
    this.fired = false;
    if (earliest === null || (this.armedAt !== null && this.armedAt <= earliest)) return;
    this.cancelArmed();
    this.armedAt = earliest;
    this.cancelArmed = this.clock.schedule(instant(earliest), this.fire);
  }

  /** How long ago the armed deadline has passed; 0 when it has not, or none is armed. */
  lateMicros(now: Instant): number {
    const { armedAt } = this;
    return armedAt === null || now <= armedAt ? 0 : now - armedAt;
  }

  cancel(): void {
    this.cancelArmed();
    this.cancelArmed = () => {};
    this.armedAt = null;
  }

  /** The deadline stays noted until the turn, which asks how late it was and arms anew. */
  private readonly fire = (): void => {
    this.fired = true;
    this.wake();
  };
}
