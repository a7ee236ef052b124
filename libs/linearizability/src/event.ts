/** A value as JSON writes it. Histories compare values by content, never by identity. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** What one line of a history says about an operation, in Jepsen's words. */
export type EventType = 'invoke' | 'ok' | 'fail' | 'info';

/** The operations that the register model knows. */
export type OperationName = 'read' | 'write' | 'cas' | 'delete' | 'append';

/** All event types, in the order in which an operation meets them. */
export const EVENT_TYPES: readonly EventType[] = ['invoke', 'ok', 'fail', 'info'];

/** All operation names. */
export const OPERATION_NAMES: readonly OperationName[] = [
  'read',
  'write',
  'cas',
  'delete',
  'append',
];

/**
 * One event of a history. `ok` is a definite success, `fail` is definite too (the operation never
 * happened), `info` is indefinite: it may take effect at any later time, for ever. The order of
 * events in a history is their real-time order; `time` only decorates it.
 *
 * The value of a `cas` is `[expected, new]`. The `ok` of a read carries what it saw: `null` for "no
 * such key", and no value at all when the reader did not keep it.
 */
export interface HistoryEvent {
  /** Nanoseconds since the start of the run. */
  readonly time: number;
  /** A logical client: one operation at a time, never used again after an `info`. */
  readonly process: number;
  readonly type: EventType;
  /** An operation of the model; {@link OperationName} for the register. */
  readonly f: string;
  readonly key: string;
  readonly value?: JsonValue;
  /** The line of the file that it came from, counted from 1. */
  readonly line?: number;
}

/** A text that is equal for equal JSON values and different for different ones. */
export function canonicalText(value: JsonValue): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`;
  const fields = Object.entries(value as { readonly [name: string]: JsonValue })
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonicalText(field)}`);
  return `{${fields.join(',')}}`;
}
