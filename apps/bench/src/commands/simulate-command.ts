import { appendFileSync, closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { protocolNamed } from '@quorate/kv-server';
import { HOST_FAULT_KINDS, type HostFaultKind, shrinkEvents } from '@quorate/simulator';
import { Piscina } from 'piscina';
import { ExitCode, UsageError } from '../errors.ts';
import { failureText, replayCommand, summaryText, totalsOf } from './simulate-summary.ts';
import { runSeed, type SeedOutcome, type SeedTask } from './simulate-worker.ts';

/** The flags of `quorate simulate`. */
export interface SimulateFlags {
  readonly protocol: string;
  readonly seeds: string;
  readonly nodes?: string;
  readonly faults?: string;
  readonly jobs: string;
  readonly budget?: string;
  readonly drop?: string;
  readonly shrink?: boolean;
  readonly trace?: string;
  readonly twice?: boolean;
  readonly record?: boolean;
  readonly json?: boolean;
}

const ALL = ['raft', 'multi-paxos', 'zab'];
const SHRINK_TRIES_MAX = 400;
const PROGRESS_MS = 2_000;
const RESULTS_FOLDER = 'results';
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** Carries out `quorate simulate`: 0 clean, 1 a probe was missed, 3 an invariant is broken. */
export async function simulateCommand(flags: SimulateFlags): Promise<number> {
  const tasks = tasksOf(flags);
  const first = tasks[0] as SeedTask;
  if (flags.trace !== undefined || flags.shrink) {
    if (tasks.length !== 1) throw new UsageError('--trace and --shrink take one protocol and seed');
    return flags.shrink ? shrink(first) : traceOne(first, flags.trace as string);
  }
  const jobs = wholeNumber('--jobs', flags.jobs, 1, 64);
  const budgetMs = flags.budget === undefined ? Number.POSITIVE_INFINITY : budgetOf(flags.budget);
  const startedAt = performance.now();
  const campaign = new Campaign(tasks, startedAt + budgetMs);
  if (tasks.length === 1) campaign.take(0, runSeed(first));
  else await campaign.run(jobs);
  const outcomes = campaign.finished();
  const totals = totalsOf(outcomes, (performance.now() - startedAt) / 1000);
  if (flags.record) {
    mkdirSync(RESULTS_FOLDER, { recursive: true });
    const line = { date: new Date().toISOString(), seedRange: flags.seeds, jobs, ...totals };
    appendFileSync(`${RESULTS_FOLDER}/simulation.ndjson`, `${JSON.stringify(line)}\n`);
  }
  const text = flags.json ? `${JSON.stringify(totals)}\n` : summaryText(outcomes, totals);
  process.stdout.write(text);
  const left = tasks.length - outcomes.length;
  if (left > 0) process.stdout.write(`${left} seeds were not begun: ${campaign.resumeHint()}\n`);
  if (totals.failed > 0) return ExitCode.violation;
  if (campaign.interrupted) return ExitCode.interrupted;
  return totals.probesMissed.length > 0 ? ExitCode.sloFellShort : ExitCode.ok;
}

/** The seeds of one command, run side by side; results are kept in the order of the tasks. */
class Campaign {
  interrupted = false;
  private readonly tasks: readonly SeedTask[];
  private readonly endsAt: number;
  private readonly outcomes: (SeedOutcome | undefined)[] = [];
  private next = 0;
  private done = 0;
  private lastProgress = performance.now();

  constructor(tasks: readonly SeedTask[], endsAt: number) {
    this.tasks = tasks;
    this.endsAt = endsAt;
  }

  async run(jobs: number): Promise<void> {
    const threads = Math.min(jobs, this.tasks.length);
    const pool = new Piscina({
      filename: new URL('./simulate-worker.js', import.meta.url).href,
      minThreads: threads,
      maxThreads: threads,
      recordTiming: false,
    });
    const interrupt = (): void => {
      this.interrupted = true;
    };
    process.once('SIGINT', interrupt);
    const lane = async (): Promise<void> => {
      for (;;) {
        const place = this.next;
        const task = this.tasks[place];
        if (task === undefined || this.interrupted || performance.now() > this.endsAt) return;
        this.next++;
        this.take(place, await pool.run(task, { name: 'runSeed' }));
      }
    };
    await Promise.all(Array.from({ length: threads }, lane));
    process.removeListener('SIGINT', interrupt);
    await pool.destroy();
  }

  take(place: number, outcome: SeedOutcome): void {
    this.outcomes[place] = outcome;
    this.done++;
    const task = this.tasks[place] as SeedTask;
    if (outcome.failure !== null) process.stderr.write(failureText(outcome, task));
    const now = performance.now();
    if (now - this.lastProgress < PROGRESS_MS && this.done < this.tasks.length) return;
    this.lastProgress = now;
    const failed = this.outcomes.filter((one) => one?.failure).length;
    const text = `${this.done}/${this.tasks.length} seeds, ${failed} failed`;
    process.stderr.write(`${text} (${task.protocol} ${task.seed})\n`);
  }

  finished(): SeedOutcome[] {
    return this.outcomes.filter((outcome) => outcome !== undefined);
  }

  /** Where to go on; tasks are begun in order. */
  resumeHint(): string {
    const task = this.tasks[this.next];
    return task === undefined ? '' : `go on from ${task.protocol} seed ${task.seed}`;
  }
}

function shrink(task: SeedTask): number {
  const whole = runSeed(task);
  if (whole.failure === null) {
    process.stdout.write(`seed ${task.seed} does not fail: there is nothing to shrink\n`);
    return ExitCode.ok;
  }
  const { invariant } = whole.failure;
  const numbers = Array.from({ length: whole.faultEvents }, (_, number) => number);
  const fails = (drop: readonly number[]): boolean =>
    runSeed({ ...task, drop }).failure?.invariant === invariant;
  const drop = shrinkEvents(numbers, fails, SHRINK_TRIES_MAX);
  const smallest = { ...task, drop };
  const left = numbers.length - drop.length;
  process.stderr.write(failureText(runSeed(smallest), smallest));
  process.stdout.write(
    `${left} of ${numbers.length} faults are enough: ${replayCommand(smallest)}\n`,
  );
  return ExitCode.violation;
}

function traceOne(task: SeedTask, path: string): number {
  const file = openSync(path, 'w');
  let outcome: SeedOutcome;
  try {
    outcome = runSeed(task, (line) => writeSync(file, `${line}\n`));
  } finally {
    closeSync(file);
  }
  if (outcome.failure !== null) process.stderr.write(failureText(outcome, task));
  const { hash, events, simulatedMicros } = outcome;
  const seconds = (simulatedMicros / 1e6).toFixed(1);
  process.stdout.write(`${path}: ${seconds} simulated s, ${events} events, hash ${hash}\n`);
  return outcome.failure === null ? ExitCode.ok : ExitCode.violation;
}

function tasksOf(flags: SimulateFlags): SeedTask[] {
  const names = flags.protocol === 'all' ? ALL : flags.protocol.split(',');
  for (const name of names) {
    if (protocolNamed(name) === null || name === 'none') {
      throw new UsageError(`--protocol ${name}: allowed are all, ${ALL.join(', ')}`);
    }
  }
  const range = /^(\d+)(?:\.\.(\d+))?$/.exec(flags.seeds);
  if (range === null) throw new UsageError(`--seeds ${flags.seeds}: a number or a range A..B`);
  const from = Number(range[1]);
  const to = Number(range[2] ?? range[1]);
  if (to < from || to > Number.MAX_SAFE_INTEGER) {
    throw new UsageError(`--seeds ${flags.seeds}: the first seed is at most the last`);
  }
  const settings = {
    ...(flags.nodes === undefined ? {} : { nodes: wholeNumber('--nodes', flags.nodes, 2, 9) }),
    ...(flags.faults === undefined ? {} : { faults: faultsOf(flags.faults) }),
    ...(flags.drop === undefined ? {} : { drop: flags.drop.split(',').map(Number) }),
    ...(flags.twice ? { twice: true } : {}),
  };
  const tasks: SeedTask[] = [];
  for (let seed = from; seed <= to; seed++) {
    for (const protocol of names) tasks.push({ protocol, seed, ...settings });
  }
  return tasks;
}

function faultsOf(text: string): HostFaultKind[] {
  if (text === 'none') return [];
  return text.split(',').map((name) => {
    const kind = HOST_FAULT_KINDS.find((known) => known === name);
    if (kind !== undefined) return kind;
    throw new UsageError(`--faults ${name}: allowed are none, ${HOST_FAULT_KINDS.join(', ')}`);
  });
}

function wholeNumber(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new UsageError(`${flag} ${text}: a whole number from ${min} to ${max}`);
}

function budgetOf(text: string): number {
  const parts = /^(\d+)(s|m|h)$/.exec(text);
  if (parts === null) throw new UsageError(`--budget ${text}: like 30s, 10m or 2h`);
  return Number(parts[1]) * (UNITS[parts[2] as string] as number);
}
