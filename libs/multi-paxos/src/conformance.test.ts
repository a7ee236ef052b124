import { conformanceSuite } from '@quorate/engine-testkit';
import { multiPaxosRules } from '@quorate/protocol-rules';
import { multiPaxos } from './protocol.ts';

conformanceSuite(multiPaxos, { rules: multiPaxosRules });

// The variants that are not the default must be as safe; duels only cost them time.
conformanceSuite(multiPaxos, {
  rules: multiPaxosRules,
  sizes: [3],
  randomSeeds: 4,
  firstSeed: 500,
  config: { variants: { electionRule: 'ranked', leaderStickiness: false, checkQuorum: false } },
});
