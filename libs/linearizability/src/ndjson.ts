import { HistoryError } from './errors.ts';
import {
  EVENT_TYPES,
  type EventType,
  type HistoryEvent,
  type JsonValue,
  OPERATION_NAMES,
} from './event.ts';

/** Events of this process tell of faults, not of clients, and are passed over. */
const NEMESIS = 'nemesis';
const QUOTED_MAX = 60;

/**
 * Reads a history in `.ndjson`: one JSON object a line; empty lines are passed over. `operations`
 * are the values of `f` that the model at hand knows; the register's unless given.
 * Throws {@link HistoryError} that names the line, the field and what is allowed there.
 */
export function parseHistory(
  text: string,
  operations: readonly string[] = OPERATION_NAMES,
): HistoryEvent[] {
  const events: HistoryEvent[] = [];
  let start = text.charCodeAt(0) === 0xfeff ? 1 : 0; // A byte order mark is no part of the JSON.
  for (let line = 1; start < text.length; line++) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    const event = parseLine(text.slice(start, end).trim(), line, operations);
    if (event !== null) events.push(event);
    start = end + 1;
  }
  return events;
}

/** Writes events as `.ndjson`, one a line, with a newline at the end; the inverse of parsing. */
export function formatHistory(events: Iterable<HistoryEvent>): string {
  const lines: string[] = [];
  for (const event of events) lines.push(formatEvent(event));
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** One event as one line of JSON without a newline. */
export function formatEvent(event: HistoryEvent): string {
  const { time, process, type, f, key, value } = event;
  return JSON.stringify(
    value === undefined ? { time, process, type, f, key } : { time, process, type, f, key, value },
  );
}

function parseLine(text: string, line: number, operations: readonly string[]): HistoryEvent | null {
  if (text === '') return null;
  const fields = parseObject(text, line);
  if (fields.process === NEMESIS) return null;
  const type = oneOf<EventType>(fields.type, 'type', EVENT_TYPES, line);
  const f = oneOf(fields.f, 'f', operations, line);
  const event = {
    time: wholeOrFraction(fields.time, line),
    process: processOf(fields.process, line),
    type,
    f,
    key: keyOf(fields.key, line),
    line,
  };
  const value = fields.value as JsonValue | undefined;
  checkValue(type, f, value, line);
  return value === undefined ? event : { ...event, value };
}

function parseObject(text: string, line: number): { [name: string]: unknown } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new HistoryError(line, `not JSON: ${quoted(text)}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new HistoryError(line, `not a JSON object: ${quoted(text)}`);
  }
  return parsed as { [name: string]: unknown };
}

function oneOf<T extends string>(
  value: unknown,
  field: string,
  allowed: readonly T[],
  line: number,
): T {
  if ((allowed as readonly unknown[]).includes(value)) return value as T;
  throw new HistoryError(line, `"${field}" is ${show(value)}, allowed: ${allowed.join(', ')}`);
}

function wholeOrFraction(value: unknown, line: number): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new HistoryError(line, `"time" is ${show(value)}, allowed: a number of nanoseconds`);
}

function processOf(value: unknown, line: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  const allowed = `a whole number from 0, or "${NEMESIS}"`;
  throw new HistoryError(line, `"process" is ${show(value)}, allowed: ${allowed}`);
}

// A history of one register needs no key; a numeric key is read as its text.
function keyOf(value: unknown, line: number): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (value === undefined || value === null) return '';
  throw new HistoryError(line, `"key" is ${show(value)}, allowed: a text or a number`);
}

function checkValue(type: EventType, f: string, value: JsonValue | undefined, line: number): void {
  if (type !== 'invoke') return;
  if (f === 'cas' && !(Array.isArray(value) && value.length === 2)) {
    throw new HistoryError(line, `"value" of a cas is ${show(value)}, allowed: [expected, new]`);
  }
  if ((f === 'write' || f === 'append') && value === undefined) {
    throw new HistoryError(line, `"value" is missing: a ${f} needs one`);
  }
}

function show(value: unknown): string {
  return value === undefined ? 'missing' : quoted(JSON.stringify(value));
}

function quoted(text: string): string {
  return text.length <= QUOTED_MAX ? text : `${text.slice(0, QUOTED_MAX)}...`;
}
