import { conformanceSuite } from '@quorate/engine-testkit';
import { multiPaxos } from './protocol.ts';

conformanceSuite(multiPaxos);

// The variants that are not the default must be as safe; duels only cost them time.
conformanceSuite(multiPaxos, {
  sizes: [3],
  randomSeeds: 4,
  firstSeed: 500,
  config: { variants: { electionRule: 'ranked', leaderStickiness: false, checkQuorum: false } },
});
