import {
  type ConsensusEngine,
  type EngineConfig,
  type Protocol,
  type Ready,
  RecordKind,
  type SnapshotMeta,
  type WalRecord,
} from '@quorate/consensus';
import type { Random } from '@quorate/foundation';
import { describe, it } from 'vitest';
import { conformanceCases } from './conformance-suite.ts';
import type { ConformanceOptions } from './kit.ts';

type Overrides<M> = (engine: ConsensusEngine<M>) => Partial<ConsensusEngine<M>>;

/** A bug that any replicated engine could have, and where the suite must notice it. */
export interface PlantedBug {
  readonly name: string;
  /** The cases that must notice it, by name; one is enough. */
  readonly caughtBy: RegExp;
  /** The protocol with the bug put in. */
  plant<M>(protocol: Protocol<M>): Protocol<M>;
}

/** Wraps each engine of a protocol and what it is opened over. */
function planted<M>(
  protocol: Protocol<M>,
  overrides: Overrides<M>,
  recovered: (records: Iterable<WalRecord>) => Iterable<WalRecord> = (records) => records,
): Protocol<M> {
  return {
    ...protocol,
    open(
      config: EngineConfig,
      random: Random,
      snapshot: SnapshotMeta | null,
      records: Iterable<WalRecord>,
    ) {
      const engine = protocol.open(config, random, snapshot, recovered(records));
      const replaced = overrides(engine);
      return new Proxy(engine, {
        get(target, name: keyof ConsensusEngine<M>) {
          if (replaced[name] !== undefined) return replaced[name];
          const value = target[name] as unknown;
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    },
  };
}

function onReady<M>(
  protocol: Protocol<M>,
  change: (ready: Ready<M>, engine: ConsensusEngine<M>) => Ready<M>,
): Protocol<M> {
  return planted(protocol, (engine) => ({ takeReady: () => change(engine.takeReady(), engine) }));
}

/** Bugs put in from outside, so that they fit every replicated protocol. */
export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'speaks before it persists (C9)',
    caughtBy: /crash right behind each message|random faults/,
    plant: (protocol) =>
      onReady(protocol, (ready) => ({
        ...ready,
        messages: [...ready.messages, ...ready.messagesAfterPersist],
        messagesAfterPersist: [],
      })),
  },
  {
    name: 'counts its own copy before it is durable (RF-32)',
    caughtBy: /random faults|slow|crash/,
    plant: (protocol) =>
      onReady(protocol, (ready, engine) => {
        engine.persisted(ready.number);
        return ready;
      }),
  },
  {
    name: 'forgets its promises at a restart (RF-06, MP-01)',
    caughtBy: /random faults|crash|power cut/,
    plant: (protocol) =>
      planted(
        protocol,
        () => ({}),
        (records) => [...records].filter((record) => record.kind !== RecordKind.promise),
      ),
  },
  {
    name: 'confirms reads without asking anybody (RF-43)',
    caughtBy: /paused leader|isolated leader|without a quorum/,
    plant: (protocol) =>
      planted(protocol, (engine) => ({
        read: (level, ticket) => engine.read(level === 'linearizable' ? 'stale' : level, ticket),
      })),
  },
  {
    name: 'calls what it cannot know lost (RF-63)',
    caughtBy: /random faults|leader crash|suffix/,
    plant: (protocol) =>
      onReady(protocol, (ready) => ({
        ...ready,
        abandoned: ready.abandoned.map(({ ticket }) => ({ ticket, outcome: 'lost' as const })),
      })),
  },
  {
    name: 'never installs an offered snapshot',
    caughtBy: /heals by snapshot/,
    plant: (protocol) => planted(protocol, () => ({ snapshotOffered: () => {} })),
  },
  {
    name: 'forgets its promises in a checkpoint',
    caughtBy: /fold\(all\)|boundary|random faults/,
    plant: (protocol) =>
      planted(protocol, (engine) => ({
        checkpoint: () => engine.checkpoint().filter((fact) => fact.kind !== RecordKind.promise),
      })),
  },
  {
    name: 'leaves its deadlines unfired (V1)',
    caughtBy: /each size serves|leader crash/,
    plant: (protocol) => planted(protocol, () => ({ tick: () => {} })),
  },
  {
    name: 'swallows every ninth conclusion',
    caughtBy: /each size serves/,
    plant: (protocol) =>
      onReady(protocol, (ready) => ({
        ...ready,
        committed: ready.committed.map((entry) =>
          entry.index % 9 === 0 ? { ...entry, ticket: 0 as typeof entry.ticket } : entry,
        ),
      })),
  },
];

/**
 * Declares one vitest test for each planted bug: a case of the suite must fail. It measures the
 * net, not the engine: a bug that nobody notices is a hole.
 */
export function plantedBugSuite<M>(
  protocol: Protocol<M>,
  options: ConformanceOptions<M> = {},
): void {
  describe(`planted bugs in ${protocol.name}`, () => {
    for (const bug of PLANTED_BUGS) {
      it(`an engine that ${bug.name} is caught`, () => {
        const by = caughtBy(bug, bug.plant(protocol), options);
        if (by === null) throw new Error(`nothing noticed an engine that ${bug.name}`);
      });
    }
  });
}

/** The first case that notices the bug, with what it said; null when none does. */
export function caughtBy<M>(
  bug: PlantedBug,
  protocol: Protocol<M>,
  options: ConformanceOptions<M>,
): string | null {
  for (const one of conformanceCases(protocol, options)) {
    if (!bug.caughtBy.test(one.name)) continue;
    try {
      one.run();
    } catch (error) {
      return `${one.name}: ${String(error).split('\n')[0]}`;
    }
  }
  return null;
}
