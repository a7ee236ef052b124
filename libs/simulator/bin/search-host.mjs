// Random faults against production replicas: host loop, log, snapshot store, state machine and
// client on virtual time, as `quorate simulate` runs them, with a shorter phase of faults. Seeds
// take the protocols in turn, since the bugs searched for belong to none of them.
import { multiPaxos } from '@quorate/multi-paxos';
import { multiPaxosRules, raftRules, zabRules } from '@quorate/protocol-rules';
import { raft } from '@quorate/raft';
import { zab } from '@quorate/zab';
import { runHosts } from '../src/host-level/host-run.ts';
import { searchSeeds } from './search-arguments.mjs';

const SAFETY_MICROS = 15_000_000;
const PROTOCOLS = [
  { protocol: raft, rules: raftRules },
  { protocol: multiPaxos, rules: multiPaxosRules },
  { protocol: zab, rules: zabRules },
];

searchSeeds((seed) => {
  const { protocol, rules } = PROTOCOLS[seed % PROTOCOLS.length];
  const { failure } = runHosts({ protocol, rules, seed, safetyMicros: SAFETY_MICROS });
  if (failure !== null) throw new Error(`${failure.invariant}: ${failure.message}`);
});
