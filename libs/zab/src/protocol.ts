import { type Protocol, resolveVariants, type Variants } from '@quorate/consensus';
import { createZabCodec } from './codec.ts';
import { describeMessage } from './describe.ts';
import type { ZabMessage } from './messages.ts';
import { ZabEngine } from './zab-engine.ts';
import { COUNTER_MAX } from './zxid.ts';

const VARIANTS: Variants = {
  electionRule: 'fast-leader-election',
  finalizeWaitMicros: 20_000,
  noopAtBroadcastStart: true,
  zxidCounterMax: COUNTER_MAX,
};

/**
 * ZAB, as a protocol that a host can run: the paper's discovery, synchronization and broadcast
 * phases behind ZooKeeper's fast leader election.
 *
 * Variants. `electionRule` names the election (there is one). `finalizeWaitMicros`: how long a
 * quorum of equal votes waits for a better one, unless every voter has spoken (ZooKeeper: 200 ms;
 * here 20 ms, some network round trips). `noopAtBroadcastStart`: a new primary logs a no-op, so
 * that its first commit needs no client. `zxidCounterMax`: transactions in one epoch; beyond it a
 * new epoch is elected. Tests lower it.
 *
 * ZAB needs first-in, first-out channels: a session is the unit of discovery and synchronization.
 */
export const zab: Protocol<ZabMessage> = {
  name: 'zab',
  variants: VARIANTS,
  capabilities: { leadershipTransfer: false, leaseReads: false, needsFifoChannels: true },
  createCodec: createZabCodec,
  describeMessage,
  open(config, random, snapshot, records) {
    const variants = resolveVariants(VARIANTS, config.variants);
    return new ZabEngine({ config, variants: checked(variants), random, snapshot, records });
  },
};

function checked(variants: Variants): Variants {
  if (variants.electionRule !== 'fast-leader-election') {
    throw new RangeError('variant "electionRule" is "fast-leader-election"');
  }
  const wait = Number(variants.finalizeWaitMicros);
  if (!Number.isSafeInteger(wait) || wait < 0) {
    throw new RangeError('variant "finalizeWaitMicros" is a whole number of microseconds, from 0');
  }
  const counterMax = Number(variants.zxidCounterMax);
  if (!Number.isSafeInteger(counterMax) || counterMax < 1 || counterMax > COUNTER_MAX) {
    throw new RangeError(`variant "zxidCounterMax" is a whole number from 1 to ${COUNTER_MAX}`);
  }
  return variants;
}
