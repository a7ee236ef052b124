import type { NodeId } from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import { majority } from '@quorate/quorum';

/** A set of acceptors fits in the bits of a small integer, below the sign bit and one flag. */
const VOTERS_MAX = 30;

/**
 * The acceptors, each with a bit of its own, so that counting who accepted a slot is one OR and one
 * count of bits. Phase 1 and phase 2 both need a majority, so any two quorums meet (P9).
 */
export class VoterSet {
  /** All voters, sorted by id. */
  readonly ids: readonly NodeId[];
  /** All voters but this replica, sorted by id. */
  readonly peers: readonly NodeId[];
  /** This replica's own bit. */
  readonly ownBit: number;
  private readonly bits = new Map<NodeId, number>();
  private readonly needed: number;

  constructor(self: NodeId, ids: readonly NodeId[]) {
    assert(ids.length <= VOTERS_MAX, 'at most 30 voters');
    assert(new Set(ids).size === ids.length, 'each voter stands in the membership once');
    this.ids = [...ids].sort((a, b) => a - b);
    this.peers = this.ids.filter((id) => id !== self);
    this.ids.forEach((id, position) => {
      this.bits.set(id, 1 << position);
    });
    this.ownBit = this.bitOf(self);
    this.needed = majority(ids.length);
    assert(this.ownBit !== 0, 'a replica opens with a membership that it belongs to');
  }

  /** The voter's bit; 0 for a stranger. */
  bitOf(id: NodeId): number {
    return this.bits.get(id) ?? 0;
  }

  /** True when the voters in `mask` are a quorum. */
  isQuorum(mask: number): boolean {
    let count = 0;
    for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
    return count >= this.needed;
  }

  /** The highest value that a quorum has reached, given how far each voter is. */
  reachedByQuorum(reached: (voter: NodeId) => number): number {
    const values = this.ids.map(reached).sort((a, b) => b - a);
    return values[this.needed - 1] ?? 0;
  }
}
