import { workerData } from 'node:worker_threads';

// Sleeps until the time that stands in the shared cells and then wakes the loader's thread. A futex
// wait ends within some 60 microseconds of its deadline; Node's own timers are good to a
// millisecond,
// which would be added to every latency that counts from an intended start.

const { shared, port } = workerData as {
  readonly shared: SharedArrayBuffer;
  readonly port: import('node:worker_threads').MessagePort;
};
/** Cell 0 counts orders: it changes whenever a new wake-up time was written. */
const orders = new Int32Array(shared, 0, 1);
const wakeAt = new Float64Array(shared, 8, 1);

/** What the futex oversleeps by; the loader spins this little rest away. */
const EARLY_MICROS = 40;
const END = -1;

let seen = 0;
for (;;) {
  const order = Atomics.load(orders, 0);
  if (order === seen) {
    Atomics.wait(orders, 0, seen);
    continue;
  }
  const at = wakeAt[0] as number;
  if (at === END) break;
  const leftMicros = at - Number(process.hrtime.bigint() / 1000n) - EARLY_MICROS;
  if (leftMicros > 0 && Atomics.wait(orders, 0, order, leftMicros / 1000) === 'ok') continue;
  seen = order;
  port.postMessage(order);
}
