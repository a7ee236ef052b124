import type { LogIndex, NodeId } from '@quorate/consensus';
import { assert } from '@quorate/foundation';

/** The smallest number of voters of which any two sets of that size meet: floor(n / 2) + 1. */
export function majority(voters: number): number {
  assert(Number.isInteger(voters) && voters >= 1, 'a group has at least one voter');
  return Math.floor(voters / 2) + 1;
}

/**
 * Which sets of voters decide. One or two groups: while a joint change is under way a set must hold
 * a majority of each group, never merely of their union (Raft thesis, section 4.3).
 */
export interface QuorumSystem {
  readonly groups: readonly (readonly NodeId[])[];
}

/** The plain system: a majority of one group of voters. */
export function majorityQuorum(voters: readonly NodeId[]): QuorumSystem {
  assert(new Set(voters).size === voters.length, 'each voter stands in a group once');
  return { groups: [voters] };
}

/**
 * The highest index that a quorum holds, given what each voter holds (0 when unknown). Nodes that
 * are no voters never count, and each voter counts once.
 */
export function quorumIndex(system: QuorumSystem, matchOf: (voter: NodeId) => LogIndex): LogIndex {
  let lowest: number = Number.MAX_SAFE_INTEGER;
  for (const group of system.groups) {
    const held = group.map((voter): number => matchOf(voter)).sort((a, b) => b - a);
    lowest = Math.min(lowest, held[majority(group.length) - 1] ?? 0);
  }
  return lowest as LogIndex;
}

/** Counts the answers of one ballot, one an election, one a confirmation round. */
export class VoteTally {
  private readonly system: QuorumSystem;
  private readonly votes = new Map<NodeId, boolean>();

  constructor(system: QuorumSystem) {
    this.system = system;
  }

  /** Notes a voter's answer; the first one counts, a stranger's never does. */
  record(voter: NodeId, granted: boolean): void {
    const isVoter = this.system.groups.some((group) => group.includes(voter));
    if (isVoter && !this.votes.has(voter)) this.votes.set(voter, granted);
  }

  /** Who granted, sorted by id. */
  granted(): NodeId[] {
    const ids: NodeId[] = [];
    for (const [voter, grant] of this.votes) if (grant) ids.push(voter);
    return ids.sort((a, b) => a - b);
  }

  /** True once a majority of every group has granted. */
  get won(): boolean {
    return this.system.groups.every((group) => this.count(group, true) >= majority(group.length));
  }

  /** True once a majority can no longer be reached in some group. */
  get lost(): boolean {
    return this.system.groups.some(
      (group) => group.length - this.count(group, false) < majority(group.length),
    );
  }

  private count(group: readonly NodeId[], granted: boolean): number {
    let count = 0;
    for (const voter of group) if (this.votes.get(voter) === granted) count++;
    return count;
  }
}
