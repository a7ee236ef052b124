import { conformanceCases } from '@quorate/engine-testkit';
import { raftRules } from '@quorate/protocol-rules';
import { describe, it } from 'vitest';
import { raft } from './index.ts';

// Each switch alone and both off: the last one is the paper's own Raft. What has nothing to do with
// elections is covered by the run with the defaults.
const CASES = /random faults|heals|paused|isolated|disk hangs|without a quorum|leader crash/;

for (const variants of [
  { preVote: true, checkQuorum: false },
  { preVote: false, checkQuorum: true },
  { preVote: false, checkQuorum: false },
]) {
  describe(JSON.stringify(variants), () => {
    const cases = conformanceCases(raft, {
      ...{ rules: raftRules, config: { variants }, sizes: [3], randomSeeds: 6 },
    });
    for (const one of cases) if (CASES.test(one.name)) it(one.name, () => one.run());
  });
}
