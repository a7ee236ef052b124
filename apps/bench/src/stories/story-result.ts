import { meanOf, medianOf, percentileOf } from '@quorate/report';
import type { Outcome, TrialFigures } from './measure-trial.ts';
import { type Judged, judgeStatement, speaksOf } from './statement.ts';
import type { PlannedPublished, StoryPlan } from './story-plan.ts';
import type { TrialResult } from './story-trial.ts';
import type { StorySet } from './variant-sets.ts';

/** The least and the greatest of all trials. */
export type FromTo = readonly [from: number, to: number];

/** A duration over the trials, in milliseconds; null stands for "never". */
export interface Durations {
  readonly median: number | null;
  readonly mean: number | null;
  readonly p95: number | null;
  readonly max: number | null;
}

/** What the trials of one set came to, as `results/` keeps it. */
export interface SetResult {
  readonly name: string;
  readonly protocol: string;
  readonly variants: StorySet['variants'];
  readonly timing: string | null;
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: readonly [number, number];
  readonly linkDelayMs: readonly [number, number];
  readonly trials: number;
  readonly excluded: number;
  /** How many trials came to which end. */
  readonly outcomes: { readonly [outcome in Outcome]: number };
  readonly leaderChanges: FromTo;
  readonly rounds: FromTo;
  readonly downtimeMs: Durations;
  /** From the kill to a leader that serves; null for a story without a kill. */
  readonly electionMs: Durations | null;
}

/** One statement against one set. */
export interface StatementResult extends Judged {
  readonly expression: string;
  readonly because: string;
  readonly set: string;
}

/** How what was published compares with what was measured. */
export type Comparison = 'match' | 'deviation' | 'not comparable';

/** One published statement, compared. */
export interface PublishedResult {
  readonly says: string;
  readonly source: string;
  readonly expression: string | null;
  readonly comparison: Comparison;
  /** What was measured instead, set by set; empty where there is nothing to compare. */
  readonly measured: readonly string[];
  readonly differs: string | null;
}

/** A finished story. */
export interface StoryResult {
  readonly name: string;
  readonly description: string;
  readonly nodes: number;
  readonly seed: number;
  readonly sets: readonly SetResult[];
  readonly statements: readonly StatementResult[];
  readonly published: readonly PublishedResult[];
  readonly violations: readonly string[];
}

/** The trials of one set. */
export interface SetTrials {
  readonly set: StorySet;
  readonly results: readonly TrialResult[];
}

/** Sums up and judges what all sets of a story came to. */
export function storyResult(plan: StoryPlan, all: readonly SetTrials[]): StoryResult {
  const { name, description, nodes, seed } = plan.scenario;
  const measured = all.map(({ set, results }) => ({ set, figures: figuresOf(results) }));
  const decided = measured.filter(({ figures }) => figures.length > 0);
  return {
    ...{ name, description, nodes, seed },
    sets: all.map((one) => setResult(one)),
    statements: plan.statements.flatMap(({ objective, because }) =>
      measured
        .filter(({ set }) => speaksOf(objective, set))
        .map(({ set, figures }) => {
          const nothing = { holds: null, value: null, measured: 'no trial counts' };
          const judged = figures.length === 0 ? nothing : judgeStatement(objective, figures);
          return { ...judged, expression: objective.expression, because, set: set.name };
        }),
    ),
    published: plan.published.map((one) => comparePublished(one, decided)),
    violations: all.flatMap(({ set, results }) =>
      results.flatMap((result, i) => {
        const what = violationOf(result);
        return what === null ? [] : [`${set.name}, trial ${i + 1}: ${what}`];
      }),
    ),
  };
}

/** What no story may do, whatever it states: a broken invariant or history, a lost write. */
function violationOf(result: TrialResult): string | null {
  if (result.kind === 'violation') return `${result.invariant}: ${result.message}`;
  if (result.kind === 'excluded') return null;
  const { linearizable, ackedLost } = result.figures;
  if (linearizable === false) return 'K1: the history is not linearizable';
  return ackedLost > 0 ? `K3: ${ackedLost} acknowledged writes are lost` : null;
}

/** The exit code: 3 a violation, 1 a statement that does not hold, 2 one that nothing decided. */
export function storyExitCode(result: StoryResult): 0 | 1 | 2 | 3 {
  if (result.violations.length > 0) return 3;
  if (result.statements.some(({ holds }) => holds === false)) return 1;
  return result.statements.some(({ holds }) => holds === null) ? 2 : 0;
}

/** The outcome that most trials came to; of two as frequent ones the worse. */
export function usualOutcome({ outcomes }: Pick<SetResult, 'outcomes'>): Outcome {
  const worstFirst: readonly Outcome[] = ['stuck', 'degraded', 'recovers'];
  return worstFirst.reduce((a, b) => (outcomes[b] > outcomes[a] ? b : a));
}

function figuresOf(results: readonly TrialResult[]): TrialFigures[] {
  return results.flatMap((result) => (result.kind === 'measured' ? [result.figures] : []));
}

function setResult({ set, results }: SetTrials): SetResult {
  const figures = figuresOf(results);
  const count = (outcome: Outcome): number =>
    figures.filter((one) => one.outcome === outcome).length;
  const elections = figures.map(({ electionMs }) => electionMs);
  const someElected = elections.some(Number.isFinite);
  const { trialsMax: _limit, ...named } = set;
  return {
    ...named,
    trials: figures.length,
    excluded: results.filter(({ kind }) => kind === 'excluded').length,
    outcomes: {
      recovers: count('recovers'),
      degraded: count('degraded'),
      stuck: count('stuck'),
    },
    leaderChanges: fromTo(figures.map(({ leaderChanges }) => leaderChanges)),
    rounds: fromTo(figures.map(({ rounds }) => rounds)),
    downtimeMs: durationsOf(figures.map(({ downtimeMs }) => downtimeMs)),
    electionMs: someElected ? durationsOf(elections) : null,
  };
}

function fromTo(values: readonly number[]): FromTo {
  return values.length === 0 ? [0, 0] : [Math.min(...values), Math.max(...values)];
}

function durationsOf(values: readonly number[]): Durations {
  const shown = (value: number): number | null =>
    Number.isFinite(value) ? Number(value.toFixed(1)) : null;
  return {
    median: shown(medianOf(values)),
    mean: shown(meanOf(values)),
    p95: shown(percentileOf(values, 95)),
    max: shown(Math.max(...values)),
  };
}

function comparePublished(
  { objective, says, source, differs }: PlannedPublished,
  measured: readonly { readonly set: StorySet; readonly figures: readonly TrialFigures[] }[],
): PublishedResult {
  const base = { says, source, differs, expression: objective?.expression ?? null };
  if (objective === null) return { ...base, comparison: 'not comparable', measured: [] };
  const judged = measured
    .filter(({ set }) => speaksOf(objective, set))
    .map(({ set, figures }) => ({ set, ...judgeStatement(objective, figures) }));
  if (judged.length === 0) return { ...base, comparison: 'not comparable', measured: [] };
  const match = judged.every(({ holds }) => holds === true);
  return {
    ...base,
    comparison: match ? 'match' : 'deviation',
    measured: judged.map(({ set, measured: value }) => `${set.name}: ${value}`),
  };
}
