import type { Variants } from '@quorate/consensus';
import type { Random } from '@quorate/foundation';
import type { Channels, ClusterOptions, ConfigOverrides } from './options.ts';

/** Faults and load go on for so long before the quiet phase. */
const LOAD_MICROS = 3_000_000;
const SLOW_LINK_MICROS = 5_000;

/** What one seed draws for a cluster of engines, besides its faults. */
export interface EngineSwarm
  extends Pick<ClusterOptions<unknown>, 'snapshotEveryEntries' | 'disk' | 'network'> {
  readonly nodes: number;
  readonly config: ConfigOverrides;
  /** How long the load goes on under faults, and the mean time between two requests. */
  readonly loadMicros: number;
  readonly loadEveryMicros: number;
}

/**
 * Draws size, network, disk, limits and variants of one seed (swarm testing). Each draw has its own
 * stream, so that a new option shifts no other. Extreme values (messages of one entry, a snapshot
 * every few entries, links slower than elections) come as often as usual ones, because that is
 * where rare branches are taken.
 */
export function drawEngineSwarm(
  random: Random,
  given: {
    readonly sizes: readonly number[];
    readonly channels: Channels;
    /** The protocol's default variants; switches are drawn on or off. */
    readonly variants: Variants;
  },
): EngineSwarm {
  const of = <T>(label: string, values: readonly T[]): T =>
    values[random.split(label).below(values.length)] as T;
  const lossy = given.channels === 'lossy';
  const delayMaxMicros = of('delay', [500, 500, 5_000, 20_000, 60_000]);
  // Over slow links a window of one entry would not catch up within any bound of the quiet phase,
  // nor would a phase 1 end that pulls a few slots in each round trip.
  const slow = delayMaxMicros > SLOW_LINK_MICROS;
  const limits = {
    ...(of('tinyLog', [true, false]) ? TINY_LOG : {}),
    appendEntriesMax: of('appendEntries', slow ? [16, 256] : [1, 2, 4, 256]),
    appendBytesMax: of('appendBytes', slow ? [1024 * 1024] : [20, 1024 * 1024]),
    inflightMessagesMax: of('inflight', slow ? [3, 64] : [1, 3, 64]),
    uncommittedEntriesMax: of('uncommitted', [8, 64]),
  };
  return {
    nodes: of('nodes', given.sizes),
    snapshotEveryEntries: of('snapshots', [0, 3, 10, 40]),
    disk: {
      syncMaxMicros: of('sync', [1_000, 1_000, 10_000, 40_000]),
      segmentBatchesMax: of('segment', [2, 4, 9]),
      applyMaxMicros: of('apply', [200, 200, 50_000]),
    },
    network: {
      channels: given.channels,
      delayMaxMicros,
      loss: lossy ? of('loss', [0, 0.02, 0.1]) : of('sessionLoss', [0, 0.0005]),
      duplication: lossy ? of('duplication', [0.02, 0.2]) : 0,
      reordering: lossy ? of('reordering', [0, 0.2]) : 0,
      replayMaxMicros: lossy ? of('replay', [0, 100_000, 1_500_000]) : 0,
      replaysAtElection: lossy ? of('replaysAtElection', [0, 8, 64]) : 0,
      sessionTimeoutMicros: of('sessionTimeout', [50_000, 500_000, 2_500_000]),
    },
    config: {
      limits,
      detector: of('detector', ['timers', 'timers', 'timers', 'timers+socket']),
      variants: drawVariants(random.split('variants'), given.variants),
    },
    loadMicros: LOAD_MICROS,
    loadEveryMicros: of('load', [1_500, 5_000, 20_000]),
  };
}

/** Limits under which slow peers need snapshots and messages are short. */
const TINY_LOG = { logTailBytesMin: 0, logTailBytesMax: 64, syncBytesMax: 64 };

/** Two seeds in three keep the defaults; in the others each switch is drawn. */
function drawVariants(random: Random, defaults: Variants): Variants {
  if (random.split('default').below(3) > 0) return {};
  const drawn: Record<string, boolean> = {};
  for (const [name, value] of Object.entries(defaults)) {
    if (typeof value === 'boolean') drawn[name] = random.split(name).below(2) === 0;
  }
  return drawn;
}
