import {
  checkSchedule,
  type FaultEntry,
  FaultScheduleError,
  parseFaultSchedule,
  parseRole,
  type Role,
} from '@quorate/faults';
import { type Objective, SloError } from '@quorate/report';
import { UsageError } from '../errors.ts';
import { type RunFlags, wholeFlag, wordsFlag } from '../run/flags.ts';
import type { LoadedScenario } from '../scenario/load-scenario.ts';
import { PROTOCOLS, type Scenario, type Story } from '../scenario/schema.ts';
import { parseStatement, speaksOf } from './statement.ts';
import { type StorySet, setsOf } from './variant-sets.ts';

const TRIALS_MAX = 10_000;

/** Something that a story says, with its expression read. */
export interface PlannedStatement {
  readonly objective: Objective;
  readonly because: string;
}

/** Something that was published; `objective` is null where it cannot be compared. */
export interface PlannedPublished {
  readonly objective: Objective | null;
  readonly says: string;
  readonly source: string;
  readonly differs: string | null;
}

/** A single write beside the load; `at` in milliseconds from the start of the story. */
export interface PlannedWrite {
  readonly at: number;
  readonly role: Role;
  readonly times: number;
}

/** A story that can be carried out. */
export interface StoryPlan {
  readonly scenario: Scenario;
  readonly story: Story;
  readonly file: string;
  readonly faults: readonly FaultEntry[];
  readonly writes: readonly PlannedWrite[];
  readonly sets: readonly StorySet[];
  readonly statements: readonly PlannedStatement[];
  readonly published: readonly PlannedPublished[];
}

/** Flags of `quorate run` that mean nothing to a story. */
const STRANGE_FLAGS = ['transport', 'sync', 'rate', 'closed', 'seconds', 'blocks', 'slo'] as const;

/**
 * Lays the flags over a story and checks that it can be carried out. Throws {@link UsageError} with
 * file and line; nothing has run then.
 */
export function planStory(loaded: LoadedScenario, flags: Partial<RunFlags>): StoryPlan {
  refuseFlags(flags);
  const scenario = override(loaded, flags);
  const { story } = scenario;
  const { placeOf } = loaded;
  if (story === undefined) throw new UsageError(`${loaded.file}: this scenario has no story`);
  const sets = setsOf(scenario, story);
  if (sets.length === 0) {
    throw new UsageError(`--protocol ${flags.protocol}: no set of ${scenario.name} is of it`);
  }
  refuseTimings(sets, placeOf(['story']));
  const all = setsOf(loaded.scenario, story);
  const read = (place: readonly (string | number)[], expression: string): Objective =>
    readStatement(expression, all, `${placeOf(place)}: ${place.join('.')}`);
  return {
    ...{ scenario, story, file: loaded.file, sets },
    faults: scheduleOf(scenario, loaded),
    writes: story.writes.map(({ at, to, times }, i) => {
      const role = inPlace(loaded, ['story', 'writes', i, 'to'], () => parseRole(to, []));
      return { at, role, times };
    }),
    statements: story.statements.map(({ expect, because }, i) => ({
      objective: read(['story', 'statements', i, 'expect'], expect),
      because,
    })),
    published: story.published.map(({ expect, says, source, differs }, i) => ({
      objective: expect === undefined ? null : read(['story', 'published', i, 'expect'], expect),
      ...{ says, source, differs: differs ?? null },
    })),
  };
}

function refuseFlags(flags: Partial<RunFlags>): void {
  for (const flag of STRANGE_FLAGS) {
    if (flags[flag] === undefined) continue;
    const allowed = '--protocol, --trials, --seed, --nodes, --record and --json';
    throw new UsageError(`--${flag}: a story runs in the simulator; allowed: ${allowed}`);
  }
  if (flags.runtime !== undefined && flags.runtime !== 'sim') {
    throw new UsageError(`--runtime ${flags.runtime}: a story runs in the simulator; allowed: sim`);
  }
}

function override({ scenario }: LoadedScenario, flags: Partial<RunFlags>): Scenario {
  const { story } = scenario;
  if (story === undefined) return scenario;
  const trials = wholeFlag('--trials', flags.trials, { min: 1, max: TRIALS_MAX }) ?? story.trials;
  return {
    ...scenario,
    protocols: wordsFlag('--protocol', flags.protocol, PROTOCOLS) ?? scenario.protocols,
    nodes: wholeFlag('--nodes', flags.nodes, { min: 1, max: 9 }) ?? scenario.nodes,
    seed: wholeFlag('--seed', flags.seed, { min: 0, max: 1_000_000_000 }) ?? scenario.seed,
    story: { ...story, trials },
  };
}

function scheduleOf(scenario: Scenario, loaded: LoadedScenario): readonly FaultEntry[] {
  return inPlace(loaded, ['faults'], () => {
    const entries = parseFaultSchedule(scenario.faults);
    checkSchedule(entries, { runtime: 'sim', nodes: scenario.nodes });
    return entries;
  });
}

function inPlace<T>(loaded: LoadedScenario, path: (string | number)[], body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof FaultScheduleError)) throw error;
    const full = [...path, ...error.path];
    throw new UsageError(`${loaded.placeOf(full)}: ${full.join('.')}: ${error.problem}`);
  }
}

function readStatement(expression: string, sets: readonly StorySet[], place: string): Objective {
  let objective: Objective;
  try {
    objective = parseStatement(expression);
  } catch (error) {
    if (!(error instanceof SloError)) throw error;
    throw new UsageError(`${place}: ${error.message.replace(/^SLO /, '')}`);
  }
  if (sets.some((set) => speaksOf(objective, set))) return objective;
  const names = sets.map(({ name }) => name).join(', ');
  throw new UsageError(`${place}: "${expression}" speaks of no set; there are: ${names}`);
}

function refuseTimings(sets: readonly StorySet[], place: string): void {
  for (const { name, heartbeatMs, electionTimeoutMs, linkDelayMs } of sets) {
    const [min, max] = electionTimeoutMs;
    if (max < min + 1 || min <= heartbeatMs) {
      throw new UsageError(
        `${place}: ${name}: the least timeout is above the heartbeat (${heartbeatMs}ms), ` +
          'the longest at least 1ms above it',
      );
    }
    if (linkDelayMs[0] > linkDelayMs[1]) {
      throw new UsageError(`${place}: ${name}: the least link delay is at most the longest`);
    }
  }
}
