import { type Protocol, resolveVariants } from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import { createCodec } from './codec.ts';
import { describeMessage } from './describe.ts';
import type { RaftMessage } from './messages.ts';
import { RaftEngine } from './raft-engine.ts';
import { recover } from './records.ts';

/**
 * Raft, with its variants and their defaults:
 *
 * - `preVote`: ask whether a candidacy would succeed before raising the term (thesis, 9.6);
 * - `checkQuorum`: a leader that hears no quorum for an election timeout steps down (thesis, 6.2),
 *   and voters that hear a leader ignore vote requests (4.2.3). One without the other could leave
 *   a leader without followers for ever, so they are one switch.
 */
export const raft: Protocol<RaftMessage> = {
  name: 'raft',
  variants: { preVote: true, checkQuorum: true },
  capabilities: { leadershipTransfer: false, leaseReads: false, needsFifoChannels: false },
  createCodec,
  describeMessage,
  open(config, random, snapshot, records) {
    const { electionTimeoutMinMicros: min, electionTimeoutMaxMicros: max } = config;
    assert(max >= min + 1000, 'election timeouts are drawn at least 1 ms above their base');
    assert(config.heartbeatMicros < min, 'a heartbeat comes before any election timeout');
    const variants = resolveVariants(raft.variants, config.variants);
    const recovered = recover(records, snapshot);
    return new RaftEngine({ config, variants, random, snapshot, recovered });
  },
};
