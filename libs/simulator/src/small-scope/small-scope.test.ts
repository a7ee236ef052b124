import { EntryType, type Protocol, type Variants } from '@quorate/consensus';
import { PLANTED_BUGS } from '@quorate/engine-testkit';
import { multiPaxos } from '@quorate/multi-paxos';
import { raft } from '@quorate/raft';
import { zab } from '@quorate/zab';
import { describe, expect, it } from 'vitest';
import { explore } from './explore.ts';
import type { ScopeResult } from './scope.ts';
import { digestOf, TIME_BASE } from './state-digest.ts';

interface Engine {
  readonly name: string;
  readonly variants: Variants;
  readonly leaderPerRound: boolean;
  run(size: Size, bug?: string): ScopeResult;
}

interface Size {
  readonly nodes: number;
  readonly timeouts: number;
  readonly crashes: number;
  readonly commands: number;
  readonly statesMax: number;
}

function engine<M>(protocol: Protocol<M>, variants: Variants, leaderPerRound: boolean): Engine {
  const run = (size: Size, bug?: string): ScopeResult => {
    const planted = PLANTED_BUGS.find(({ name }) => name === bug)?.plant(protocol) ?? protocol;
    return explore({ protocol: planted, variants, leaderPerRound, ...size });
  };
  return { name: protocol.name, variants, leaderPerRound, run };
}

const ENGINES = [
  engine(raft, { preVote: false, checkQuorum: false }, true),
  engine(multiPaxos, { leaderStickiness: false, checkQuorum: false }, false),
  engine(zab, { finalizeWaitMicros: 0 }, true),
];
const TINY: Size = { nodes: 2, timeouts: 1, crashes: 0, commands: 1, statesMax: 20_000 };
const SMALL: Size = { nodes: 3, timeouts: 2, crashes: 1, commands: 1, statesMax: 2_000 };

describe('small scope', () => {
  for (const one of ENGINES) {
    it(`${one.name}: every order of a tiny scope keeps the invariants`, () => {
      const { violation, exhausted, states } = one.run(TINY);
      expect(violation).toBeNull();
      expect(exhausted).toBe(true);
      expect(states).toBeGreaterThan(20);
    });

    it(`${one.name}: so do thousands of states of a larger one, the same ones each time`, () => {
      const first = one.run(SMALL);
      expect(first.violation).toBeNull();
      expect(first.states).toBeGreaterThanOrEqual(SMALL.statesMax);
      expect(one.run(SMALL)).toEqual(first);
    });
  }

  it('finds an engine that counts its own copy before it is durable, with the way there', () => {
    const bug = 'counts its own copy before it is durable (RF-32)';
    const found = ENGINES.map((one) => one.run({ ...SMALL, statesMax: 20_000 }, bug).violation);
    for (const violation of found) expect(violation?.invariant).toMatch(/C4|exception/);
    expect(found[0]?.steps.length).toBeGreaterThan(3);
  });
});

describe('digestOf', () => {
  it('sees content, not identity, order of maps or the time at which a state stands', () => {
    const made = (now: number, names: readonly string[]) => ({
      deadline: now + 150,
      peers: new Map(names.map((name) => [name, { next: 1 }])),
      bytes: new Uint8Array([1, 2]),
    });
    const at = digestOf(made(TIME_BASE, ['a', 'b']), TIME_BASE);
    expect(digestOf(made(TIME_BASE + 9, ['b', 'a']), TIME_BASE + 9)).toBe(at);
    expect(digestOf(made(TIME_BASE + 9, ['a', 'b']), TIME_BASE)).not.toBe(at);
    expect(digestOf(made(TIME_BASE, ['a', 'c']), TIME_BASE)).not.toBe(at);
  });

  it('follows cycles', () => {
    const one: { self?: unknown; kind: number } = { kind: EntryType.noop };
    one.self = one;
    expect(digestOf(one, 0)).toBe(digestOf(one, 0));
  });
});
