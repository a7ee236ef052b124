import { type MessageCodec, type Protocol, resolveVariants } from '@quorate/consensus';
import { UnreplicatedEngine } from './unreplicated-engine.ts';

const CODEC: MessageCodec<never> = { encode: () => [], decode: () => null };

/**
 * The baseline `none`: one node, the same log, host and state machine as the replicated protocols,
 * and no agreement. It has no messages.
 */
export const unreplicated: Protocol<never> = {
  name: 'none',
  variants: {},
  capabilities: { leadershipTransfer: false, leaseReads: false, needsFifoChannels: false },
  createCodec: () => CODEC,
  describeMessage: () => 'none',
  open(config, _random, snapshot, records) {
    resolveVariants({}, config.variants);
    return new UnreplicatedEngine(config, snapshot, records);
  },
};
