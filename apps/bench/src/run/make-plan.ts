import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { resolveVariants } from '@quorate/consensus';
import { checkSchedule, FaultScheduleError, parseFaultSchedule } from '@quorate/faults';
import { protocolNamed } from '@quorate/kv-server';
import { parseSlo, SloError } from '@quorate/report';
import { UsageError } from '../errors.ts';
import type { LoadedScenario } from '../scenario/load-scenario.ts';
import {
  PROTOCOLS,
  RUNTIMES,
  type Scenario,
  SYNC_POLICIES,
  TRANSPORTS,
} from '../scenario/schema.ts';
import { type RunFlags, wholeFlag, wholesFlag, wordFlag, wordsFlag } from './flags.ts';
import type { RunPlan } from './plan.ts';

const TRIALS_MAX = 10_000;
const IN_FLIGHT_MAX = 65_536;
const RATE_MAX = 10_000_000;
const SECONDS_MAX = 600;
const NODES_MAX = 9;
const BLOCKS_MAX = 100;

/**
 * Lays the flags over the scenario and checks that what they ask for is possible. Throws
 * {@link UsageError} with one line; only when all is well is the output folder made.
 */
export function makePlan(
  loaded: LoadedScenario,
  flags: RunFlags,
  command: readonly string[],
): RunPlan {
  const asked = override(loaded.scenario, flags);
  refuseImpossible(asked, loaded, flags);
  const scenario = asked.runtime === 'sim' ? simulated(asked) : asked;
  const faults = scheduleOf(scenario, loaded);
  const slos = slosOf(scenario, loaded, flags);
  return {
    scenario,
    scenarioFile: loaded.file,
    scenarioText: loaded.text,
    command,
    faults,
    slos,
    outDirectory: writableFolder(flags.out),
    clientTransport: scenario.clientTransport ?? (scenario.transport === 'grpc' ? 'grpc' : 'tcp'),
    json: flags.json ?? false,
  };
}

/** The simulator has one transport: tcp frames over simulated streams, for replicas and clients. */
function simulated(scenario: Scenario): Scenario {
  return { ...scenario, transport: 'tcp', clientTransport: 'tcp' };
}

function override(scenario: Scenario, flags: RunFlags): Scenario {
  const whole = (flag: string, text: string | undefined, min: number, max: number) =>
    wholeFlag(flag, text, { min, max });
  const trials = whole('--trials', flags.trials, 1, TRIALS_MAX);
  if (trials !== undefined && !scenario.faults.some((fault) => fault.every !== undefined)) {
    throw new UsageError(`--trials ${trials}: ${scenario.name} has no fault that repeats`);
  }
  const faults = scenario.faults.map((fault) =>
    trials === undefined || fault.every === undefined ? fault : { ...fault, times: trials },
  );
  return {
    ...scenario,
    faults,
    ...overrideLoad(scenario, flags),
    protocols: wordsFlag('--protocol', flags.protocol, PROTOCOLS) ?? scenario.protocols,
    nodes: whole('--nodes', flags.nodes, 1, NODES_MAX) ?? scenario.nodes,
    runtime: wordFlag('--runtime', flags.runtime, RUNTIMES) ?? scenario.runtime,
    transport: wordFlag('--transport', flags.transport, TRANSPORTS) ?? scenario.transport,
    sync: wordFlag('--sync', flags.sync, SYNC_POLICIES) ?? scenario.sync,
    blocks: whole('--blocks', flags.blocks, 1, BLOCKS_MAX) ?? scenario.blocks,
    seed: whole('--seed', flags.seed, 0, Number.MAX_SAFE_INTEGER) ?? scenario.seed,
    slo: flags.slo ?? scenario.slo,
    quick: flags.quick ?? scenario.quick,
  };
}

