import { type Client, connectClient } from '@quorate/client';
import { createRandom } from '@quorate/foundation';
import { type KeyDistribution, planOpenLoop, type WorkloadOptions } from '@quorate/workload';
import { type PhaseRecord, summarize, writeFigures } from './figures.ts';
import { writeHistory } from './history-file.ts';
import { type LoopResult, readBackKeys, runClosedLoop, runOpenLoop } from './load-loops.ts';
import type { LoaderWorld } from './loader-world.ts';
import type {
  LoaderAnswer,
  LoaderCommand,
  LoaderReport,
  LoaderSettings,
  PhasePlan,
  PhaseSummary,
} from './messages.ts';
import { OperationLog } from './operation-log.ts';
import { OperationRunner } from './operation-runner.ts';

const PROGRESS_MS = 250;
const READ_BACK_IN_FLIGHT = 64;
const HOT_KEYS_SHARE = 0.1;
/** The phase of the reads at the end, the last one of each history. */
const READ_BACK = 'read-back';

/** The load generator: phases on request, everything recorded, files at the end. */
export class Loader {
  private readonly answer: (message: LoaderAnswer) => void;
  private readonly world: LoaderWorld;
  private readonly log = new OperationLog();
  private readonly phases: PhaseRecord[] = [];
  private settings: LoaderSettings | null = null;
  private clients: Client[] = [];
  private readers: Client[] = [];
  private runner: OperationRunner | null = null;
  private nextWriteNumber = 0;
  private readBackRevisions: Float64Array | null = null;

  constructor(answer: (message: LoaderAnswer) => void, world: LoaderWorld) {
    this.answer = answer;
    this.world = world;
  }

  /** Carries one command out and answers when it is done. Rejects on a defect. */
  async perform(command: LoaderCommand): Promise<void> {
    switch (command.op) {
      case 'open':
        this.open(command.settings);
        this.answer({ done: 'open' });
        return;
      case 'phase':
        this.answer({ done: 'phase', summary: await this.phase(command.plan) });
        return;
      case 'readBack':
        await this.readBack();
        return;
      case 'finish':
        this.answer({ done: 'finish', report: await this.finish(command) });
        return;
      default:
        throw new Error(`unknown command ${JSON.stringify(command)}`);
    }
  }

  private open(settings: LoaderSettings): void {
    this.settings = settings;
    const edges = this.world.edges(settings.clientTransport);
    const connect = (name: string, addresses: readonly string[]): Client =>
      connectClient({
        ...edges,
        addresses,
        random: createRandom(`${settings.seed}/${name}`),
        timeoutMicros: settings.timeoutMs * 1000,
      });
    this.clients = Array.from({ length: settings.clients }, (_, number) =>
      connect(`client/${number}`, settings.addresses),
    );
    this.readers =
      settings.readers === 'shared'
        ? []
        : settings.addresses.map((address, place) => connect(`reader/${place}`, [address]));
    const now = (): number => this.world.now();
    this.runner = new OperationRunner(settings, this.clients, this.log, now, this.readers);
  }

  private async phase(plan: PhasePlan): Promise<PhaseSummary> {
    const { runner, number } = this.beginPhase();
    const firstOperation = this.log.operations;
    const progress = setInterval(() => {
      const completed = this.log.operations - firstOperation - runner.inFlight;
      this.answer({ progress: { phase: plan.name, completed, inFlight: runner.inFlight } });
    }, PROGRESS_MS);
    const cpuBefore = this.cpuMicros();
    try {
      const loop = await this.runLoop(plan, runner, number);
      const cpuAfter = this.cpuMicros();
      const record: PhaseRecord = {
        name: plan.name,
        measured: plan.measured,
        firstOperation,
        lastOperation: this.log.operations,
        loop,
        offeredPerSecond: plan.load.mode === 'open' ? plan.load.ratePerSecond : null,
        durationMs: plan.durationMs,
        cpuMicros: cpuBefore === null || cpuAfter === null ? null : cpuAfter - cpuBefore,
        errors: Object.fromEntries(runner.errors),
      };
      this.phases.push(record);
      return summarize(this.log, record);
    } finally {
      clearInterval(progress);
    }
  }

