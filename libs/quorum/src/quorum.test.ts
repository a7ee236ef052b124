import { type LogIndex, logIndex, type NodeId, nodeId } from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { majority, majorityQuorum, quorumIndex, VoteTally } from './quorum.ts';

const ids = (...values: number[]): NodeId[] => values.map(nodeId);

describe('majority', () => {
  it.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
    [6, 4],
    [7, 4],
  ])('of %i voters is %i', (voters, expected) => {
    expect(majority(voters)).toBe(expected);
  });
});

describe('quorumIndex', () => {
  const table: { held: number[]; expected: number }[] = [
    { held: [7], expected: 7 },
    { held: [7, 3], expected: 3 },
    { held: [7, 3, 0], expected: 3 },
    { held: [9, 9, 2, 1], expected: 2 },
    { held: [5, 4, 3, 2, 1], expected: 3 },
  ];
  it.each(table)('of $held is $expected', ({ held, expected }) => {
    const voters = ids(...held.map((_, i) => i + 1));
    const match = (voter: NodeId): LogIndex => logIndex(held[voter - 1] ?? 0);
    expect(quorumIndex(majorityQuorum(voters), match)).toBe(expected);
  });

  it('takes the lower of two groups, never the union (RF-59)', () => {
    const system = { groups: [ids(1, 2, 3), ids(4, 5, 6)] };
    const match = (voter: NodeId): LogIndex => logIndex(voter <= 4 ? 8 : 0);
    expect(quorumIndex(system, match)).toBe(0);
  });
});

describe('VoteTally', () => {
  it('ignores strangers and second answers', () => {
    const tally = new VoteTally(majorityQuorum(ids(1, 2, 3)));
    tally.record(nodeId(1), true);
    tally.record(nodeId(9), true);
    tally.record(nodeId(2), false);
    tally.record(nodeId(2), true);
    expect([tally.won, tally.lost]).toEqual([false, false]);
    tally.record(nodeId(3), false);
    expect(tally.lost).toBe(true);
    expect(tally.granted()).toEqual([1]);
  });

  it('does not elect on four of six when one half has one of three (RF-59)', () => {
    const tally = new VoteTally({ groups: [ids(1, 2, 3), ids(4, 5, 6)] });
    for (const voter of ids(1, 2, 3, 4)) tally.record(voter, true);
    expect(tally.won).toBe(false);
    tally.record(nodeId(5), true);
    expect(tally.won).toBe(true);
  });

  it('needs three of four', () => {
    const tally = new VoteTally(majorityQuorum(ids(1, 2, 3, 4)));
    for (const voter of ids(1, 2)) tally.record(voter, true);
    expect(tally.won).toBe(false);
  });
});
