import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';

const END = -1;

/** A timer of microseconds: calls back when a time has come, one time at a time. */
export class Metronome {
  private readonly worker: Worker;
  private readonly port: MessagePort;
  private readonly orders: Int32Array;
  private readonly wakeAt: Float64Array;
  private callback: (() => void) | null = null;

  constructor() {
    const shared = new SharedArrayBuffer(16);
    this.orders = new Int32Array(shared, 0, 1);
    this.wakeAt = new Float64Array(shared, 8, 1);
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    this.worker = new Worker(new URL('./metronome-thread.js', import.meta.url), {
      workerData: { shared, port: port2 },
      transferList: [port2],
    });
    this.port.on('message', (order: number) => {
      if (order !== Atomics.load(this.orders, 0)) return; // A newer time was set meanwhile.
      const { callback } = this;
      this.callback = null;
      callback?.();
    });
  }

  /** Calls back at `micros` (CLOCK_MONOTONIC) or a little before; replaces an earlier wish. */
  wake(micros: number, callback: () => void): void {
    this.callback = callback;
    this.order(micros);
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    this.callback = null;
    this.order(END);
    this.port.close();
    await this.worker.terminate();
  }

  private order(value: number): void {
    this.wakeAt[0] = value;
    Atomics.add(this.orders, 0, 1);
    Atomics.notify(this.orders, 0);
  }
}
