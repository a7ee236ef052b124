// Random faults against one engine: the seeds of the conformance suite with the ghost's checks and
// the protocol's own rules. Where the protocol does without FIFO channels, every other
// pair of seeds runs on lossy ones.
import { multiPaxos } from '@quorate/multi-paxos';
import { multiPaxosRules, raftRules, zabRules } from '@quorate/protocol-rules';
import { raft } from '@quorate/raft';
import { zab } from '@quorate/zab';
import { runRandomFaults } from '../../engine-testkit/src/cases/agreement.ts';
import { ConformanceKit } from '../../engine-testkit/src/kit.ts';
import { searchSeeds } from './search-arguments.mjs';

const RULED = [
  [raft, raftRules],
  [multiPaxos, multiPaxosRules],
  [zab, zabRules],
];
const kits = new Map(
  RULED.map(([protocol, rules]) => [protocol.name, new ConformanceKit(protocol, { rules })]),
);
searchSeeds((seed, target) => {
  const kit = kits.get(target);
  const channels = kit.channels[Math.floor(seed / 2) % kit.channels.length];
  runRandomFaults(kit, seed, channels);
});