function overrideLoad(scenario: Scenario, flags: RunFlags): Pick<Scenario, 'load'> {
  const closed = wholesFlag('--closed', flags.closed, { min: 1, max: IN_FLIGHT_MAX });
  const rates = wholesFlag('--rate', flags.rate, { min: 1, max: RATE_MAX });
  const secondsEach = wholeFlag('--seconds', flags.seconds, { min: 1, max: SECONDS_MAX });
  if (closed !== undefined && rates !== undefined) {
    throw new UsageError('--rate and --closed exclude each other: open loop or closed loop');
  }
  const { load } = scenario;
  if (load === undefined) {
    if (closed === undefined && rates === undefined && secondsEach === undefined) return {};
    throw new UsageError(
      `--rate, --closed and --seconds need a scenario with load; ${scenario.name} has none`,
    );
  }
  return {
    load: {
      ...load,
      ...(secondsEach === undefined ? {} : { secondsEach }),
      ...(rates === undefined ? {} : { mode: 'open', rates }),
      ...(closed === undefined ? {} : { mode: 'closed', inFlight: closed }),
    },
  };
}

function refuseImpossible(scenario: Scenario, loaded: LoadedScenario, flags: RunFlags): void {
  const { transport, runtime, electionTimeout, heartbeat, load, protocols } = scenario;
  const { file, placeOf } = loaded;
  if (transport === 'message-port' && runtime === 'process') {
    const where = flags.transport ?? flags.runtime;
    const place = where === undefined ? placeOf(['transport']) : '--transport';
    throw new UsageError(
      `${place}: message-port joins worker threads and needs runtime worker; ` +
        'allowed with runtime process: grpc, tcp',
    );
  }
  if (runtime === 'sim' && flags.transport !== undefined && flags.transport !== 'tcp') {
    throw new UsageError(
      `--transport ${flags.transport}: runtime sim joins replicas and clients by tcp frames over ` +
        'simulated streams, whatever the scenario says; allowed: tcp',
    );
  }
  refuseVariants(scenario, loaded);
  const [min, max] = electionTimeout;
  if (max < min + 1 || min <= heartbeat) {
    throw new UsageError(
      `${placeOf(['electionTimeout'])}: electionTimeout: the minimum is above the heartbeat ` +
        `(${heartbeat}ms), and the maximum at least 1ms above the minimum`,
    );
  }
  if (load === undefined && scenario.faults.length === 0) {
    throw new UsageError(`${file}: a scenario has load, faults or both; this one has neither`);
  }
  if (load === undefined && protocols.includes('none')) {
    const place = flags.protocol === undefined ? placeOf(['protocols']) : '--protocol none';
    throw new UsageError(
      `${place}: the baseline is not replicated and has nothing to fail over to; it needs a ` +
        `scenario with load, and ${scenario.name} has faults alone`,
    );
  }
}

function refuseVariants({ variants }: Scenario, { placeOf }: LoadedScenario): void {
  for (const [name, overrides] of Object.entries(variants)) {
    try {
      resolveVariants(protocolNamed(name)?.variants ?? {}, overrides);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new UsageError(`${placeOf(['variants', name])}: variants.${name}: ${error.message}`);
    }
  }
}

function scheduleOf(scenario: Scenario, { placeOf }: LoadedScenario): RunPlan['faults'] {
  try {
    const entries = parseFaultSchedule(scenario.faults);
    checkSchedule(entries, { runtime: scenario.runtime, nodes: scenario.nodes });
    return entries;
  } catch (error) {
    if (!(error instanceof FaultScheduleError)) throw error;
    const path = ['faults', ...error.path];
    throw new UsageError(`${placeOf(path)}: ${path.join('.')}: ${error.problem}`);
  }
}

function slosOf(scenario: Scenario, loaded: LoadedScenario, flags: RunFlags): RunPlan['slos'] {
  return scenario.slo.map((expression, place) => {
    try {
      return parseSlo(expression);
    } catch (error) {
      if (!(error instanceof SloError)) throw error;
      const where =
        flags.slo === undefined ? `${loaded.placeOf(['slo', place])}: slo.${place}` : '--slo';
      throw new UsageError(`${where}: ${error.message}`);
    }
  });
}

function writableFolder(out: string): string {
  const folder = resolve(out);
  try {
    makeFolder(folder);
    if (!statSync(folder).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
    accessSync(folder, constants.W_OK | constants.X_OK);
    return folder;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new UsageError(`--out ${out}: cannot be written (${code}); name another folder`);
  }
}

/**
 * Makes a folder and those above it. Node 20's own recursive mkdir turns for ever where an existing
 * folder answers ENOENT, as those of /proc do.
 */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder);
}
