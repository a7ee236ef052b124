// Random faults against one engine: the seeds of the conformance suite, with the ghost's checks.
// Where the protocol does without FIFO channels, every other pair of seeds runs on lossy ones.
import { multiPaxos } from '@quorate/multi-paxos';
import { raft } from '@quorate/raft';
import { zab } from '@quorate/zab';
import { runRandomFaults } from '../../engine-testkit/src/cases/agreement.ts';
import { ConformanceKit } from '../../engine-testkit/src/kit.ts';
import { searchSeeds } from './search-arguments.mjs';

const kits = new Map(
  [raft, multiPaxos, zab].map((protocol) => [protocol.name, new ConformanceKit(protocol, {})]),
);
searchSeeds((seed, target) => {
  const kit = kits.get(target);
  const channels = kit.channels[Math.floor(seed / 2) % kit.channels.length];
  runRandomFaults(kit, seed, channels);
});
