import type { Probe } from '@quorate/simulator';

/** One line an entry: the id, and the probe that random search hits where its situation arises. */
const TABLE = `
RF-01 leaderStruck
RF-02 suffixRemoved
RF-03 datagramReplayed
RF-04 datagramReplayed
RF-05 datagramReplayed
RF-06 powerCutWithBatchesInFlight
RF-08 powerCutWithBatchesInFlight
RF-09 snapshotInstalled
RF-10 candidacyFailed
RF-11 candidacyFailed
RF-12 candidacyFailed
RF-20 datagramReordered
RF-21 datagramReordered
RF-22 suffixRemoved
RF-23 datagramReordered
RF-24 leaderStruck
RF-25 elected
RF-26 datagramReplayed
RF-27 snapshotInstalled
RF-28 snapshotInstalled
RF-29 sessionReset
RF-30 snapshotInstalled
RF-33 suffixRemoved
RF-34 diskErrorStopped
RF-35 startInterrupted
RF-36 startInterrupted
RF-37 leaderStruck
RF-38 writeUnknown
RF-40 operationStuck
RF-41 elected
RF-42 datagramReplayed
RF-43 servedBehindNewerRound
RF-63 suffixRemoved
RF-64 segmentRolled
RF-65 suffixRemoved
MP-01 powerCutWithBatchesInFlight
MP-02 powerCutWithBatchesInFlight
MP-03 candidacyFailed
MP-04 candidacyFailed
MP-05 leaderStruck
MP-06 datagramLost
MP-07 candidacyFailed
MP-08 datagramLost
MP-12 snapshotInstalled
MP-13 snapshotInstalled
MP-14 retryAnsweredFromSession
MP-15 datagramReordered
MP-16 servedBehindNewerRound
MP-17 readAtFollower
MP-21 lossRefused
MP-24 leaderStruck
ZB-01 powerCutWithBatchesInFlight
ZB-02 powerCutWithBatchesInFlight
ZB-03 allPowerCut
ZB-04 allPowerCut
ZB-05 allPowerCut
ZB-10 leaderStruck
ZB-11 snapshotInstalled
ZB-12 sessionReset
ZB-13 sessionReset
ZB-14 suffixRemoved
ZB-15 suffixRemoved
ZB-16 noSpaceRefused
ZB-17 powerCutAtName
ZB-18 candidacyFailed
ZB-19 candidacyFailed
ZB-20 sessionReset
ZB-21 sessionReset
ZB-22 sessionReset
ZB-25 diskErrorStopped
ZB-27 snapshotWriteFailed
ZB-28 corruptFrameEndedSession
ZB-29 operationStuck
KV-01 killedWithBatchesInFlight
KV-18 retryAnsweredFromSession
KV-19 snapshotInstalled
KV-20 readAtFollower
ST-01 tornTailCut
ST-02 bitFlipRefused
ST-05 diskErrorStopped
ST-06 powerCutAtName
ST-07 noSpaceRefused
ST-08 segmentReleased
ST-09 misdirectedWrite
ST-10 lyingSync
ST-11 operationStuck
ST-12 corruptChunk
ST-13 allPowerCut
ST-14 lossRefused
ST-16 powerCutMidWrite
ST-17 bitFlipRefused
ST-18 segmentReleased
ST-19 powerCutMidWrite
`;

/**
 * The coverage probe of `quorate simulate` that stands for an entry of the catalogue. Entries that
 * no probe stands for are played by their scripts alone; the partial networks of RF-14 to RF-18 are
 * stories of their own (`benchmarks/stories`).
 */
export const CATALOGUE_PROBES: ReadonlyMap<string, Probe> = new Map(
  TABLE.trim()
    .split('\n')
    .map((line) => line.split(' ') as [string, Probe]),
);
