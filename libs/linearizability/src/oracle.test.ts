import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linearizableByTrial, stepOf } from './brute-force-oracle.ts';
import { checkLinearizability } from './check.ts';
import type { EventType, HistoryEvent, JsonValue, OperationName } from './event.ts';
import { formatHistory, parseHistory } from './ndjson.ts';
import { type Operation, pairOperations } from './operation.ts';

// Histories are made the way real ones come about: clients talk to one register, each operation
// takes effect at one moment between its invocation and its end, or never. Then some are broken.
// Every verdict is compared with that of a search of all orders, also for the unbroken ones.

/** What the registers of one family of histories hold. */
interface Family {
  readonly name: string;
  readonly operations: readonly OperationName[];
  readonly written: readonly JsonValue[];
  /** What an append puts behind. */
  readonly parts: readonly JsonValue[];
  readonly initials: readonly JsonValue[];
  /** Whether a read shows a list of texts as one text. */
  readonly joins: boolean;
}

const FAMILIES: readonly Family[] = [
  {
    name: 'read, write, cas and delete',
    operations: ['read', 'read', 'write', 'cas', 'cas', 'delete'],
    written: [1, 2, 'x'],
    parts: [],
    initials: [null, 1],
    joins: false,
  },
  {
    name: 'lists that only grow',
    operations: ['read', 'append', 'append'],
    written: [],
    parts: [1, 2, 3],
    initials: [null, [1]],
    joins: false,
  },
  {
    name: 'texts that only grow',
    operations: ['read', 'append', 'append'],
    written: [],
    parts: ['a', 'b', 'ab'],
    initials: [null, 'a'],
    joins: true,
  },
  {
    name: 'all five operations on lists',
    operations: ['read', 'read', 'append', 'append', 'write', 'cas', 'delete'],
    written: [[], [1], [1, 2]],
    parts: [1, 2],
    initials: [null, [2]],
    joins: false,
  },
  {
    name: 'all five operations on texts, seen joined',
    operations: ['read', 'read', 'append', 'append', 'write', 'cas', 'delete'],
    written: ['', 'a', 'ab'],
    parts: ['a', 'b'],
    initials: [null, 'a'],
    joins: true,
  },
];

interface Draft {
  readonly client: number;
  readonly f: OperationName;
  readonly pick: number;
  readonly isRightGuess: boolean;
  /** How its client hears of it: an end, a refusal, a loss of contact, or nothing at all. */
  readonly fate: 'ok' | 'fail' | 'info' | 'open';
  readonly takesEffect: boolean;
  readonly keepsValue: boolean;
  readonly pauses: readonly [number, number, number];
}

const draftOf = (family: Family): fc.Arbitrary<Draft> =>
  fc.record({
    client: fc.integer({ min: 0, max: 3 }),
    f: fc.constantFrom(...family.operations),
    pick: fc.integer({ min: 0, max: 5 }),
    isRightGuess: fc.boolean(),
    fate: fc.constantFrom('ok', 'ok', 'ok', 'ok', 'ok', 'fail', 'info', 'open'),
    takesEffect: fc.boolean(),
    keepsValue: fc.integer({ min: 0, max: 7 }).map((drawn) => drawn > 0),
    pauses: fc.tuple(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
    ),
  });

interface Moment {
  readonly time: number;
  readonly order: number;
  act(): void;
}

/** Plays drafts against one register; linearizable by construction. */
function play(family: Family, drafts: readonly Draft[], initial: JsonValue): HistoryEvent[] {
  const events: HistoryEvent[] = [];
  const moments: Moment[] = [];
  const freeAt = [0, 0, 0, 0];
  const processes = [0, 1, 2, 3];
  let state = initial;
  for (const draft of drafts) {
    const { client, f, fate, pauses } = draft;
    const process = processes[client] as number;
    const invokedAt = (freeAt[client] as number) + pauses[0];
    const effectAt = invokedAt + pauses[1];
    const endAt = effectAt + pauses[2];
    freeAt[client] = endAt;
    const isLost = fate === 'info' || fate === 'open';
    if (isLost) processes[client] = process + 4; // A process that lost contact is not used again.
    let value: JsonValue | undefined;
    let end: EventType = 'ok';
    const tell = (type: EventType, told: JsonValue | undefined): void => {
      const event = { time: events.length, process, type, f, key: 'k' };
      events.push(told === undefined ? event : { ...event, value: told });
    };
    const at = (time: number, act: () => void): void => {
      moments.push({ time, order: moments.length, act });
    };
    at(invokedAt, () => {
      value = argumentOf(family, draft, state);
      tell('invoke', value);
    });
    at(effectAt, () => {
      const happens = fate === 'ok' || (isLost && draft.takesEffect);
      const operation = { f, value: f === 'read' ? undefined : value } as Operation;
      const next = happens ? stepOf(state, operation) : undefined;
      end = isLost ? 'info' : next === undefined ? 'fail' : 'ok';
      if (next !== undefined) state = next;
      if (f === 'read' && draft.keepsValue) value = shown(family, state);
    });
    if (fate !== 'open') at(endAt, () => tell(end, value));
  }
  moments.sort((a, b) => a.time - b.time || a.order - b.order);
  for (const { act } of moments) act();
  return events;
}

