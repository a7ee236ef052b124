import { type Member, type NodeId, nodeId } from '@quorate/consensus';
import type { MemberAddress } from './server-options.ts';

/**
 * Where the members listen now. It starts with the cluster file, where a port of 0 means "not known
 * yet", and learns the real ports from whoever started the replicas.
 */
export class MemberBook {
  private readonly addresses = new Map<number, MemberAddress>();

  constructor(members: readonly MemberAddress[]) {
    this.learn(members);
  }

  /** Takes over what is known of the members named; ids that are not members are passed over. */
  learn(members: readonly MemberAddress[]): void {
    for (const { id, http, peer, client } of members) {
      this.addresses.set(id, { id, http: known(http), peer: known(peer), client: known(client) });
    }
  }

  /** Where peers are dialled; an unknown address is empty and is not dialled. */
  resolve(member: Member): Member {
    return { ...member, address: this.addresses.get(member.id)?.peer ?? '' };
  }

  clientAddress(id: number): string {
    return this.addresses.get(id)?.client ?? '';
  }

  httpAddress(id: number): string {
    return this.addresses.get(id)?.http ?? '';
  }

  /** The members whose peer address is known, for the transport. */
  peers(): Member[] {
    const peers: Member[] = [];
    for (const { id, peer } of this.addresses.values()) {
      if (peer !== '') peers.push({ id: nodeId(id) as NodeId, disk: '', address: peer });
    }
    return peers.sort((a, b) => a.id - b.id);
  }
}

function known(address: string): string {
  return address.endsWith(':0') ? '' : address;
}
