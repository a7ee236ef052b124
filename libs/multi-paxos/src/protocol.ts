import {
  type ConsensusEngine,
  type EngineConfig,
  type Protocol,
  RecordKind,
  resolveVariants,
  type SnapshotMeta,
  type Variants,
  type WalRecord,
} from '@quorate/consensus';
import { assert, type Random } from '@quorate/foundation';
import { createPaxosCodec } from './codec.ts';
import { Context, votersOf } from './context.ts';
import { describeMessage } from './describe.ts';
import { isElectionRule } from './election-timer.ts';
import type { PaxosMessage } from './messages.ts';
import { MultiPaxosEngine } from './multi-paxos-engine.ts';
import type { LeadershipRules } from './proposer.ts';
import { foldRecords } from './records.ts';
import { SlotWindow } from './slots.ts';

/**
 * - `electionRule`: `timeout`, any replica whose timer fires prepares; `ranked`, the timers are
 *   staggered by rank, lowest node id first, within the same range.
 * - `leaderStickiness`: a replica that hears a live leader defers foreign prepares, and a replica
 *   asks a quorum whether it hears one before it raises its ballot.
 * - `checkQuorum`: a leader that no quorum answered for an election timeout stands down.
 */
const VARIANTS = {
  electionRule: 'timeout',
  leaderStickiness: true,
  checkQuorum: true,
} as const satisfies Variants;

/**
 * Slot-based Multi-Paxos: any slot may be chosen first, execution is contiguous, anybody may lead
 * and learns afterwards. Needs nothing of the network: messages may be lost, repeated, reordered.
 * After Paxos Made Simple (section 3), Paxos Made Moderately Complex and Paxos Made Live.
 */
export const multiPaxos: Protocol<PaxosMessage> = {
  name: 'multi-paxos',
  variants: VARIANTS,
  capabilities: { leadershipTransfer: false, leaseReads: false, needsFifoChannels: false },
  createCodec: createPaxosCodec,
  describeMessage,
  open: openEngine,
};

function openEngine(
  config: EngineConfig,
  random: Random,
  snapshot: SnapshotMeta | null,
  records: Iterable<WalRecord>,
): ConsensusEngine<PaxosMessage> {
  const rules = rulesOf(resolveVariants(VARIANTS, config.variants));
  const recovered = foldRecords(records);
  assert(
    recovered.snapshotIndex === (snapshot?.index ?? 0),
    'the snapshot given is the one that the log names',
  );
  const slots = new SlotWindow(recovered.snapshotIndex);
  for (const slot of [...recovered.slots.keys()].sort((a, b) => a - b)) {
    const record = recovered.slots.get(slot);
    assert(record !== undefined && slots.fits(slot), 'a recovered slot lies in the window');
    slots.put(record);
    if (record.kind === RecordKind.chosen || slot <= recovered.chosenPrefix) slots.markChosen(slot);
  }
  const context = new Context(config, random, votersOf(config), slots);
  return new MultiPaxosEngine(context, rules, recovered, snapshot);
}

function rulesOf(variants: Variants): LeadershipRules {
  const { electionRule, leaderStickiness, checkQuorum } = variants;
  if (!isElectionRule(electionRule)) {
    throw new RangeError('variant "electionRule" is timeout or ranked');
  }
  return {
    electionRule,
    leaderStickiness: leaderStickiness === true,
    checkQuorum: checkQuorum === true,
  };
}