function argumentOf(family: Family, draft: Draft, state: JsonValue): JsonValue | undefined {
  const { f, pick, isRightGuess } = draft;
  const from = (list: readonly JsonValue[]): JsonValue => list[pick % list.length] as JsonValue;
  if (f === 'append') return from(family.parts);
  if (f === 'write') return from(family.written);
  if (f !== 'cas') return undefined;
  return [
    isRightGuess ? shown(family, state) : from([null, ...family.written]),
    from(family.written),
  ];
}

function shown(family: Family, state: JsonValue): JsonValue {
  return family.joins && Array.isArray(state) ? state.join('') : state;
}

interface Damage {
  readonly kind: 'seen' | 'ended' | 'earlier';
  readonly place: number;
  readonly pick: number;
}

const damageOf: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom('seen', 'seen', 'ended', 'earlier'),
  place: fc.nat(),
  pick: fc.nat(),
});

/** Changes what one read saw, how one operation ended, or the order of two events. */
function damaged(events: readonly HistoryEvent[], { kind, place, pick }: Damage): HistoryEvent[] {
  const changed = [...events];
  const all = [...events.keys()];
  const chosen = (places: readonly number[]): number | undefined => places[place % places.length];
  if (kind === 'seen') {
    const reads = all.filter((i) => events[i]?.f === 'read' && events[i]?.type === 'ok');
    const at = chosen(reads);
    const values = [null, ...reads.map((i) => events[i]?.value ?? null), 1, [1, 2], 'ab'];
    const value = values[pick % values.length] as JsonValue;
    if (at !== undefined) changed[at] = { ...(events[at] as HistoryEvent), value };
  } else if (kind === 'ended') {
    const at = chosen(all.filter((i) => /^(ok|fail)$/.test(events[i]?.type ?? '')));
    const event = at === undefined ? undefined : events[at];
    if (at !== undefined && event !== undefined) {
      changed[at] = { ...event, type: event.type === 'ok' ? 'fail' : 'ok' };
    }
  } else {
    const at = chosen(
      all.filter((i) => {
        const other = events[i - 1];
        return other !== undefined && other.process !== events[i]?.process;
      }),
    );
    if (at !== undefined) {
      [changed[at - 1], changed[at]] = [
        changed[at] as HistoryEvent,
        changed[at - 1] as HistoryEvent,
      ];
    }
  }
  return changed;
}

/** The operations after a way through a file, as `quorate check` sees them. */
function throughFile(events: readonly HistoryEvent[]): Operation[] {
  return pairOperations(parseHistory(formatHistory(events)));
}

describe.each(FAMILIES)('histories of $name', (family) => {
  const histories = fc.record({
    drafts: fc.array(draftOf(family), { minLength: 2, maxLength: 8 }),
    initial: fc.constantFrom(...family.initials),
  });

  it('pass as they were made', () => {
    const seen = { pending: 0, failed: 0, unknown: 0 };
    fc.assert(
      fc.property(histories, ({ drafts, initial }) => {
        const events = play(family, drafts, initial);
        const operations = throughFile(events);
        expect(linearizableByTrial(operations, initial)).toBe(true);
        expect(checkLinearizability(operations, { initial }).verdict).toBe('linearizable');
        if (operations.some(({ outcome }) => outcome === 'info')) seen.pending++;
        if (events.some(({ type }) => type === 'fail')) seen.failed++;
        if (operations.some((o) => o.f === 'read' && o.value === undefined)) seen.unknown++;
      }),
      { numRuns: 600, seed: 3 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
  });

  it('fail exactly when no order explains what was changed in them', () => {
    let broken = 0;
    fc.assert(
      fc.property(
        histories,
        fc.array(damageOf, { minLength: 1, maxLength: 2 }),
        ({ drafts, initial }, damages) => {
          const events = damages.reduce(damaged, play(family, drafts, initial));
          const operations = throughFile(events);
          const isGood = linearizableByTrial(operations, initial);
          if (!isGood) broken++;
          const { verdict, violations } = checkLinearizability(operations, { initial });
          expect(verdict).toBe(isGood ? 'linearizable' : 'notLinearizable');
          for (const part of violations) {
            expect(linearizableByTrial(part.operations, initial)).toBe(false);
          }
        },
      ),
      { numRuns: 2_500, seed: 4 },
    );
    expect(broken).toBeGreaterThan(500);
  });

  it('fail or pass alike with a value at the start that was never there', () => {
    fc.assert(
      fc.property(histories, fc.constantFrom(...family.initials), ({ drafts, initial }, other) => {
        const operations = throughFile(play(family, drafts, initial));
        const isGood = linearizableByTrial(operations, other);
        const { verdict } = checkLinearizability(operations, { initial: other });
        expect(verdict).toBe(isGood ? 'linearizable' : 'notLinearizable');
      }),
      { numRuns: 500, seed: 5 },
    );
  });
});
