import { multiPaxosRules, raftRules, zabRules } from '@quorate/protocol-rules';
import type { ProtocolRules } from '@quorate/simulator';

type AnyRules = ProtocolRules<unknown>;

/** The casts forget the message types, as those of engines do. */
const RULES: ReadonlyMap<string, AnyRules> = new Map([
  ['raft', raftRules as unknown as AnyRules],
  ['multi-paxos', multiPaxosRules as unknown as AnyRules],
  ['zab', zabRules as unknown as AnyRules],
]);

/** What a protocol must never do beyond what none may; null for the baseline. */
export function rulesOf(protocol: string): AnyRules | null {
  return RULES.get(protocol) ?? null;
}
