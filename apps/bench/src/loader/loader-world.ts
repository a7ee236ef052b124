import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { CLIENT_SERVICE_PATH } from '@quorate/client';
import type { Clock } from '@quorate/consensus';
import { nodeClock } from '@quorate/replica';
import { type FrameNetwork, grpcFrames, nodeNet, tcpFrames } from '@quorate/transport';
import { Metronome } from './metronome.ts';
import { nowMicros } from './time.ts';

/** What a loader costs the machine; absent on virtual time, where work takes none. */
export interface LoaderHealth {
  readonly pid: number;
  /** CPU time since the loader started, in microseconds. */
  cpuMicros(): { readonly user: number; readonly system: number };
  eventLoopDelayP99Ms(): number;
  gcMaxMs(): number;
}

/** What a loader stands on: the machine, or a simulation. Times in microseconds of one clock. */
export interface LoaderWorld {
  readonly health: LoaderHealth | null;
  now(): number;
  /** Calls back at a time or a little before; what arrived meanwhile comes first. One at a time. */
  wake(atMicros: number, callback: () => void): void;
  /** What clients connect with. */
  edges(transport: 'grpc' | 'tcp'): { readonly network: FrameNetwork; readonly clock: Clock };
  close(): Promise<void>;
}

const DELAY_RESOLUTION_MS = 5;
/** Starts due this soon are spun for; the metronome is for longer waits. */
const SPIN_MICROS = 60;

/** The machine: real time, real sockets, and the load that the loader itself is. */
export function machineWorld(): LoaderWorld {
  const metronome = new Metronome();
  const wake = (atMicros: number, callback: () => void): void => {
    // Both let sockets be read before the next start.
    if (atMicros - nowMicros() < SPIN_MICROS) setImmediate(callback);
    else metronome.wake(atMicros, callback);
  };
  const edges = (transport: 'grpc' | 'tcp') => ({
    network:
      transport === 'grpc'
        ? grpcFrames({ servicePath: CLIENT_SERVICE_PATH })
        : tcpFrames(nodeNet()),
    clock: nodeClock(),
  });
  return { health: watchHealth(), now: nowMicros, wake, edges, close: () => metronome.close() };
}

function watchHealth(): LoaderHealth {
  const startUsage = process.cpuUsage();
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  let gcMaxMs = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) gcMaxMs = Math.max(gcMaxMs, entry.duration);
  });
  observer.observe({ entryTypes: ['gc'] });
  return {
    pid: process.pid,
    cpuMicros: () => process.cpuUsage(startUsage),
    eventLoopDelayP99Ms: () => Math.max(0, delay.percentile(99) / 1e6 - DELAY_RESOLUTION_MS),
    gcMaxMs: () => gcMaxMs,
  };
}
