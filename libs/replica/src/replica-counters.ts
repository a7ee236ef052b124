import type { Applier } from './applier.ts';
import type { PeerInputs } from './peer-inputs.ts';
import type { PeerSessions } from './peer-sessions.ts';
import type { ProposalQueue } from './proposal-queue.ts';
import type { ReadQueue } from './read-queue.ts';
import type { Snapshots } from './snapshots.ts';
import type { ReplicaCounters } from './types.ts';

/** The parts of a replica that count. */
export interface CountingParts {
  readonly turns: number;
  readonly readies: number;
  readonly proposals: ProposalQueue;
  readonly applier: Applier;
  readonly reads: ReadQueue;
  readonly inputs: Pick<PeerInputs<never>, 'frames' | 'bytes' | 'framesMalformed'>;
  readonly snapshots: Snapshots;
  readonly sessions: Pick<PeerSessions<never>, 'sentCounts'>;
}

/** Puts the counts of all parts together. */
export function countersOf(parts: CountingParts): ReplicaCounters {
  const { turns, readies, proposals, applier, reads, inputs, snapshots, sessions } = parts;
  return {
    turns,
    readies,
    commandsProposed: proposals.commandsProposed,
    batchesProposed: proposals.batchesProposed,
    commandsApplied: applier.commandsApplied,
    entriesApplied: applier.entriesApplied,
    reads: reads.reads,
    readTickets: reads.ticketsUsed,
    framesReceived: inputs.frames,
    bytesReceived: inputs.bytes,
    framesMalformed: inputs.framesMalformed,
    snapshotsTaken: snapshots.takenCount,
    snapshotsInstalled: snapshots.installed,
    sent: sessions.sentCounts(),
  };
}
