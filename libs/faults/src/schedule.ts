import { type DocumentPath, FaultScheduleError } from './errors.ts';
import { parseDuration, parseShare } from './quantities.ts';
import { parseRole, type Role } from './role.ts';

/** The kinds of faults that a schedule can ask for; which of them a runtime can do is a table. */
export const FAULT_KINDS = [
  'kill',
  'restart',
  'pause',
  'cut',
  'partition',
  'link',
  'disk',
  'clock',
] as const;

/** One of {@link FAULT_KINDS}. */
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Whether a cut holds back both directions or only `from` to `to`. */
export type CutDirection = 'both' | 'one-way';

/** What a fault does, in roles. Durations in milliseconds. */
export type FaultAction =
  | { readonly kind: 'kill'; readonly target: Role; readonly restartAfterMs: number | null }
  | { readonly kind: 'restart'; readonly target: Role }
  | { readonly kind: 'pause'; readonly target: Role; readonly forMs: number }
  | {
      readonly kind: 'cut';
      readonly from: Role;
      readonly to: Role;
      readonly direction: CutDirection;
      readonly forMs: number;
    }
  | {
      readonly kind: 'partition';
      readonly groups: readonly (readonly Role[])[];
      readonly forMs: number;
    }
  | {
      readonly kind: 'link';
      readonly between: readonly Role[];
      readonly delayMs: number;
      readonly jitterMs: number;
      readonly lossShare: number;
      readonly forMs: number;
    }
  /** Each sync of the nodes' disks takes so much longer. */
  | {
      readonly kind: 'disk';
      readonly on: Role;
      readonly stallFsyncMs: number;
      readonly forMs: number;
    }
  /** Known, but possible in no runtime of today; kept so that the refusal can say so. */
  | { readonly kind: 'clock' };

/** One entry of a schedule. Times count from the start of the probe load. */
export interface FaultEntry {
  /** Place in the list of faults. */
  readonly place: number;
  readonly atMs: number;
  /** A part of 0 to this is drawn from the seed and added, anew each time. */
  readonly jitterMs: number;
  /** Distance of repetitions; null for a fault that happens once. */
  readonly everyMs: number | null;
  readonly times: number;
  readonly action: FaultAction;
}

/** Repetitions of one entry. */
export const FAULT_TIMES_MAX = 10_000;

type Fields = { readonly [name: string]: unknown };

/** Kinds that end by themselves, and so need `for`. */
const LASTING_KINDS: readonly FaultKind[] = ['pause', 'cut', 'partition', 'link', 'disk'];

const ENTRY_FIELDS = ['at', 'jitter', 'every', 'times', 'for', 'restartAfter'];

/**
 * Reads the `faults` list of a scenario, as YAML or JSON gives it. Throws
 * {@link FaultScheduleError} with the place and what is allowed there. Unknown fields are errors:
 * a misspelt `jitter` would change what is measured without a word.
 */
export function parseFaultSchedule(value: unknown): FaultEntry[] {
  if (!Array.isArray(value)) throw new FaultScheduleError([], 'allowed: a list of faults');
  return value.map((entry: unknown, place) => parseEntry(entry, place));
}

function parseEntry(value: unknown, place: number): FaultEntry {
  const path = [place];
  const fields = asFields(value, path, 'a fault such as { at: 5s, kill: leader }');
  const kinds = FAULT_KINDS.filter((kind) => fields[kind] !== undefined);
  onlyFields(fields, [...ENTRY_FIELDS, ...FAULT_KINDS], path);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    const found = kinds.length > 1 ? `names ${kinds.join(' and ')}` : 'names no kind of fault';
    throw new FaultScheduleError(path, `${found}; allowed: one of ${FAULT_KINDS.join(', ')}`);
  }
  const everyMs =
    fields.every === undefined ? null : parseDuration(fields.every, [place, 'every'], 1);
  const times = parseTimes(fields.times, everyMs, [place, 'times']);
  return {
    place,
    atMs: parseDuration(fields.at, [place, 'at']),
    jitterMs: fields.jitter === undefined ? 0 : parseDuration(fields.jitter, [place, 'jitter']),
    everyMs,
    times,
    action: parseAction(kind, fields, place),
  };
}

function parseTimes(value: unknown, everyMs: number | null, path: DocumentPath): number {
  if (value === undefined && everyMs === null) return 1;
  const whole = typeof value === 'number' && Number.isInteger(value) && value >= 1;
  if (!whole || value > FAULT_TIMES_MAX) {
    const shown = value === undefined ? 'missing beside "every"' : JSON.stringify(value);
    throw new FaultScheduleError(
      path,
      `${shown}; allowed: a whole number, 1 to ${FAULT_TIMES_MAX}`,
    );
  }
  if (everyMs === null && value > 1) {
    throw new FaultScheduleError(path, 'needs "every", the distance between repetitions');
  }
  return value;
}

