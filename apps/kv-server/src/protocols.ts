import type { Protocol } from '@quorate/consensus';
import { multiPaxos } from '@quorate/multi-paxos';
import { raft } from '@quorate/raft';
import { unreplicated } from '@quorate/unreplicated';
import { zab } from '@quorate/zab';

/** A protocol whose message type nobody outside its library knows. */
export type AnyProtocol = Protocol<unknown>;

/**
 * The only place where a protocol's name becomes an engine. The casts forget the message types: the
 * host passes messages from an engine to its own codec and back, and never looks inside.
 */
const PROTOCOLS: readonly AnyProtocol[] = [
  raft as unknown as AnyProtocol,
  multiPaxos as unknown as AnyProtocol,
  zab as unknown as AnyProtocol,
  unreplicated as unknown as AnyProtocol,
];

/** The names that `--protocol` takes: the three protocols, and `none` for the baseline. */
export const PROTOCOL_NAMES: readonly string[] = PROTOCOLS.map((protocol) => protocol.name);

/** The protocol of a name, or null. */
export function protocolNamed(name: string): AnyProtocol | null {
  return PROTOCOLS.find((protocol) => protocol.name === name) ?? null;
}