  private async runLoop(
    plan: PhasePlan,
    runner: OperationRunner,
    number: number,
  ): Promise<LoopResult> {
    const { load } = plan;
    const clients = load.mode === 'closed' ? load.inFlight : this.clients.length;
    const options = this.workload(plan, clients);
    if (load.mode === 'closed') {
      const loop = await runClosedLoop(runner, this.world, options, plan.durationMs, number);
      this.nextWriteNumber = loop.nextWriteNumber;
      return loop;
    }
    const durationMicros = plan.durationMs * 1000;
    const { arrival, ratePerSecond } = load;
    const drawn = planOpenLoop({ ...options, arrival, ratePerSecond, durationMicros });
    this.nextWriteNumber = drawn.nextWriteNumber;
    return runOpenLoop(runner, this.world, drawn, number);
  }

  /** CPU time since the start, user and system; null on virtual time. */
  private cpuMicros(): number | null {
    const cpu = this.world.health?.cpuMicros();
    return cpu === undefined ? null : cpu.user + cpu.system;
  }

  private workload(plan: PhasePlan, clients: number): WorkloadOptions {
    const { settings } = this;
    if (settings === null) throw new Error('the loader is not open');
    return {
      seed: `${settings.seed}/${plan.name}`,
      mix: plan.mix,
      keyCount: settings.keys,
      keyDistribution: distributionOf(settings),
      clients,
      firstWriteNumber: this.nextWriteNumber,
    };
  }

  private beginPhase(): { runner: OperationRunner; number: number } {
    if (this.runner === null) throw new Error('the loader is not open');
    this.runner.errors.clear();
    return { runner: this.runner, number: this.phases.length };
  }

  /** Reads every key linearizably; the reads end the history of their keys. */
  private async readBack(): Promise<void> {
    const { runner, number } = this.beginPhase();
    const keys = this.settings?.keys ?? 0;
    runner.readsPinned = false; // What was acknowledged is asked where it was acknowledged.
    this.readBackRevisions = await readBackKeys(runner, keys, number, READ_BACK_IN_FLIGHT);
    const unread = this.readBackRevisions.reduce((sum, found) => sum + (found < 0 ? 1 : 0), 0);
    this.answer({ done: 'readBack', keys, unread });
  }

  private async finish(
    command: Extract<LoaderCommand, { readonly op: 'finish' }>,
  ): Promise<LoaderReport> {
    const { runner } = this.beginPhase();
    const { health } = this.world;
    const eventLoopDelayP99Ms = health?.eventLoopDelayP99Ms() ?? null;
    const gcMaxMs = health?.gcMaxMs() ?? null; // What follows is no load any more.
    const sampleEvery = Math.max(1, Math.ceil(this.log.operations / command.historyOpsMax));
    const { historyFile, originMicros } = command;
    const historyOperations = await writeHistory(
      this.log,
      historyFile,
      originMicros,
      [...this.phases.map((phase) => phase.name), READ_BACK],
      (key) => key % sampleEvery === 0,
    );
    const { protocol, block, figuresFile } = command;
    writeFigures(this.log, this.phases, figuresFile, { protocol, block, originMicros });
    for (const client of [...this.clients, ...this.readers]) client.close();
    await this.world.close();
    return {
      pid: health?.pid ?? null,
      eventLoopDelayP99Ms,
      gcMaxMs,
      operations: this.log.operations,
      historyOperations,
      sampleEvery,
      ...this.unsampled(runner, sampleEvery),
    };
  }

  /** Keys outside the history: did the read-back reach the last acknowledged revision? */
  private unsampled(
    runner: OperationRunner,
    sampleEvery: number,
  ): Pick<LoaderReport, 'unsampledLost' | 'unsampledAcked'> {
    let unsampledLost = 0;
    let unsampledAcked = 0;
    for (let key = 0; key < (this.settings?.keys ?? 0); key++) {
      const acknowledged = runner.acknowledgedRevision(key);
      const found = this.readBackRevisions?.[key] ?? -1;
      if (key % sampleEvery === 0 || acknowledged === 0) continue;
      unsampledAcked++;
      if (found >= 0 && found < acknowledged) unsampledLost++;
    }
    return { unsampledLost, unsampledAcked };
  }
}

function distributionOf(settings: LoaderSettings): KeyDistribution {
  const { keyDistribution: kind, keys } = settings;
  if (kind === 'zipf') return { kind, exponent: 0.99 };
  if (kind === 'hot') {
    return { kind, hotKeys: Math.max(1, Math.round(keys * HOT_KEYS_SHARE)), hotShare: 0.9 };
  }
  return { kind };
}
