import { type Member, type NodeId, nodeId } from '@quorate/consensus';
import type { PeerDisks } from './peer-disks.ts';
import type { MemberAddress } from './server-options.ts';

/**
 * Where the members listen now. It starts with the cluster file, where a port of 0 means "not known
 * yet", and learns the real ports from whoever started the replicas.
 */
export class MemberBook {
  private readonly addresses = new Map<number, MemberAddress>();

  private readonly disks: PeerDisks;

  constructor(members: readonly MemberAddress[], disks: PeerDisks) {
    this.disks = disks;
    this.learn(members);
  }

  /** Takes over what is known of the members named; ids that are not members are passed over. */
  learn(members: readonly MemberAddress[]): void {
    for (const { id, http, peer, client } of members) {
      this.addresses.set(id, { id, http: known(http), peer: known(peer), client: known(client) });
    }
  }

  /** Where peers are dialled (nowhere while it is empty), and which disk they must show. */
  resolve(member: Member): Member {
    const address = this.addresses.get(member.id)?.peer ?? '';
    return { ...member, address, disk: member.disk || this.disks.diskOf(member.id) };
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
      if (peer !== '')
        peers.push({ id: nodeId(id) as NodeId, disk: this.disks.diskOf(id), address: peer });
    }
    return peers.sort((a, b) => a.id - b.id);
  }
}

function known(address: string): string {
  return address.endsWith(':0') ? '' : address;
}
