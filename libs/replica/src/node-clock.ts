import { type Clock, type Instant, instant } from '@quorate/consensus';

/** Longest sleep of one timer: beyond 2^31 ms Node would fire at once. */
const TIMER_MILLIS_MAX = 3_600_000;

/**
 * The clock of a Node process: monotonic microseconds since the process started. `defer` runs after
 * the sockets were polled (`setImmediate`), so that whatever arrived during a pause is stepped
 * before a deadline fires. Timers may fire up to a millisecond early, so each one looks at the
 * clock again before it calls back.
 */
export function nodeClock(): Clock {
  const now = (): Instant => instant(Math.floor(performance.now() * 1000));
  return {
    now,
    wallMicros: () => Date.now() * 1000,
    schedule(at, callback) {
      let timer: NodeJS.Timeout;
      const sleep = (): void => {
        const millis = Math.ceil((at - now()) / 1000);
        timer = setTimeout(wake, Math.min(Math.max(millis, 0), TIMER_MILLIS_MAX));
      };
      const wake = (): void => {
        if (now() < at) sleep();
        else callback();
      };
      sleep();
      return () => clearTimeout(timer);
    },
    defer: (callback) => {
      setImmediate(callback);
    },
  };
}
