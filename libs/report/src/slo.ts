import { SloError } from './errors.ts';

/** The comparisons that an SLO may use. */
export const SLO_OPERATORS = ['<', '<=', '>', '>=', '==', '!='] as const;

/** One of {@link SLO_OPERATORS}. */
export type SloOperator = (typeof SLO_OPERATORS)[number];

/** What kind of figure a metric is, which decides its units. */
export type SloUnitKind = 'duration' | 'share' | 'count' | 'rate' | 'truth';

/** A metric that an SLO may name. */
export interface SloMetric {
  readonly unit: SloUnitKind;
  /** True when `.p99`, `.max` or `.median` must follow. */
  readonly distribution: boolean;
  readonly meaning: string;
}

const LATENCY: SloMetric = {
  unit: 'duration',
  distribution: true,
  meaning: 'latency from the intended start',
};

/** The metrics by name. */
export const SLO_METRICS: ReadonlyMap<string, SloMetric> = new Map([
  ['failover', { unit: 'duration', distribution: true, meaning: 'write gap after a leader fault' }],
  ['unavailable', { unit: 'duration', distribution: true, meaning: 'write gap after any fault' }],
  ['write.latency', LATENCY],
  ['read.latency', LATENCY],
  ['cas.latency', LATENCY],
  ['delete.latency', LATENCY],
  [
    'errors.rate',
    { unit: 'share', distribution: false, meaning: 'operations that did not succeed' },
  ],
  ['availability', { unit: 'share', distribution: false, meaning: 'time outside write gaps' }],
  ['throughput', { unit: 'rate', distribution: false, meaning: 'operations a second' }],
  [
    'acked_lost',
    { unit: 'count', distribution: false, meaning: 'acknowledged writes that are gone' },
  ],
  ['linearizable', { unit: 'truth', distribution: false, meaning: 'the history is linearizable' }],
]);

const UNITS: { readonly [kind in SloUnitKind]: { readonly [unit: string]: number } } = {
  duration: { us: 0.001, ms: 1, s: 1_000, m: 60_000 },
  share: { '%': 0.01, '': 1 },
  count: { '': 1 },
  rate: { '/s': 1, '': 1 },
  truth: {},
};

/** What an expression may name: metrics, and the selectors between braces. */
export interface ObjectiveGrammar {
  readonly metrics: ReadonlyMap<string, SloMetric>;
  readonly selectors: readonly string[];
}

/** A parsed expression. `bound`: milliseconds, a share from 0 to 1, a rate a second, or a count. */
export interface Objective {
  readonly expression: string;
  readonly metric: string;
  /** `p99` and the like, `max`, `median`, `min` or `mean`; null for metrics that are one figure. */
  readonly statistic: string | null;
  readonly selectors: Readonly<Record<string, string>>;
  readonly operator: SloOperator;
  readonly bound: number | boolean;
}

/** A parsed SLO; the selectors are those of {@link SLO_GRAMMAR}. */
export interface Slo extends Omit<Objective, 'selectors'> {
  readonly protocol: string | null;
  readonly fault: string | null;
}

/** What the SLOs of a scenario may name. */
export const SLO_GRAMMAR: ObjectiveGrammar = {
  metrics: SLO_METRICS,
  selectors: ['protocol', 'fault'],
};

const STATISTICS = /^(p\d{1,2}|p99\.?9{1,2}|max|min|median|mean)$/;

/**
 * Reads `<metric>[.<statistic>][{protocol="raft",fault="kill-leader"}] <op> <number><unit>`.
 * Throws {@link SloError} that lists what is allowed at the place that is wrong.
 */
export function parseSlo(expression: string): Slo {
  const { selectors, ...rest } = parseObjective(expression, SLO_GRAMMAR);
  return { ...rest, protocol: selectors.protocol ?? null, fault: selectors.fault ?? null };
}

