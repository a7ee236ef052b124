/**
 * The places that a campaign must reach, each named by what happened there. A probe without a hit
 * in a whole campaign means that the random search does not test what it claims to.
 */
export const PROBES = [
  'elected',
  'candidacyFailed',
  'steppedDown',
  'leaderStruck',
  'snapshotTaken',
  'snapshotInstalled',
  'restoredAtStart',
  'segmentRolled',
  'segmentReleased',
  'tornTailCut',
  'recoveredClean',
  'killedWithBatchesInFlight',
  'powerCutWithBatchesInFlight',
  'powerCutMidWrite',
  'allPowerCut',
  'startInterrupted',
  'diskErrorStopped',
  'readFailed',
  'noSpaceRefused',
  'snapshotWriteFailed',
  'operationStuck',
  'powerCutAtName',
  'bitFlipRefused',
  'zeroedSectorRefused',
  'lostWrite',
  'misdirectedWrite',
  'lyingSync',
  'lossRefused',
  'lossShown',
  'stoppedCleanly',
  'nodeSlow',
  'clockDrifted',
  'swizzled',
  'corruptFrameIgnored',
  'corruptFrameEndedSession',
  'corruptLength',
  'corruptChunk',
  'clientReplaced',
  'pressed',
  'sessionReset',
  'sequenceForgotten',
  'batchOfSeveral',
  'retryAnsweredFromSession',
  'casMismatch',
  'writeUnknown',
  'definiteFailure',
  'clientRedirected',
  'clientRetried',
  'readAtFollower',
  'servedBehindNewerRound',
  'suffixRemoved',
  'datagramLost',
  'datagramDuplicated',
  'datagramReordered',
  'datagramReplayed',
] as const;
/** One of {@link PROBES}. */
export type Probe = (typeof PROBES)[number];

const OF_DATAGRAMS: ReadonlySet<Probe> = new Set([
  'datagramLost',
  'datagramDuplicated',
  'datagramReordered',
  'datagramReplayed',
]);

/** The probes that a campaign must hit; without datagrams some are out of its reach. */
export function expectedProbes(needsFifoChannels: boolean): Probe[] {
  return PROBES.filter((probe) => !(needsFifoChannels && OF_DATAGRAMS.has(probe)));
}

/** Hits of each probe in one run. */
export class ProbeCounts {
  private readonly counts = new Map<Probe, number>();

  hit(probe: Probe, times = 1): void {
    if (times > 0) this.counts.set(probe, (this.counts.get(probe) ?? 0) + times);
  }

  /** All probes with their hits, in the order of {@link PROBES}. */
  all(): Record<Probe, number> {
    const entries = PROBES.map((probe) => [probe, this.counts.get(probe) ?? 0] as const);
    return Object.fromEntries(entries) as Record<Probe, number>;
  }
}
