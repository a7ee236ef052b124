import type { Random } from '@quorate/foundation';
import type { SwarmOptions } from './host-options.ts';

/** The operations that the clients of one seed aim at while nothing is broken. */
const OPERATIONS_WANTED = 1500;
const SAFETY_SECONDS = 60;

/**
 * Draws the sizes and timings of one seed. Each draw has its own stream, so that a new option does
 * not shift the others; extreme values (batches of one command, tiny windows, snapshots every few
 * entries) come as often as usual ones, because that is where rare branches are taken.
 */
export function drawSwarm(random: Random): SwarmOptions {
  const of = <T>(label: string, values: readonly T[]): T =>
    values[random.split(label).below(values.length)] as T;
  const between = (label: string, min: number, max: number): number =>
    random.split(label).between(min, max);
  const heartbeatMicros = of('heartbeat', [20_000, 50_000, 50_000, 100_000]);
  const electionTimeoutMinMicros = heartbeatMicros * of('timeout', [3, 4, 6]);
  const clients = between('clients', 2, 4);
  const clientConcurrency = between('concurrency', 1, 4);
  const thinkMaxMicros = Math.floor(
    (2 * SAFETY_SECONDS * 1e6 * clients * clientConcurrency) / OPERATIONS_WANTED,
  );
  return {
    nodes: of('nodes', [3, 3, 3, 5, 5, 4]),
    timing: {
      heartbeatMicros,
      electionTimeoutMinMicros,
      electionTimeoutMaxMicros: 2 * electionTimeoutMinMicros,
      detector: of('detector', ['timers', 'timers', 'timers+socket']),
    },
    linkDelayMinMicros: of('delayMin', [50, 100, 500]),
    linkDelayMaxMicros: of('delayMax', [500, 1_000, 5_000, 15_000]),
    timersLateMaxMicros: of('late', [0, 100, 1_500]),
    diskReadMicros: of('read', [10, 100]),
    diskWriteMicros: of('write', [10, 50, 200]),
    diskSyncMicros: of('sync', [50, 500, 2_000, 8_000]),
    segmentBytes: of('segment', [64 * 1024, 128 * 1024, 256 * 1024]),
    writeThrough: of('writeThrough', [true, true, false]),
    snapshotEveryEntries: of('snapshots', [5, 25, 100, 400, 10_000]),
    commandsMax: of('commands', [1, 2, 1024, 1024]),
    inFlightBatchesMax: of('batches', [1, 4, 16]),
    proposalsQueuedMax: of('proposals', [2, 64, 16_384]),
    readiesUnpersistedMax: of('readies', [2, 16, 256]),
    applyBytesMax: of('apply', [1, 4_096, 2 * 1024 * 1024]),
    appendEntriesMax: of('appendEntries', [1, 3, 256]),
    appendBytesMax: of('appendBytes', [200, 64 * 1024, 1024 * 1024]),
    inflightMessagesMax: of('inflight', [1, 4, 64]),
    uncommittedEntriesMax: of('uncommitted', [4, 64, 4096]),
    ...drawTail(random),
    clients,
    clientConcurrency,
    keys: of('keys', [1, 3, 8, 20]),
    valueBytesMax: of('values', [16, 16, 200, 4_000]),
    thinkMaxMicros,
    operationTimeoutMicros: of('timeoutOfOperations', [400_000, 2_000_000, 5_000_000]),
    resultsPerSessionMax: of('results', [1, 2, 8, 1024, 1024, 1024]),
    sessionlessClients: of('sessionless', [false, true]),
    faultEveryMicros: of('faultEvery', [700_000, 1_500_000, 3_000_000]),
    faultLastsMaxMicros: of('faultLasts', [300_000, 1_500_000, 5_000_000]),
  };
}

function drawTail(
  random: Random,
): Pick<SwarmOptions, 'logTailBytesMin' | 'logTailBytesMax' | 'syncBytesMax'> {
  const small = random.split('tail').below(2) === 0;
  if (small) return { logTailBytesMin: 1, logTailBytesMax: 4_000, syncBytesMax: 4_000 };
  const large = 1024 * 1024;
  return { logTailBytesMin: large, logTailBytesMax: 8 * large, syncBytesMax: 8 * large };
}
