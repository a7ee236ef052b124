import { HOST_FAULT_KINDS, nodeName, shrinkEvents } from '@quorate/simulator';
import { ExitCode } from '../errors.ts';
import { CLEAR_LINE, type ProgressTarget, standardError } from '../terminal/progress.ts';
import { replayCommand } from './simulate-plan.ts';
import { failureText } from './simulate-summary.ts';
import { runSeed, type SeedOutcome, type SeedTask } from './simulate-worker.ts';

const TRIES_MAX = 400;
/** Lengths of the phase with faults to try, in seconds, from the shortest on. */
const UNTIL_SECONDS = [1, 2, 5, 10, 20, 40];
const NODES_LEAST = 3;
/** The story of the smallest case shows so many events, the last ones. */
const STORY_LINES_MAX = 60;
/** What a reader of a schedule wants to see of a trace: who is struck, and who leads. */
const STORY_EVENTS: ReadonlySet<string> = new Set([
  ...HOST_FAULT_KINDS,
  ...['links', 'fault ends', 'kill', 'power cut', 'stopped', 'stops', 'start', 'refused'],
  ...['pause', 'resume', 'disk error', 'elected', 'steppedDown'],
]);

/** Looks for a smaller case that breaks the same invariant, and counts its tries. */
class Shrinker {
  tries = 0;
  private readonly invariant: string;
  private readonly target: ProgressTarget;

  constructor(invariant: string, target: ProgressTarget) {
    this.invariant = invariant;
    this.target = target;
  }

  fails(task: SeedTask, what: string): boolean {
    this.tries++;
    const isSame = runSeed(task).failure?.invariant === this.invariant;
    const verdict = isSame ? `still breaks ${this.invariant}` : 'does not';
    this.target.write(
      this.target.live
        ? `${CLEAR_LINE}try ${this.tries}: ${what}`.slice(0, this.target.columns() - 1)
        : `try ${this.tries}: ${what}: ${verdict}\n`,
    );
    return isSame;
  }

  /** The first of some cases that still fails, or the one that is known to. */
  first(known: SeedTask, cases: readonly SeedTask[], what: (task: SeedTask) => string): SeedTask {
    return cases.find((task) => this.fails(task, what(task))) ?? known;
  }

  /** Fewer faults: ever smaller parts are left out while it still fails. */
  fewerFaults(task: SeedTask, faultEvents: number): SeedTask {
    const dropped = new Set(task.drop ?? []);
    const numbers = Array.from({ length: faultEvents }, (_, i) => i).filter((n) => !dropped.has(n));
    const fails = (drop: readonly number[]): boolean => {
      const left = numbers.length - drop.length;
      return this.fails({ ...task, drop: [...dropped, ...drop] }, `${left} faults`);
    };
    const drop = shrinkEvents(numbers, fails, TRIES_MAX);
    return { ...task, drop: [...dropped, ...drop].sort((a, b) => a - b) };
  }
}

/** Carries out `--shrink`: finds and prints a small case of one failing seed. */
export function shrinkSeed(asked: SeedTask): number {
  const { twice: _once, ...task } = asked;
  const target = standardError();
  const whole = runSeed(task);
  if (whole.failure === null) {
    process.stdout.write(`seed ${task.seed} does not fail: there is nothing to shrink\n`);
    return ExitCode.ok;
  }
  const shrinker = new Shrinker(whole.failure.invariant, target);
  const startedAt = performance.now();
  const smallest = smallestOf(task, whole, shrinker);
  if (target.live) target.write(CLEAR_LINE);
  const story: string[] = [];
  const final = runSeed(smallest, {
    onTrace: (line) => {
      const text = storyLine(line);
      if (text !== null) story.push(text);
    },
  });
  process.stderr.write(failureText(final, smallest));
  const left =
    final.faultEvents - (smallest.drop ?? []).filter((n) => n < final.faultEvents).length;
  const before = whole.faultEvents - (task.drop ?? []).length;
  const took = ((performance.now() - startedAt) / 1000).toFixed(0);
  const hidden = story.length - STORY_LINES_MAX;
  process.stdout.write(
    [
      `${left} of ${before} faults are enough, over ${smallest.untilSeconds ?? 60} s, on ` +
        `${final.nodes} nodes (${shrinker.tries} tries, ${took} s). What strikes whom:`,
      ...(hidden > 0 ? [`  ... ${hidden} earlier events; --trace shows all`] : []),
      ...story.slice(-STORY_LINES_MAX),
      `  ${seconds(final.simulatedMicros)}  ${final.failure?.invariant} is broken`,
      `replay: ${replayCommand(smallest)}`,
      `trace:  ${replayCommand(smallest)} --trace seed-${smallest.seed}.ndjson`,
      '',
    ].join('\n'),
  );
  return ExitCode.violation;
}

function smallestOf(task: SeedTask, whole: SeedOutcome, shrinker: Shrinker): SeedTask {
  const shorter = (from: SeedTask): SeedTask => {
    const lengths = UNTIL_SECONDS.filter((seconds) => seconds < (from.untilSeconds ?? 60));
    const cases = lengths.map((untilSeconds) => ({ ...from, untilSeconds }));
    return shrinker.first(from, cases, ({ untilSeconds }) => `${untilSeconds} s with faults`);
  };
  let found = shorter(task);
  const fewer: SeedTask[] = [];
  for (let nodes = NODES_LEAST; nodes < whole.nodes; nodes++) fewer.push({ ...found, nodes });
  found = shrinker.first(found, fewer, ({ nodes }) => `${nodes} nodes`);
  found = shrinker.fewerFaults(found, runSeed(found).faultEvents);
  if (found.clients !== 1) {
    found = shrinker.first(found, [{ ...found, clients: 1 }], () => 'one client');
  }
  return shorter(found);
}

/** A line of the trace for readers, or null where it is none of the story. */
function storyLine(line: string): string | null {
  const { at, node, event, detail } = JSON.parse(line) as {
    readonly at: number;
    readonly node: number;
    readonly event: string;
    readonly detail: string;
  };
  if (!STORY_EVENTS.has(event)) return null;
  return `  ${seconds(at)}  ${nodeName(node).padEnd(8)}  ${event} ${detail}`.trimEnd();
}

function seconds(micros: number): string {
  return `${(micros / 1e6).toFixed(6).padStart(10)} s`;
}