function parseAction(kind: FaultKind, fields: Fields, place: number): FaultAction {
  const path = [place, kind];
  const lasts = LASTING_KINDS.includes(kind);
  const forMs = lasts ? parseDuration(fields.for, [place, 'for'], 1) : 0;
  if (!lasts) refuseField(fields, 'for', place, `a ${kind} does not end by itself`);
  if (kind !== 'kill') refuseField(fields, 'restartAfter', place, 'only a kill has it');
  const given = fields[kind];
  switch (kind) {
    case 'kill': {
      const after = fields.restartAfter;
      const restartAfterMs =
        after === undefined ? null : parseDuration(after, [place, 'restartAfter']);
      return { kind, target: parseRole(given, path), restartAfterMs };
    }
    case 'restart':
      return { kind, target: parseRole(given, path) };
    case 'pause':
      return { kind, target: parseRole(given, path), forMs };
    case 'cut':
      return parseCut(given, path, forMs);
    case 'partition':
      return parsePartition(given, path, forMs);
    case 'link':
      return parseLink(given, path, forMs);
    case 'disk':
      return parseDisk(given, path, forMs);
    default:
      return { kind };
  }
}

function parseCut(value: unknown, path: DocumentPath, forMs: number): FaultAction {
  const fields = asFields(value, path, '{ from: leader, to: followers[0], direction: both }');
  onlyFields(fields, ['from', 'to', 'direction'], path);
  const direction = fields.direction ?? 'both';
  if (direction !== 'both' && direction !== 'one-way') {
    const shown = JSON.stringify(direction);
    throw new FaultScheduleError([...path, 'direction'], `${shown}; allowed: both, one-way`);
  }
  const from = parseRole(fields.from, [...path, 'from']);
  return { kind: 'cut', from, to: parseRole(fields.to, [...path, 'to']), direction, forMs };
}

function parsePartition(value: unknown, path: DocumentPath, forMs: number): FaultAction {
  if (!Array.isArray(value) || value.length < 2) {
    throw new FaultScheduleError(path, 'allowed: two or more groups, such as [[leader], [rest]]');
  }
  const groups = value.map((group: unknown, i) => {
    if (!Array.isArray(group) || group.length === 0) {
      throw new FaultScheduleError([...path, i], 'allowed: a list of roles, such as [leader]');
    }
    return group.map((role: unknown, j) => parseRole(role, [...path, i, j]));
  });
  return { kind: 'partition', groups, forMs };
}

function parseLink(value: unknown, path: DocumentPath, forMs: number): FaultAction {
  const fields = asFields(value, path, '{ between: all, delay: 20ms, jitter: 5ms, loss: 1% }');
  onlyFields(fields, ['between', 'delay', 'jitter', 'loss'], path);
  const between = fields.between;
  const pair = Array.isArray(between) ? between : [between];
  if (pair.length < 1 || pair.length > 2) {
    throw new FaultScheduleError([...path, 'between'], 'allowed: one role or a pair of roles');
  }
  const { delay = 0, jitter = 0, loss = 0 } = fields;
  return {
    kind: 'link',
    between: pair.map((role: unknown) => parseRole(role, [...path, 'between'])),
    delayMs: parseDuration(delay, [...path, 'delay']),
    jitterMs: parseDuration(jitter, [...path, 'jitter']),
    lossShare: parseShare(loss, [...path, 'loss']),
    forMs,
  };
}

function parseDisk(value: unknown, path: DocumentPath, forMs: number): FaultAction {
  const fields = asFields(value, path, '{ on: leader, stallFsync: 500ms }');
  onlyFields(fields, ['on', 'stallFsync'], path);
  const on = parseRole(fields.on, [...path, 'on']);
  const stallFsyncMs = parseDuration(fields.stallFsync, [...path, 'stallFsync'], 1);
  return { kind: 'disk', on, stallFsyncMs, forMs };
}

function asFields(value: unknown, path: DocumentPath, example: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new FaultScheduleError(path, `${JSON.stringify(value)}; allowed: ${example}`);
}

function onlyFields(fields: Fields, allowed: readonly string[], path: DocumentPath): void {
  for (const name of Object.keys(fields)) {
    if (allowed.includes(name)) continue;
    throw new FaultScheduleError([...path, name], `unknown; allowed: ${allowed.join(', ')}`);
  }
}

function refuseField(fields: Fields, name: string, place: number, why: string): void {
  if (fields[name] !== undefined)
    throw new FaultScheduleError([place, name], `not allowed: ${why}`);
}
