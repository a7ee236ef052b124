import { setImmediate } from 'node:timers/promises';
import type { HostCluster } from '@quorate/simulator';

/** So much virtual time passes between two looks at promises, and at Ctrl-C. */
const STEP_MICROS = 1_000;

/**
 * Moves virtual time along while somebody waits for something that takes time. Between the steps
 * promises settle; what they begin is scheduled at a time that depends on nothing real, so that
 * asynchronous code on top of a simulation stays repeatable. When nobody waits, time stands still.
 */
export class SimTime<M> {
  private readonly cluster: HostCluster<M>;
  private readonly signal: AbortSignal;
  private waiting = 0;
  private isMoving = false;
  private failure: { readonly error: unknown } | null = null;
  private readonly onFailure = new Set<(error: unknown) => void>();

  constructor(cluster: HostCluster<M>, signal: AbortSignal) {
    this.cluster = cluster;
    this.signal = signal;
  }

  /** The virtual time in microseconds. */
  now(): number {
    return this.cluster.world.queue.now();
  }

  /** Lets time pass until the work has ended. Rejects when the simulation fails or is aborted. */
  during<T>(work: Promise<T>): Promise<T> {
    this.waiting++;
    if (!this.isMoving) void this.move();
    return new Promise<T>((resolve, reject) => {
      const end = (): void => {
        if (this.onFailure.delete(reject)) this.waiting--;
      };
      if (this.failure !== null) reject(this.failure.error);
      this.onFailure.add(reject);
      work.then(resolve, reject).finally(end);
    });
  }

  private async move(): Promise<void> {
    this.isMoving = true;
    await setImmediate(); // What begins together begins at one time.
    try {
      while (this.waiting > 0) {
        this.signal.throwIfAborted();
        this.cluster.runUntil(this.now() + STEP_MICROS);
        await setImmediate();
      }
    } catch (error) {
      this.failure = { error };
      for (const fail of this.onFailure) fail(error);
    }
    this.isMoving = false;
  }
}
