import { monitorEventLoopDelay, PerformanceObserver, performance } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';
import type { ReplicaGauges } from '@quorate/cluster';
import type { Replica } from '@quorate/replica';

const NANOS_PER_MS = 1e6;
const DELAY_RESOLUTION_MS = 5;

/** Watches the health of one replica's thread from its start on. */
export class HealthWatch {
  private readonly delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  private readonly observer: PerformanceObserver;
  private gcMaxMs = 0;

  constructor() {
    this.delay.enable();
    this.observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) this.gcMaxMs = Math.max(this.gcMaxMs, entry.duration);
    });
    this.observer.observe({ entryTypes: ['gc'] });
  }

  /** Counters since the start; a thread's CPU time is its event loop's active time. */
  gauges(replica: Replica): ReplicaGauges {
    const { counters, wal } = replica.status();
    const cpu = isMainThread ? process.cpuUsage() : { user: loopActiveMicros(), system: 0 };
    let frames = 0;
    let bytes = 0;
    for (const one of counters.sent) {
      frames += one.frames;
      bytes += one.bytes;
    }
    return {
      cpuUserMicros: cpu.user,
      cpuSystemMicros: cpu.system,
      rssBytes: process.memoryUsage.rss(),
      // The histogram counts from its own resolution; what lies above it is delay.
      eventLoopDelayP99Ms: Math.max(
        0,
        this.delay.percentile(99) / NANOS_PER_MS - DELAY_RESOLUTION_MS,
      ),
      gcMaxMs: this.gcMaxMs,
      peerMessagesSent: frames,
      peerBytesSent: bytes,
      walSyncs: wal.syncs,
      walBatches: wal.batches,
      walBytes: wal.bytesWritten,
      commandsApplied: counters.commandsApplied,
      entriesApplied: counters.entriesApplied,
    };
  }

  stop(): void {
    this.delay.disable();
    this.observer.disconnect();
  }
}

function loopActiveMicros(): number {
  return Math.round(performance.eventLoopUtilization().active * 1000);
}
