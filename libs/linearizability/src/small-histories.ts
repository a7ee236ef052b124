import type { Random } from '@quorate/foundation';
import { stepOf } from './brute-force-oracle.ts';
import type { EventType, HistoryEvent, JsonValue, OperationName } from './event.ts';
import type { Operation } from './operation.ts';

// Small histories for tests of the checker. They are made the way real ones come about: clients
// talk to one register, each operation takes effect at one moment between its invocation and its
// end, or never. Then some are damaged; whether that broke them is for the oracle to say.

/** What the registers of one family of histories hold. */
export interface Family {
  readonly name: string;
  readonly operations: readonly OperationName[];
  readonly written: readonly JsonValue[];
  /** What an append puts behind. */
  readonly parts: readonly JsonValue[];
  readonly initials: readonly JsonValue[];
  /** Whether a read shows a list of texts as one text. */
  readonly joins: boolean;
}

/** Registers, lists and texts, with the operations that suit each. */
export const FAMILIES: readonly Family[] = [
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

/** One operation as it is planned, before anything happened. */
export interface Draft {
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

/** One change of a history that makes it another one, often an impossible one. */
export interface Damage {
  readonly kind: 'seen' | 'ended' | 'earlier';
  readonly place: number;
  readonly pick: number;
}

/** The ways in which clients hear of their operations, as often as they come. */
export const FATES: readonly Draft['fate'][] = [
  'ok',
  'ok',
  'ok',
  'ok',
  'ok',
  'fail',
  'info',
  'open',
];

/** The kinds of damage, as often as they come. */
export const DAMAGES: readonly Damage['kind'][] = ['seen', 'seen', 'ended', 'earlier'];

interface Moment {
  readonly time: number;
  readonly order: number;
  act(): void;
}

/** Plays drafts against one register that holds `initial`; linearizable by construction. */
export function play(family: Family, drafts: readonly Draft[], initial: JsonValue): HistoryEvent[] {
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

/** Changes what one read saw, how one operation ended, or the order of two events. */
export function damaged(
  events: readonly HistoryEvent[],
  { kind, place, pick }: Damage,
): HistoryEvent[] {
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

/** A history by chance, in half of the cases damaged; for searches by seed. */
export function drawHistory(random: Random): {
  readonly events: readonly HistoryEvent[];
  readonly initial: JsonValue;
} {
  const from = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  const family = from(FAMILIES);
  const initial = from(family.initials);
  const drafts = Array.from(
    { length: random.between(2, 8) },
    (): Draft => ({
      client: random.below(4),
      f: from(family.operations),
      pick: random.below(6),
      isRightGuess: random.below(2) === 0,
      fate: from(FATES),
      takesEffect: random.below(2) === 0,
      keepsValue: random.below(8) > 0,
      pauses: [random.between(1, 5), random.between(1, 9), random.between(1, 9)],
    }),
  );
  const whole = play(family, drafts, initial);
  if (random.below(2) === 0) return { events: whole, initial };
  const damage: Damage = {
    kind: from(DAMAGES),
    place: random.below(1000),
    pick: random.below(1000),
  };
  return { events: damaged(whole, damage), initial };
}
