import type { JsonValue } from './event.ts';
import type { Operation } from './operation.ts';

/** One operation in a drawing; columns count characters from the left. */
export interface PlacedOperation {
  readonly operation: Operation;
  readonly label: string;
  readonly row: number;
  readonly startColumn: number;
  /** The column of its end; for an open operation the right edge. */
  readonly endColumn: number;
  readonly open: boolean;
}

/** Operations laid out with a row for each process and columns in order of events. */
export interface DrawingLayout {
  readonly processes: readonly number[];
  readonly placed: readonly PlacedOperation[];
  readonly columns: number;
}

const LABEL_MAX = 40;
const LABEL_MARGIN = 3;
const EVENT_GAP = 2;

/**
 * Lays operations out so that each label fits and the order of events is the order of columns.
 * Distances say nothing about durations: the order is what linearizability is about.
 */
export function layOutDrawing(operations: readonly Operation[]): DrawingLayout {
  const processes = [...new Set(operations.map(({ process }) => process))];
  const columnOf = new Map<string, number>();
  const ends = operations.flatMap((operation, i) => [
    { at: operation.invokeIndex, i, returns: false },
    { at: operation.returnIndex, i, returns: true },
  ]);
  ends.sort((a, b) => a.at - b.at || a.i - b.i);
  let column = 0;
  for (const { i, returns } of ends) {
    if (returns) {
      const start = columnOf.get(`${i} false`) ?? 0;
      const label = labelOf(operations[i] as Operation);
      column = Math.max(column, start + label.length + LABEL_MARGIN);
    }
    columnOf.set(`${i} ${returns}`, column);
    column += EVENT_GAP;
  }
  const placed = operations.map((operation, i) => ({
    operation,
    label: labelOf(operation),
    row: processes.indexOf(operation.process),
    startColumn: columnOf.get(`${i} false`) ?? 0,
    endColumn: operation.outcome === 'info' ? column : (columnOf.get(`${i} true`) ?? 0),
    open: operation.outcome === 'info',
  }));
  return { processes, placed, columns: column };
}

/** An operation in a few words: `write "a"`, `read -> null`, `cas "a" => "b"`. */
export function labelOf({ f, value }: Operation): string {
  if (f === 'read') return `read -> ${value === undefined ? '?' : short(value)}`;
  if (f === 'delete') return 'delete';
  if (f !== 'cas' || !Array.isArray(value)) return `${f} ${short(value ?? null)}`;
  return `cas ${short(value[0] ?? null)} => ${short(value[1] ?? null)}`;
}

/** What the key held before its first operation, in words. */
export function startText(initial: JsonValue): string {
  return initial === null ? 'with no such key at the start' : `starting from ${short(initial)}`;
}

function short(value: JsonValue): string {
  const text = JSON.stringify(value);
  return text.length <= LABEL_MAX ? text : `${text.slice(0, LABEL_MAX - 3)}...`;
}