/** Reads an expression of the same form over the metrics and selectors of another grammar. */
export function parseObjective(expression: string, grammar: ObjectiveGrammar): Objective {
  const { metrics } = grammar;
  const fail = (problem: string): never => {
    throw new SloError(expression, problem);
  };
  const match = /^\s*([a-zA-Z_.0-9]+)\s*(?:\{([^}]*)\})?\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*$/.exec(
    expression,
  );
  if (match === null) {
    const form = '<metric>[.<percentile>][{protocol="raft"}] <operator> <number><unit>';
    return fail(
      `allowed: ${form}, such as failover.p99 < 1s; operators ${SLO_OPERATORS.join(' ')}`,
    );
  }
  const [, subject = '', selector, operator = '', right = ''] = match;
  const { name, statistic } = splitSubject(subject, metrics, fail);
  const metric = metrics.get(name);
  if (metric === undefined) {
    return fail(`there is no metric "${name}"; allowed: ${[...metrics.keys()].join(', ')}`);
  }
  if (metric.distribution && statistic === null) {
    return fail(`"${name}" needs one of .p50 to .p999, .max, .median, .min, .mean`);
  }
  if (!metric.distribution && statistic !== null)
    fail(`"${name}" is one figure, without .${statistic}`);
  if (metric.unit === 'truth' && operator !== '==' && operator !== '!=') {
    fail(`"${name}" is true or false; allowed: == and !=`);
  }
  const selectors = parseSelectors(selector, grammar.selectors, fail);
  const bound = parseBound(right, metric.unit, fail);
  const op = operator as SloOperator;
  return { expression, metric: name, statistic, selectors, operator: op, bound };
}

type Fail = (problem: string) => never;

function splitSubject(
  subject: string,
  metrics: ObjectiveGrammar['metrics'],
  fail: Fail,
): { name: string; statistic: string | null } {
  if (metrics.has(subject)) return { name: subject, statistic: null };
  const dot = subject.lastIndexOf('.');
  const name = subject.slice(0, dot);
  const statistic = subject.slice(dot + 1);
  if (dot < 0 || !metrics.has(name)) return { name: subject, statistic: null };
  if (STATISTICS.test(statistic)) return { name, statistic };
  return fail(
    `".${statistic}" is no statistic; allowed: .p50 to .p999, .max, .median, .min, .mean`,
  );
}

function parseSelectors(
  text: string | undefined,
  allowed: readonly string[],
  fail: Fail,
): Readonly<Record<string, string>> {
  const found: { [name: string]: string } = {};
  for (const part of (text ?? '').split(',').filter((p) => p.trim() !== '')) {
    const match = /^\s*(\w+)\s*=\s*"([^"]+)"\s*$/.exec(part);
    const [, name, value] = match ?? [];
    if (name === undefined || value === undefined || !allowed.includes(name)) {
      const form = allowed.map((one) => `${one}="..."`).join(' and ');
      return fail(`selector "${part.trim()}"; allowed: ${form}`);
    }
    found[name] = value;
  }
  return found;
}

function parseBound(text: string, kind: SloUnitKind, fail: Fail): number | boolean {
  if (kind === 'truth') {
    return text === 'true' || text === 'false' ? text === 'true' : fail('allowed: true or false');
  }
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(.*)$/.exec(text) ?? [];
  const scale = UNITS[kind][unit];
  if (number === undefined || scale === undefined) {
    const units = Object.keys(UNITS[kind]).map((u) => (u === '' ? 'no unit' : u));
    return fail(`"${text}"; allowed: a number with ${units.join(', ')}`);
  }
  return Number(number) * scale;
}

/** A figure of an SLO's metric as people read it: `1.25 s`, `99.9 %`, `0`. */
export function showSloValue(metric: string, value: number | boolean | null): string {
  return showFigure(SLO_METRICS.get(metric)?.unit ?? 'count', value);
}

/** A figure of a kind as people read it; null was not measured, infinity stands for "never". */
export function showFigure(kind: SloUnitKind, value: number | boolean | null): string {
  if (value === null) return 'not measured';
  if (typeof value === 'boolean') return String(value);
  if (value === Number.POSITIVE_INFINITY) return 'never';
  if (kind === 'share') return `${trimNumber(value * 100, 3)} %`;
  if (kind === 'rate') return `${trimNumber(value, 0)}/s`;
  if (kind !== 'duration') return trimNumber(value, 3);
  return value >= 1_000 ? `${trimNumber(value / 1_000, 2)} s` : `${trimNumber(value, 2)} ms`;
}

function trimNumber(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}
