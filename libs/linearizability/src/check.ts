import { appendedValues, leftOut } from './append-growth.ts';
import { Budget, type CheckLimits, DEFAULT_LIMITS } from './budget.ts';
import { type Conflict, findConflict } from './conflicts.ts';
import type { JsonValue } from './event.ts';
import { failsWithin, minimise } from './minimise.ts';
import { type Model, registerModel } from './model.ts';
import { type Operation, partitionByKey } from './operation.ts';
import { buildProblem, type KeyProblem } from './problem.ts';
import { searchOrder } from './search.ts';

/** What a check may be told; all of it optional. */
export interface CheckOptions {
  /** The object that each key is; {@link registerModel} unless given. */
  readonly model?: Model;
  /** The value of each key before its first operation; null, "no such key", unless given. */
  readonly initial?: JsonValue;
  readonly limits?: Partial<CheckLimits>;
  /** Broken keys after which the check ends; 1 unless given. */
  readonly violationsMax?: number;
}

/** A key whose operations no order explains. */
export interface Violation {
  readonly key: string;
  /**
   * The smallest failing part that was found, in order of invocation. It fails by itself. Lists
   * that only grow are shown without the values whose appends have no part in the failure.
   */
  readonly operations: readonly Operation[];
  /** What is wrong with it, in one line. */
  readonly explanation: string;
  /** Operations of this key in the whole history. */
  readonly keyOperations: number;
  readonly initial: JsonValue;
}

/** The result of a check. `unknown` is never a pass. */
export interface CheckResult {
  readonly verdict: 'linearizable' | 'notLinearizable' | 'unknown';
  /** Why the verdict is unknown; null otherwise. */
  readonly reason: string | null;
  /** Operations that took part, and the keys they went to. */
  readonly operations: number;
  readonly keys: number;
  /** Keys that were not decided within the limits. */
  readonly undecidedKeys: readonly string[];
  readonly violations: readonly Violation[];
  readonly stepsUsed: number;
}

/** The exit code of `quorate check` for a verdict: 0 holds, 3 violated, 2 unknown. */
export function exitCodeOf(verdict: CheckResult['verdict']): 0 | 2 | 3 {
  return verdict === 'linearizable' ? 0 : verdict === 'notLinearizable' ? 3 : 2;
}

/**
 * Judges whether the operations, taken key by key, are linearizable (Herlihy and Wing 1990). One
 * violated key decides; otherwise one undecided key makes the verdict unknown. Never throws on any
 * paired history.
 */
export function checkLinearizability(
  operations: readonly Operation[],
  options: CheckOptions = {},
): CheckResult {
  const { model = registerModel, initial = null, violationsMax = 1 } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const budget = new Budget(limits);
  const parts = partitionByKey(operations);
  const undecidedKeys: string[] = [];
  const violations: Violation[] = [];
  let reason: string | null = null;
  for (const [key, part] of parts) {
    if (violations.length >= violationsMax) break;
    const keyBudget = reason === null ? budget : spent(limits);
    const judged = judgeKey(part, model, initial, keyBudget);
    if (judged === 'linearizable') continue;
    if (judged === 'unknown') {
      undecidedKeys.push(key);
      reason ??= budget.stopReason;
    } else {
      violations.push({ key, keyOperations: part.length, initial, ...judged });
    }
  }
  const undecided = undecidedKeys.length > 0;
  const verdict =
    violations.length > 0 ? 'notLinearizable' : undecided ? 'unknown' : 'linearizable';
  return {
    verdict,
    reason: verdict === 'unknown' ? (reason ?? 'limit reached') : null,
    operations: operations.length,
    keys: parts.size,
    undecidedKeys,
    violations,
    stepsUsed: budget.stepsUsed,
  };
}

type Judged = 'linearizable' | 'unknown' | Pick<Violation, 'operations' | 'explanation'>;

function judgeKey(
  operations: readonly Operation[],
  model: Model,
  initial: JsonValue,
  budget: Budget,
): Judged {
  const problem = buildProblem(operations, model, initial);
  const conflict = findConflict(problem);
  if (conflict !== null) return smallestPart(problem, model, initial, conflict, null, budget);
  if (budget.stopReason !== null) return 'unknown';
  const { end, deepestEvent } = searchOrder(problem, budget);
  if (end === 'found') return 'linearizable';
  if (end === 'stopped') return 'unknown';
  return smallestPart(problem, model, initial, null, deepestEvent, budget);
}

function smallestPart(
  problem: KeyProblem,
  model: Model,
  initial: JsonValue,
  conflict: Conflict | null,
  deepestEvent: number | null,
  budget: Budget,
): Pick<Violation, 'operations' | 'explanation'> {
  const cut = (kept: readonly number[], at: number): Operation[] => {
    const begun = kept.filter((i) => (problem.invokeAt[i] as number) <= at);
    const missing = missingParts(problem, kept);
    return begun.map((i) => {
      const isOpen = (problem.returnAt[i] as number) > at;
      return leftOut(cutOff(problem.operations[i] as Operation, isOpen), missing, initial);
    });
  };
  const build = (kept: readonly number[], at: number): KeyProblem =>
    buildProblem(cut(kept, at), model, initial);
  const all = [...problem.operations.keys()];
  const cutAt = cutOffAt(problem, deepestEvent, (at) => build(all, at), budget);
  const start = conflict?.operations ?? all.filter((i) => (problem.invokeAt[i] as number) <= cutAt);
  const kept = minimise(problem, start, cutAt, build, budget.limits);
  const what = conflict?.explanation ?? 'no order of these operations explains what was seen';
  const isShortened = missingParts(problem, kept).size > 0;
  const explanation = isShortened ? `${what} (values without part in it are left out)` : what;
  return { operations: cut(kept, cutAt), explanation };
}

/** Of lists, the values whose appends do not stand in `kept`. */
function missingParts(problem: KeyProblem, kept: readonly number[]): ReadonlySet<string> {
  if (problem.model.onlyLists !== true) return new Set();
  const missing = appendedValues(problem.operations);
  const held = appendedValues(kept.map((i) => problem.operations[i] as Operation));
  for (const value of held) missing.delete(value);
  return missing;
}

/**
 * The event after which the history can be cut off so that it still fails. What is invoked later
 * takes no part and what is open then may have happened or not; both cuts are sound (a prefix of a
 * linearizable history is linearizable). The search looks ahead, so that it may give up before the
 * event that makes the prefix fail: hence the trial.
 */
function cutOffAt(
  problem: KeyProblem,
  deepestEvent: number | null,
  prefix: (at: number) => KeyProblem,
  budget: Budget,
): number {
  const end = problem.events.length;
  if (deepestEvent === null) return end;
  for (let margin = 0; deepestEvent + margin < end; margin = margin * 2 + 16) {
    if (failsWithin(prefix(deepestEvent + margin), budget.limits)) return deepestEvent + margin;
  }
  return end;
}

function cutOff(operation: Operation, open: boolean): Operation {
  if (!open || operation.outcome === 'info') return operation;
  const value = operation.f === 'read' ? undefined : operation.value;
  const returnIndex = Number.POSITIVE_INFINITY;
  return { ...operation, value, outcome: 'info', returnIndex, returnTime: null };
}

function spent(limits: CheckLimits): Budget {
  const budget = new Budget({ ...limits, stepsMax: 0 });
  budget.spend();
  return budget;
}
