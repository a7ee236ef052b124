const offsetMicros = Number(process.hrtime.bigint()) / 1000 - performance.now() * 1000;

/**
 * CLOCK_MONOTONIC in microseconds with a fraction, comparable between the processes of a machine.
 * It reads the cheap clock of the process and adds what the two differ by.
 */
export function nowMicros(): number {
  return performance.now() * 1000 + offsetMicros;
}
