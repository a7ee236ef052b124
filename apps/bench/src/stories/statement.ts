import {
  compareFigures,
  type Objective,
  type ObjectiveGrammar,
  parseObjective,
  type SloMetric,
  type SloUnitKind,
  showFigure,
  statisticOf,
} from '@quorate/report';
import type { TrialFigures } from './measure-trial.ts';

/** How a statement's metric is made of the trials of one set. */
interface StoryMetric extends SloMetric {
  /** The figure of one trial; of a metric without a statistic `merge` makes one figure of them. */
  readonly of: (trial: TrialFigures) => number | boolean | null;
  readonly merge?: (values: readonly (number | boolean | null)[]) => number | boolean | null;
}

const spread = (
  unit: SloUnitKind,
  meaning: string,
  of: (trial: TrialFigures) => number,
): StoryMetric => ({ unit, distribution: true, meaning, of });

const total = (
  meaning: string,
  of: (trial: TrialFigures) => number,
  merge: (values: readonly number[]) => number = (values) => values.reduce((a, b) => a + b, 0),
): StoryMetric => ({
  ...{ unit: 'count', distribution: false, meaning, of },
  merge: (values) => merge(values as number[]),
});

const share = (meaning: string, of: (trial: TrialFigures) => boolean): StoryMetric => ({
  ...{ unit: 'share', distribution: false, meaning, of },
  merge: (values) => values.filter((value) => value === true).length / values.length,
});

const always = (meaning: string, of: (trial: TrialFigures) => boolean | null): StoryMetric => ({
  ...{ unit: 'truth', distribution: false, meaning, of },
  merge: (values) => (values.includes(false) ? false : values.includes(null) ? null : true),
});

/** What statements may name. */
export const STORY_METRICS: ReadonlyMap<string, StoryMetric> = new Map<string, StoryMetric>([
  ['recovers', share('trials that came to one leader that serves', (t) => is(t, 'recovers'))],
  [
    'degraded',
    share('trials with gaps or changes of leaders to the end', (t) => is(t, 'degraded')),
  ],
  ['stuck', share('trials that acknowledged nothing any more', (t) => is(t, 'stuck'))],
  ['leader_changes', spread('count', 'another node began to serve', (t) => t.leaderChanges)],
  ['leaderships', spread('count', 'a node began to serve', (t) => t.leaderships)],
  ['candidacies', spread('count', 'a node asked for leadership', (t) => t.candidacies)],
  ['failed_candidacies', spread('count', 'and did not get it', (t) => t.failedCandidacies)],
  ['step_downs', spread('count', 'a leader stood down', (t) => t.stepDowns)],
  ['rounds', spread('count', 'rise of the highest round', (t) => t.rounds)],
  ['acked', spread('count', 'acknowledged writes', (t) => t.acked)],
  ['downtime', spread('duration', 'longest time without an acknowledgement', (t) => t.downtimeMs)],
  ['election', spread('duration', 'from the kill to a leader that serves', (t) => t.electionMs)],
  ['recovery', spread('duration', 'from the healing to an acknowledgement', (t) => t.recoveryMs)],
  ['unacked', spread('count', 'writes taken on and never acknowledged', (t) => t.unacked)],
  ['unacked_survived', spread('count', 'those applied in the end', (t) => t.unackedSurvived)],
  ['minority_writes', spread('count', 'taken on without a majority', (t) => t.minorityWrites)],
  ['minority_survived', spread('count', 'those applied in the end', (t) => t.minoritySurvived)],
  ['last_leader', spread('count', 'the node that leads at the end', (t) => t.lastLeader)],
  ['last_round', spread('count', 'its round', (t) => t.lastRound)],
  ['minority_acked', total('taken on and acknowledged without a majority', (t) => t.minorityAcked)],
  ['acked_by_deposed', total('acknowledged behind a later leader', (t) => t.ackedByDeposed)],
  [
    'leaders_per_round_max',
    total(
      'nodes that served in one round',
      (t) => t.leadersPerRoundMax,
      (values) => Math.max(...values),
    ),
  ],
  ['acked_lost', total('acknowledged writes that are gone', (t) => t.ackedLost)],
  ['linearizable', always('every history is linearizable', (t) => t.linearizable)],
  ['equal', always('all replicas are equal in the end', (t) => t.equal)],
]);

function is(trial: TrialFigures, outcome: TrialFigures['outcome']): boolean {
  return trial.outcome === outcome;
}

/** Selectors: one set by its name, all of one protocol, all under one timing. */
export const STORY_GRAMMAR: ObjectiveGrammar = {
  metrics: STORY_METRICS,
  selectors: ['set', 'protocol', 'timing'],
};

/** Reads a statement; throws `SloError` with what is allowed. */
export function parseStatement(expression: string): Objective {
  return parseObjective(expression, STORY_GRAMMAR);
}

/** What selectors choose by. */
export interface SetName {
  readonly name: string;
  readonly protocol: string;
  readonly timing: string | null;
}

/** True when the statement speaks of this set. */
export function speaksOf({ selectors }: Objective, set: SetName): boolean {
  const { set: name, protocol, timing } = selectors;
  return (
    (name === undefined || name === set.name) &&
    (protocol === undefined || protocol === set.protocol) &&
    (timing === undefined || timing === set.timing)
  );
}

/** A statement against the trials of one set: null is undecided. */
export interface Judged {
  readonly holds: boolean | null;
  readonly value: number | boolean | null;
  /** The value as people read it. */
  readonly measured: string;
}

/** Judges a statement by the trials of one set, of which there is at least one. */
export function judgeStatement(statement: Objective, trials: readonly TrialFigures[]): Judged {
  const metric = STORY_METRICS.get(statement.metric) as StoryMetric;
  const values = trials.map(metric.of);
  const value =
    metric.merge === undefined ? statisticOf(values as number[], statement) : metric.merge(values);
  const measured = showFigure(metric.unit, value);
  const holds = value === null ? null : compareFigures(value, statement.operator, statement.bound);
  return { holds, value, measured };
}
