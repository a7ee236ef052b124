import {
  type ConsensusEngine,
  type LogIndex,
  type Protocol,
  type Ready,
  type ReadyNumber,
  RecordKind,
  type Ticket,
} from '@quorate/consensus';
import { conformanceCases } from '@quorate/engine-testkit';
import { describe, expect, it } from 'vitest';
import { unreplicated } from './protocol.ts';
import { UnreplicatedEngine } from './unreplicated-engine.ts';

type Engine = ConsensusEngine<never>;
type ReadyChange = (ready: Ready<never>, engine: Engine) => Ready<never>;

/** The unreplicated engine with a bug put in: `wrap` overrides some of its methods. */
function planted(wrap: (engine: Engine) => Partial<Engine>): Protocol<never> {
  return {
    ...unreplicated,
    open(config, _random, snapshot, records) {
      const engine = new UnreplicatedEngine(config, snapshot, records);
      const overrides = wrap(engine);
      return new Proxy(engine as Engine, {
        get(target, name: keyof Engine) {
          const value = (overrides[name] ?? target[name]) as (...args: unknown[]) => unknown;
          return overrides[name] === undefined ? value.bind(target) : value;
        },
      });
    },
  };
}

function changed(change: ReadyChange): Protocol<never> {
  return planted((engine) => ({ takeReady: () => change(engine.takeReady(), engine) }));
}

/** The failures of all cases, in one text. */
function failures(protocol: Protocol<never>): string {
  const found: string[] = [];
  for (const one of conformanceCases(protocol, { sizes: [1], randomSeeds: 6 })) {
    try {
      one.run();
    } catch (error) {
      found.push(`${one.name}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  return found.join('\n');
}

const bugs: { bug: string; protocol: Protocol<never>; caught: RegExp }[] = [
  {
    bug: 'counts its own copy before it is durable (RF-32)',
    protocol: planted((engine) => ({
      takeReady() {
        const ready = engine.takeReady();
        engine.persisted(ready.number);
        return engine.hasReady() ? { ...engine.takeReady(), ...onlyFirst(ready, engine) } : ready;
      },
    })),
    caught: /C4|contract|exception/,
  },
  {
    bug: 'swallows a conclusion',
    protocol: changed((ready) => ({
      ...ready,
      committed: ready.committed.map((entry) =>
        entry.index % 7 === 0 ? { ...entry, ticket: 0 as Ticket } : entry,
      ),
    })),
    caught: /liveness.*every request is concluded/,
  },
  {
    bug: 'concludes a read twice',
    protocol: changed((ready) => ({
      ...ready,
      readStates: [...ready.readStates, ...ready.readStates],
    })),
    caught: /ticket.*not open/,
  },
  {
    bug: 'reads behind the commit index',
    protocol: changed((ready) => ({
      ...ready,
      readStates: ready.readStates.map((state) => ({
        ...state,
        index: Math.max(0, state.index - 1) as LogIndex,
      })),
    })),
    caught: /R14: .*committed before/,
  },
  {
    bug: 'skips an entry',
    protocol: changed((ready) => ({
      ...ready,
      committed: ready.committed.filter((entry) => entry.index !== 3),
    })),
    caught: /C5/,
  },
  {
    bug: 'changes a payload',
    protocol: changed((ready) => ({
      ...ready,
      committed: ready.committed.map((entry) =>
        entry.index === 5 ? { ...entry, ticket: 0 as Ticket, payload: Uint8Array.of(65) } : entry,
      ),
    })),
    caught: /C7/,
  },
  {
    bug: 'does not sync what it wrote',
    protocol: changed((ready) => ({ ...ready, mustSync: false })),
    caught: /contract.*synced/,
  },
  {
    bug: 'forgets its promise in a checkpoint',
    protocol: planted((engine) => ({
      checkpoint: () => engine.checkpoint().filter((fact) => fact.kind !== RecordKind.promise),
    })),
    caught: /fold\(all\)|C6/,
  },
  {
    bug: 'says that a committed proposal was lost',
    protocol: changed((ready) => ({
      ...ready,
      committed: ready.committed.map((entry) => ({ ...entry, ticket: 0 as Ticket })),
      abandoned: ready.committed
        .filter((entry) => entry.ticket !== 0)
        .map((entry) => ({ ticket: entry.ticket, outcome: 'lost' as const })),
    })),
    caught: /C13/,
  },
  {
    bug: 'draws unseeded randomness',
    protocol: changed((ready) => ({
      ...ready,
      events: ready.events.map((event) => ({ ...event, detail: `${Math.random()}` })),
    })),
    caught: /two different traces/,
  },
  {
    bug: 'accepts what is too large',
    protocol: planted((engine) => ({
      propose: (payload, ticket) => {
        const status = engine.propose(payload, ticket);
        return status === 'tooLarge' ? 'busy' : status;
      },
    })),
    caught: /too large/,
  },
  {
    bug: 'writes without end',
    protocol: planted((engine) => {
      let turns = 0;
      return {
        persisted(upTo: ReadyNumber) {
          engine.persisted(upTo);
          turns++;
        },
        nextDeadline: () => ((turns + 1) * 1_000_000) as ReturnType<Engine['nextDeadline']>,
      };
    }),
    caught: /contract.*deadline|an idle/,
  },
];

function onlyFirst(ready: Ready<never>, _engine: Engine): Partial<Ready<never>> {
  return { number: ready.number, records: ready.records, mustSync: ready.mustSync };
}

describe('the conformance suite catches', () => {
  it.each(bugs)('an engine that $bug', ({ protocol, caught }) => {
    expect(failures(protocol)).toMatch(caught);
  });

  it('nothing in the honest engine', () => {
    expect(failures(unreplicated)).toBe('');
  });
});
