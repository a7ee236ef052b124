import { definiteMutations } from './conflicts.ts';
import type { JsonValue } from './event.ts';
import { registerModel } from './model.ts';
import { type Operation, partitionByKey } from './operation.ts';
import { buildProblem, type KeyProblem, NEVER } from './problem.ts';

/** An acknowledged mutation whose effect the read-back of its key rules out. */
export interface LostWrite {
  readonly write: Operation;
  readonly readBack: Operation;
}

/** What became of the acknowledged mutations of a history. */
export interface LostWritesResult {
  /** Acknowledged writes, cas, deletes and appends. */
  readonly ackedWrites: number;
  /** Those that no order with their key's final read can explain. */
  readonly ackedLost: number;
  /** Some of the lost ones, for people. */
  readonly examples: readonly LostWrite[];
  /** Keys with acknowledged mutations after whose last one nobody read; they are not covered. */
  readonly keysWithoutReadBack: number;
}

const EXAMPLES_MAX = 10;

/**
 * Counts acknowledged mutations that are gone. The final read of a key (the last-begun read with a
 * known result) saw a value; when everything that can have left this value ended before a mutation
 * began, and that mutation ended before the read began, the mutation is lost. A mutation that a
 * later one replaced is counted only when the later one is gone as well.
 */
export function findLostWrites(
  operations: readonly Operation[],
  options: { readonly initial?: JsonValue } = {},
): LostWritesResult {
  const examples: LostWrite[] = [];
  let ackedWrites = 0;
  let ackedLost = 0;
  let keysWithoutReadBack = 0;
  for (const part of partitionByKey(operations).values()) {
    const acked = part.filter(({ f, outcome }) => f !== 'read' && outcome === 'ok');
    ackedWrites += acked.length;
    if (acked.length === 0) continue;
    const problem = buildProblem(part, registerModel, options.initial ?? null);
    const reader = finalRead(problem);
    if (reader === -1 || begunLast(problem) > (problem.invokeAt[reader] as number)) {
      keysWithoutReadBack++;
    }
    if (reader === -1) continue;
    const lost = lostBefore(problem, reader);
    ackedLost += lost.length;
    for (const i of lost.slice(0, EXAMPLES_MAX - examples.length)) {
      const write = problem.operations[i] as Operation;
      examples.push({ write, readBack: problem.operations[reader] as Operation });
    }
  }
  return { ackedWrites, ackedLost, examples, keysWithoutReadBack };
}

function finalRead(problem: KeyProblem): number {
  let last = -1;
  problem.operations.forEach(({ f }, i) => {
    if (f === 'read') last = i; // Operations stand in order of invocation.
  });
  return last;
}

function begunLast(problem: KeyProblem): number {
  let last = -1;
  for (const i of definiteMutations(problem)) last = Math.max(last, problem.invokeAt[i] as number);
  return last;
}

function lostBefore(problem: KeyProblem, reader: number): number[] {
  const { invokeAt, returnAt, model } = problem;
  if (!problem.exact) return lostAppends(problem, reader);
  const seen = model.needs[reader] as number;
  let sourceEnd = -1; // The initial value was there before everything.
  for (let i = 0; i < problem.operations.length; i++) {
    const begun = (invokeAt[i] as number) < (returnAt[reader] as number);
    if (model.makes[i] === seen && begun) sourceEnd = Math.max(sourceEnd, returnAt[i] as number);
  }
  if (sourceEnd === NEVER) return [];
  return definiteMutations(problem).filter(
    (i) =>
      (invokeAt[i] as number) > sourceEnd && (returnAt[i] as number) < (invokeAt[reader] as number),
  );
}

/** For lists: an acknowledged append is lost when the list that was read lacks its value. */
function lostAppends(problem: KeyProblem, reader: number): number[] {
  const { invokeAt, returnAt, operations } = problem;
  const resets = operations.some(({ f }) => f !== 'append' && f !== 'read');
  const seen = operations[reader]?.value;
  if (resets || (seen !== null && !Array.isArray(seen))) return [];
  const held = new Set((seen ?? []).map((value) => JSON.stringify(value)));
  return definiteMutations(problem).filter(
    (i) =>
      (returnAt[i] as number) < (invokeAt[reader] as number) &&
      !held.has(JSON.stringify(operations[i]?.value ?? null)),
  );
}
