import { accessSync, constants, mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { checkSchedule, FaultScheduleError, parseFaultSchedule } from '@quorate/faults';
import { parseSlo, SloError } from '@quorate/report';
import { ExitCode, UsageError } from '../errors.ts';
import type { RunPlan } from '../run/plan.ts';
import { ScenarioRun } from '../run/run-scenario.ts';
import { findScenario } from '../scenario/catalogue.ts';
import { type LoadedScenario, loadScenario } from '../scenario/load-scenario.ts';
import { PROTOCOLS, type Scenario } from '../scenario/schema.ts';
import { Progress } from '../terminal/progress.ts';
import { printSummary } from '../terminal/summary.ts';

/** What a person may override on the command line. */
export interface RunFlags {
  readonly protocol?: string;
  readonly nodes?: string;
  readonly runtime?: string;
  readonly transport?: string;
  readonly sync?: string;
  readonly rate?: string;
  readonly closed?: string;
  readonly blocks?: string;
  readonly trials?: string;
  readonly seed?: string;
  readonly slo?: string[];
  readonly out: string;
  readonly quick?: boolean;
  readonly json?: boolean;
}

/** Carries out `quorate run`; resolves with the exit code. Throws {@link UsageError} before it starts. */
export async function runCommand(
  file: string,
  flags: RunFlags,
  command: readonly string[],
): Promise<number> {
  const loaded = loadScenario(findScenario(file));
  const plan = makePlan(loaded, flags, command);
  const progress = new Progress();
  const run = new ScenarioRun(plan, progress);
  const onSignal = (signal: NodeJS.Signals): void => {
    progress.line(`${signal}: stopping all replicas`);
    run.stop({ reason: 'signal', message: `ended by ${signal}` });
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const watchdog = setTimeout(() => {
    const minutes = (plan.scenario.deadline / 60_000).toFixed(1);
    run.stop({ reason: 'deadline', message: `not finished within ${minutes} minutes` });
  }, plan.scenario.deadline);
  try {
    const finished = await run.run();
    progress.end();
    printSummary(finished.run, finished.folder, plan.json);
    return finished.exitCode;
  } finally {
    clearTimeout(watchdog);
    progress.end();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

/** Lays the flags over the scenario and checks that what they ask for is possible. */
export function makePlan(
  loaded: LoadedScenario,
  flags: RunFlags,
  command: readonly string[],
): RunPlan {
  const scenario = override(loaded.scenario, flags);
  refuseImpossible(scenario);
  const outDirectory = resolve(flags.out);
  try {
    mkdirSync(outDirectory, { recursive: true });
    accessSync(outDirectory, constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new UsageError(`--out ${flags.out}: cannot be written (${code}); name another folder`);
  }
  return {
    scenario,
    scenarioFile: loaded.file,
    scenarioText: loaded.text,
    command,
    faults: schedule(scenario, loaded.file),
    slos: scenario.slo.map((expression) => slo(expression, loaded.file)),
    outDirectory,
    clientTransport: scenario.clientTransport ?? (scenario.transport === 'grpc' ? 'grpc' : 'tcp'),
    json: flags.json ?? false,
  };
}

function override(scenario: Scenario, flags: RunFlags): Scenario {
  const { load } = scenario;
  const trials = whole('--trials', flags.trials, 1, 10_000);
  const closed = wholes('--closed', flags.closed, 1, 65_536);
  const rates = wholes('--rate', flags.rate, 1, 10_000_000);
  if (closed !== undefined && rates !== undefined) {
    throw new UsageError('--rate and --closed exclude each other: open loop or closed loop');
  }
  if (load === undefined && (closed ?? rates) !== undefined) {
    throw new UsageError(
      `--rate and --closed need a scenario with load; ${scenario.name} has none`,
    );
  }
  const faults = scenario.faults.map((fault) =>
    trials === undefined || fault.every === undefined ? fault : { ...fault, times: trials },
  );
  if (trials !== undefined && !scenario.faults.some((fault) => fault.every !== undefined)) {
    throw new UsageError(`--trials: ${scenario.name} has no fault that repeats`);
  }
  return {
    ...scenario,
    faults,
    protocols: protocolsOf(flags.protocol) ?? scenario.protocols,
    nodes: whole('--nodes', flags.nodes, 1, 9) ?? scenario.nodes,
    runtime: oneOf('--runtime', flags.runtime, ['process', 'worker']) ?? scenario.runtime,
    transport:
      oneOf('--transport', flags.transport, ['grpc', 'tcp', 'message-port']) ?? scenario.transport,
    sync:
      oneOf('--sync', flags.sync, ['each', 'group', 'periodic', 'none', 'memory']) ?? scenario.sync,
    blocks: whole('--blocks', flags.blocks, 1, 100) ?? scenario.blocks,
    seed: whole('--seed', flags.seed, 0, Number.MAX_SAFE_INTEGER) ?? scenario.seed,
    slo: flags.slo ?? scenario.slo,
    quick: flags.quick ?? scenario.quick,
    ...(load === undefined
      ? {}
      : {
          load: {
            ...load,
            ...(rates === undefined ? {} : { mode: 'open' as const, rates }),
            ...(closed === undefined ? {} : { mode: 'closed' as const, inFlight: closed }),
          },
        }),
  };
}

function protocolsOf(text: string | undefined): Scenario['protocols'] | undefined {
  if (text === undefined) return undefined;
  return text.split(',').map((name) => {
    const known = oneOf('--protocol', name.trim(), PROTOCOLS);
    if (known === undefined) throw new UsageError('--protocol names at least one protocol');
    return known;
  });
}

function refuseImpossible(scenario: Scenario): void {
  if (scenario.transport === 'message-port' && scenario.runtime !== 'worker') {
    throw new UsageError(
      'transport message-port joins worker threads: it needs --runtime worker; processes have ' +
        'grpc and tcp',
    );
  }
  const [min, max] = scenario.electionTimeout;
  if (max < min + 1 || min <= scenario.heartbeat) {
    throw new UsageError(
      'electionTimeout: the maximum is at least 1ms above the minimum, and the minimum above the ' +
        'heartbeat',
    );
  }
  if (scenario.load === undefined && scenario.faults.length === 0) {
    throw new UsageError('a scenario has load, faults or both; this one has neither');
  }
}

function schedule(scenario: Scenario, file: string): RunPlan['faults'] {
  try {
    const entries = parseFaultSchedule(scenario.faults);
    checkSchedule(entries, { runtime: scenario.runtime, nodes: scenario.nodes });
    return entries;
  } catch (error) {
    if (error instanceof FaultScheduleError) throw new UsageError(`${file}: ${error.message}`);
    throw error;
  }
}

function slo(expression: string, file: string): RunPlan['slos'][number] {
  try {
    return parseSlo(expression);
  } catch (error) {
    if (error instanceof SloError) throw new UsageError(`${file}: slo: ${error.message}`);
    throw error;
  }
}

function whole(
  flag: string,
  text: string | undefined,
  min: number,
  max: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new UsageError(`${flag} ${text}: a whole number from ${min} to ${max}`);
  }
  return value;
}

function wholes(
  flag: string,
  text: string | undefined,
  min: number,
  max: number,
): number[] | undefined {
  return text?.split(',').map((part) => whole(flag, part.trim(), min, max) ?? min);
}

function oneOf<T extends string>(
  flag: string,
  text: string | undefined,
  allowed: readonly T[],
): T | undefined {
  if (text === undefined) return undefined;
  const found = allowed.find((name) => name === text);
  if (found === undefined) {
    throw new UsageError(`${flag} ${text}: allowed are ${allowed.join(', ')}`);
  }
  return found;
}

/** The exit code when a defect of this program ended the run. */
export const DEFECT_EXIT = ExitCode.failed;
