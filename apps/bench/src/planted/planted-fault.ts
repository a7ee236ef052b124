import type { SourcePatch } from '@quorate/simulator';
import { LOST_ACK, UNCONFIRMED_READ } from './patches.ts';

/** A bug, and the scenario under which the bench must find it. */
export interface PlantedFault {
  readonly id: string;
  /** One sentence for people. */
  readonly bug: string;
  readonly patches: readonly SourcePatch[];
  /** A scenario file as YAML. It names no protocol; the flag does. */
  readonly scenario: string;
}

/** The protocols that each fault is planted into. */
export const PLANTED_PROTOCOLS = ['raft', 'multi-paxos', 'zab'] as const;

/** The largest failing history that still counts as an explanation, in operations. */
export const FAILING_OPERATIONS_MAX = 10;

/** All planted faults. Each must be found in each protocol. */
export const PLANTED_FAULTS: readonly PlantedFault[] = [
  {
    id: 'unconfirmed-read',
    bug: 'a leader behind a cut answers reads at once from its own state',
    patches: UNCONFIRMED_READ,
    // Readers stay at the old leader, which answers them; writers leave it when it falls silent.
    scenario: `
name: planted-unconfirmed-read
description: a leader is cut off while readers stay with it and writers find the next one
warmupSecondsMax: 1
probe: { rate: 400, mix: { put: 50, get: 50 }, readers: pinned, settle: 500ms }
faults:
  - { at: 300ms, partition: [[leader], [rest]], for: 2500ms }
slo: ["linearizable == true"]
`,
  },
  {
    id: 'lost-ack',
    bug: 'the log acknowledges a write and holds its bytes in memory, where a kill loses them',
    patches: LOST_ACK,
    // The load before the kill lasts longer than the bytes are held back, so an older part of the
    // log is on the disk and the replicas start again as what they were.
    scenario: `
name: planted-lost-ack
description: all replicas are killed at once and started again
warmupSecondsMax: 1
probe: { rate: 400, mix: { put: 70, get: 30 }, settle: 2s }
faults:
  - { at: 2500ms, kill: all, restartAfter: 300ms }
slo: ["acked_lost == 0"]
`,
  },
];
