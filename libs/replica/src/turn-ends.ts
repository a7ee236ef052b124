import type { Clock } from '@quorate/consensus';

/** Who waits for the end of a turn: those who gather what the turn gives, to pass it on at once. */
export class TurnEnds {
  private readonly clock: Pick<Clock, 'defer'>;
  private underWay = false;
  private callbacks: (() => void)[] = [];

  constructor(clock: Pick<Clock, 'defer'>) {
    this.clock = clock;
  }

  /** Runs a turn; whoever is still waiting when it ends, however it ends, is called then. */
  during(turn: () => void): void {
    this.underWay = true;
    turn();
    this.underWay = false;
    this.call();
  }

  /** Calls back once, at the next `call` of the turn under way, or in the next event-loop turn. */
  add(callback: () => void): void {
    if (this.underWay) this.callbacks.push(callback);
    else this.clock.defer(callback);
  }

  /** Calls everybody who waits. */
  call(): void {
    if (this.callbacks.length === 0) return;
    const { callbacks } = this;
    this.callbacks = [];
    for (const callback of callbacks) callback();
  }
}
