import { createRandom, type Random } from '@quorate/foundation';
import type { JsonValue, OperationName } from './event.ts';
import type { Operation } from './operation.ts';

/** What {@link generateHistory} makes. */
export interface GeneratedHistoryOptions {
  readonly seed: number | string;
  readonly operations: number;
  readonly clients: number;
  readonly keys: number;
  /** Weights by operation; absent ones never happen. */
  readonly mix: Partial<Record<OperationName, number>>;
  /** Written values come from 0 to this, less one; null makes each value unique. */
  readonly valuesMax: number | null;
  /** Share of operations whose end nobody learns. */
  readonly infoShare: number;
}

interface OpenOperation {
  readonly f: OperationName;
  readonly key: string;
  readonly invokeIndex: number;
  value: JsonValue | undefined;
  applied: boolean;
  failed: boolean;
}

/**
 * Runs a store that is linearizable by construction (each operation takes effect at one moment
 * between its invocation and its return) under random interleavings. For tests and benchmarks of
 * the checker; equal seeds give equal histories.
 */
export function generateHistory(options: GeneratedHistoryOptions): Operation[] {
  const random = createRandom(options.seed);
  const store = new Map<string, JsonValue>();
  const open: (OpenOperation | null)[] = new Array(options.clients).fill(null);
  const processOf = open.map((_, client) => client);
  const finished: Operation[] = [];
  let processes = options.clients;
  let invoked = 0;
  for (let index = 0; invoked < options.operations || open.some((o) => o !== null); ) {
    const client = random.below(options.clients);
    const current = open[client] ?? null;
    if (current === null) {
      if (invoked >= options.operations) continue;
      open[client] = invoke(options, random, invoked++, index++);
    } else if (!current.applied) {
      current.applied = true;
      takeEffect(store, current);
    } else {
      open[client] = null;
      const lost = random.fraction() < options.infoShare;
      const process = processOf[client] as number;
      if (lost) processOf[client] = processes++;
      if (current.failed && !lost) index++;
      else finished.push(end(current, process, index++, lost));
    }
  }
  return finished.sort((a, b) => a.invokeIndex - b.invokeIndex);
}

function invoke(
  options: GeneratedHistoryOptions,
  random: Random,
  number: number,
  invokeIndex: number,
): OpenOperation {
  const draw = (): JsonValue =>
    options.valuesMax === null ? `v${number}` : random.below(options.valuesMax);
  const names = Object.keys(options.mix) as OperationName[];
  let left = random.fraction() * names.reduce((sum, name) => sum + (options.mix[name] ?? 0), 0);
  let f = names[0] ?? 'read';
  for (const name of names) {
    f = name;
    left -= options.mix[name] ?? 0;
    if (left < 0) break;
  }
  const key = `k${random.below(options.keys)}`;
  const value = f === 'cas' ? [null, draw()] : f === 'read' || f === 'delete' ? undefined : draw();
  return { f, key, invokeIndex, value, applied: false, failed: false };
}

function takeEffect(store: Map<string, JsonValue>, operation: OpenOperation): void {
  const now = store.get(operation.key) ?? null;
  if (operation.f === 'read') operation.value = now;
  else if (operation.f === 'delete') store.set(operation.key, null);
  else if (operation.f === 'write') store.set(operation.key, operation.value ?? null);
  else if (operation.f === 'append') {
    const next = appended(now, operation.value ?? null);
    operation.failed = next === undefined;
    if (next !== undefined) store.set(operation.key, next);
  } else {
    // A client that read just before knows the value it expects; here it expects the right one
    // unless the new value is equal to it, which stands for a comparison that fails.
    const [, replacement] = operation.value as [JsonValue, JsonValue];
    operation.failed = now === replacement;
    operation.value = [operation.failed ? 'other' : now, replacement];
    if (!operation.failed) store.set(operation.key, replacement);
  }
}

function appended(now: JsonValue, part: JsonValue): JsonValue | undefined {
  if (now === null) return [part];
  if (Array.isArray(now)) return [...now, part];
  return typeof now === 'string' && typeof part === 'string' ? now + part : undefined;
}

function end(open: OpenOperation, process: number, index: number, lost: boolean): Operation {
  const { f, key, invokeIndex } = open;
  return {
    process,
    f,
    key,
    value: lost && f === 'read' ? undefined : open.value,
    outcome: lost ? 'info' : 'ok',
    invokeIndex,
    returnIndex: lost ? Number.POSITIVE_INFINITY : index,
    invokeTime: invokeIndex * 1000,
    returnTime: lost ? null : index * 1000,
  };
}
