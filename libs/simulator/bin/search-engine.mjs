// Random faults against one engine: the seeds of the conformance suite with the ghost's checks and
// those of the protocol's own messages. Where the protocol does without FIFO channels, every other
// pair of seeds runs on lossy ones.
import { multiPaxos } from '@quorate/multi-paxos';
import { raft } from '@quorate/raft';
import { zab } from '@quorate/zab';
import { runRandomFaults } from '../../engine-testkit/src/cases/agreement.ts';
import { ConformanceKit } from '../../engine-testkit/src/kit.ts';
import { checkMessages } from './message-checks.mjs';
import { searchSeeds } from './search-arguments.mjs';

class WatchedKit extends ConformanceKit {
  cluster(options) {
    const cluster = super.cluster(options);
    checkMessages(cluster, this.protocol.name);
    return cluster;
  }
}

const kits = new Map(
  [raft, multiPaxos, zab].map((protocol) => [protocol.name, new WatchedKit(protocol, {})]),
);
searchSeeds((seed, target) => {
  const kit = kits.get(target);
  const channels = kit.channels[Math.floor(seed / 2) % kit.channels.length];
  runRandomFaults(kit, seed, channels);
});
