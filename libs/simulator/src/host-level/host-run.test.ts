import type { ConsensusEngine, Protocol } from '@quorate/consensus';
import { multiPaxos } from '@quorate/multi-paxos';
import { multiPaxosRules, raftRules, zabRules } from '@quorate/protocol-rules';
import { raft } from '@quorate/raft';
import { zab } from '@quorate/zab';
import { describe, expect, it } from 'vitest';
import type { ProtocolRules } from '../run-observer.ts';
import { type HostRunResult, runHosts } from './host-run.ts';
import { shrinkEvents } from './shrink.ts';

type AnyProtocol = Protocol<unknown>;
const RULED = [
  [raft, raftRules],
  [multiPaxos, multiPaxosRules],
  [zab, zabRules],
] as unknown as readonly (readonly [AnyProtocol, ProtocolRules<unknown>])[];
const SHORT = { safetyMicros: 5_000_000 } as const;

describe.each(RULED.map(([protocol, rules]) => [protocol.name, protocol, rules] as const))(
  'production replicas of %s on virtual time',
  (_name, protocol, rules) => {
    it('serve and agree without faults', () => {
      const result = runHosts({ ...SHORT, protocol, rules, seed: 1, faults: [] });
      expect(result.failure).toBeNull();
      expect(result.elections).toBeGreaterThan(0);
      expect(result.operationsOk).toBeGreaterThan(100);
    });

    it('keep every invariant over kills, power cuts and cuts of links', () => {
      const faults = ['kill', 'powerCut', 'powerCutAll', 'isolate', 'oneWayCut', 'reset'] as const;
      for (const seed of [2]) {
        const result = runHosts({ ...SHORT, protocol, rules, seed, faults });
        expect(result.failure, `seed ${seed}`).toBeNull();
        expect(result.probes.recoveredClean + result.probes.tornTailCut).toBeGreaterThan(0);
      }
    });

    it('C12 repeat exactly, with and without a trace, and differ by seed', () => {
      const options = { ...SHORT, protocol, rules, seed: 4, safetyMicros: 2_000_000 };
      const { hash } = runHosts(options);
      let lines = 0;
      const onTrace = (): void => {
        lines++;
      };
      expect(runHosts({ ...options, traceEventsMax: 0, onTrace }).hash).toBe(hash);
      expect(lines).toBeGreaterThan(100);
      expect(runHosts({ ...options, seed: 5 }).hash).not.toBe(hash);
    });
  },
);

/** The protocol, except that nothing waits for the disk any more. */
function speaksTooEarly(protocol: AnyProtocol): AnyProtocol {
  return {
    ...protocol,
    open: (config, random, snapshot, records) => {
      const engine = protocol.open(config, random, snapshot, records);
      const takeReady: ConsensusEngine<unknown>['takeReady'] = () => {
        const ready = engine.takeReady();
        const { messages, messagesAfterPersist } = ready;
        const early = [...messages, ...messagesAfterPersist];
        return { ...ready, messages: early, messagesAfterPersist: [] };
      };
      return new Proxy(engine, {
        get: (target, name) => {
          if (name === 'takeReady') return takeReady;
          const value = Reflect.get(target, name) as unknown;
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    },
  };
}

describe('a planted bug', () => {
  const protocol = speaksTooEarly(raft as unknown as AnyProtocol);
  const run = (seed: number, drop: readonly number[] = []): HostRunResult =>
    runHosts({ ...SHORT, protocol, seed, drop, nodes: 3, faults: ['kill', 'powerCut'] });

  it('C4 acknowledging before the write is found by seed, and replays', () => {
    const found = [1, 2, 3, 4].map((seed) => run(seed)).find(({ failure }) => failure !== null);
    expect(found?.failure?.invariant).toBe('C4');
    expect(run(found?.seed ?? 0).failure?.message).toBe(found?.failure?.message);
  });
});

describe('shrinking a schedule', () => {
  const numbers = Array.from({ length: 20 }, (_, i) => i);

  it('keeps the events that matter together', () => {
    let tries = 0;
    const fails = (dropped: readonly number[]): boolean => {
      tries++;
      return !dropped.includes(3) && !dropped.includes(17);
    };
    const dropped = shrinkEvents(numbers, fails, 200);
    expect(numbers.filter((n) => !dropped.includes(n))).toEqual([3, 17]);
    expect(tries).toBeLessThan(100);
  });

  it('drops everything when no event matters, and respects its limit', () => {
    expect(shrinkEvents(numbers, () => true, 200)).toEqual(numbers);
    expect(shrinkEvents(numbers, () => false, 5)).toEqual([]);
  });
});
