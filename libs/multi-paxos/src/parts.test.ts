import {
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  EntryType,
  instant,
  type NodeId,
  nodeId,
  type Round,
} from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { type Ballot, compareBallots } from './ballot.ts';
import { Context } from './context.ts';
import { drawElectionTimeout } from './election-timer.ts';
import { acceptRecord } from './records.ts';
import { SLOT_GAP_MAX, SlotWindow } from './slots.ts';
import { VoterSet } from './voters.ts';

const b = (round: number, node: number): Ballot => ({
  round: round as Round,
  node: node as NodeId,
});
const at = (slot: number, bytes = 1) =>
  acceptRecord(b(1, 1), slot, EntryType.command, new Uint8Array(bytes));

describe('ballots', () => {
  it('are ordered by round, then by node', () => {
    const sorted = [b(2, 1), b(1, 3), b(2, 3), b(1, 1)].sort(compareBallots);
    expect(sorted).toEqual([b(1, 1), b(1, 3), b(2, 1), b(2, 3)]);
  });
});

describe('the slot window', () => {
  it('takes slots in any order and keeps their gaps', () => {
    const slots = new SlotWindow(10);
    slots.put(at(14));
    slots.put(at(12, 5));
    expect([slots.last, slots.heldBytes]).toEqual([14, 6]);
    expect([11, 12, 13, 14].map((slot) => slots.record(slot) !== null)).toEqual([
      false,
      true,
      false,
      true,
    ]);
    expect([10, 12].map((slot) => slots.isChosen(slot))).toEqual([true, false]);
  });

  it('forgets acknowledgements with the ballot, but not that a slot is chosen', () => {
    const slots = new SlotWindow(0);
    slots.put(at(1));
    expect(slots.acknowledge(1, 0b01)).toBe(0b01);
    expect(slots.acknowledge(1, 0b10)).toBe(0b11);
    slots.markChosen(1);
    slots.put(at(1));
    expect([slots.acknowledged(1), slots.isChosen(1)]).toEqual([0, true]);
  });

  it('trims and keeps its places over many slots', () => {
    const slots = new SlotWindow(0);
    for (let slot = 1; slot <= 5_000; slot++) slots.put(at(slot));
    slots.trimThrough(4_000);
    expect([slots.trimMark, slots.last, slots.heldBytes]).toEqual([4_000, 5_000, 1_000]);
    expect(slots.record(4_001)?.index).toBe(4_001);
    expect(slots.record(4_000)).toBeNull();
    slots.trimThrough(9_000);
    expect([slots.trimMark, slots.last, slots.heldBytes]).toEqual([9_000, 9_000, 0]);
  });

  it('bounds how far ahead a slot may be stored', () => {
    const slots = new SlotWindow(0);
    expect([slots.fits(0), slots.fits(SLOT_GAP_MAX), slots.fits(SLOT_GAP_MAX + 1)]).toEqual([
      false,
      true,
      false,
    ]);
  });
});

describe('voters', () => {
  it.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
  ])('of %i need %i for a quorum', (count, needed) => {
    const ids = Array.from({ length: count }, (_, i) => nodeId(i + 1));
    const voters = new VoterSet(nodeId(1), ids);
    const mask = (bits: number): number =>
      ids.slice(0, bits).reduce((m, id) => m | voters.bitOf(id), 0);
    expect(voters.isQuorum(mask(needed))).toBe(true);
    expect(voters.isQuorum(mask(needed - 1))).toBe(false);
    expect(voters.bitOf(nodeId(99))).toBe(0);
    expect(voters.reachedByQuorum((id) => id * 10)).toBe((count - needed + 1) * 10);
  });
});

describe('the election timer', () => {
  const contextOf = (id: number): Context => {
    const ids = [1, 2, 3].map(nodeId);
    const config = {
      ...DEFAULT_TIMING,
      id: nodeId(id),
      membership: { voters: [], learners: [], witnesses: [] },
      now: instant(0),
      detector: 'timers' as const,
      variants: {},
      limits: DEFAULT_LIMITS,
    };
    const random = createRandom(`timer ${id}`);
    return new Context(config, random, new VoterSet(nodeId(id), ids), new SlotWindow(0));
  };
  const draws = (id: number, rule: 'timeout' | 'ranked', lost: number): number[] => {
    const context = contextOf(id);
    return Array.from({ length: 500 }, () => drawElectionTimeout(context, rule, lost));
  };

  it('draws at least 1 ms above the base, at most the maximum, all over the range', () => {
    const drawn = draws(1, 'timeout', 0);
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(151_000);
    expect(Math.max(...drawn)).toBeLessThanOrEqual(300_000);
    expect(Math.max(...drawn) - Math.min(...drawn)).toBeGreaterThan(120_000);
  });

  it('keeps the ranks apart within the same range', () => {
    const ranges = [1, 2, 3].map((id) => draws(id, 'ranked', 0));
    const [first, second, third] = ranges.map((r) => [Math.min(...r), Math.max(...r)] as const);
    expect(first?.[1]).toBeLessThan(second?.[0] as number);
    expect(second?.[1]).toBeLessThan(third?.[0] as number);
    expect(third?.[1]).toBeLessThanOrEqual(300_000);
  });

  it('MP-07: backs off further after each lost ballot, up to a limit', () => {
    const longest = [0, 1, 4, 100].map((lost) => Math.max(...draws(2, 'timeout', lost)));
    expect(longest[1]).toBeGreaterThan(longest[0] as number);
    expect(longest[2]).toBeGreaterThan(longest[1] as number);
    expect(longest[3]).toBeLessThanOrEqual(300_000 + 2 * 149_000);
  });
});
