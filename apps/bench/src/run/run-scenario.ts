import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { monotonicMicros, Reaper } from '@quorate/cluster';
import { createRandom } from '@quorate/foundation';
import type { Run } from '@quorate/report';
import { ExitCode } from '../errors.ts';
import type { Progress } from '../terminal/progress.ts';
import type { JudgedBlock } from './assemble-protocol.ts';
import { type AssembledRun, assembleRun } from './assemble-run.ts';
import { runBlock, shuffled } from './block.ts';
import { describeEnvironment, shortCommit } from './environment.ts';
import { judgeBlock } from './judge-block.ts';
import type { RunPlan } from './plan.ts';

/** A finished run and where it lies. */
export interface FinishedRun extends AssembledRun {
  readonly folder: string;
}

/** How often a void block is tried again before the run is undecided. */
const VOID_REPEATS_MAX = 2;
/** Above this share of late starts the generator was the limit, and the block is void. */
const MISSED_STARTS_SHARE_MAX = 0.01;

/** Why a run was ended from outside. */
export interface Interruption {
  readonly reason: 'signal' | 'deadline';
  readonly message: string;
}

/** Runs a plan to its folder. Writes under a temporary name and renames at the end. */
export class ScenarioRun {
  private readonly plan: RunPlan;
  private readonly progress: Progress;
  private readonly reaper = new Reaper();
  private readonly startedAt = new Date();
  private readonly originMicros = monotonicMicros();
  private readonly name: string;
  private readonly folder: string;
  private readonly blocks: JudgedBlock[] = [];
  private voidRepeats = 0;
  private interruption: Interruption | null = null;
  private interrupt: (error: Error) => void = () => undefined;

  constructor(plan: RunPlan, progress: Progress) {
    this.plan = plan;
    this.progress = progress;
    const stamp = this.startedAt.toISOString().slice(0, 19).replaceAll(':', '');
    this.name = `${stamp}-${plan.scenario.name}-${shortCommit()}`;
    this.folder = join(plan.outDirectory, `.running-${this.name}`);
  }

  /** Ends the run early; what is finished is kept, marked interrupted. */
  stop(interruption: Interruption): void {
    if (this.interruption !== null) return;
    this.interruption = interruption;
    this.interrupt(new Error(interruption.message));
  }

  /** Runs everything. Rejects only on a defect of this program; the folder is removed then. */
  async run(): Promise<FinishedRun> {
    for (const part of ['data', 'histories', 'histograms', 'charts', 'logs']) {
      mkdirSync(join(this.folder, part), { recursive: true });
    }
    this.reaper.watchFolder(join(this.folder, 'data'));
    try {
      const environment = describeEnvironment(join(this.folder, 'data'));
      const stopped = new Promise<never>((_, reject) => {
        this.interrupt = reject;
      });
      stopped.catch(() => undefined);
      await this.runBlocks(stopped);
      const assembled = await this.assemble(environment);
      rmSync(join(this.folder, 'data'), { recursive: true, force: true, maxRetries: 5 });
      const folder = join(this.plan.outDirectory, this.name);
      renameSync(this.folder, folder);
      return { ...assembled, folder };
    } catch (error) {
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
      throw error;
    } finally {
      await this.reaper.close();
    }
  }

  /** Blocks are interleaved: all protocols once, in seeded random order, then again. */
  private async runBlocks(stopped: Promise<never>): Promise<void> {
    const { scenario } = this.plan;
    const total = scenario.blocks * scenario.protocols.length;
    let order = 0;
    for (let index = 0; index < scenario.blocks; index++) {
      const random = createRandom(`${scenario.seed}/order/${index}`);
      for (const protocol of shuffled(scenario.protocols, random)) {
        this.expect(total - order);
        const title = `${protocol}${scenario.blocks > 1 ? ` block ${index + 1}` : ''}`;
        this.progress.block(title, order + 1, total);
        try {
          await this.runCounted({ protocol, index, order: order++ }, stopped);
        } catch (error) {
          if (this.interruption === null) throw error;
          return;
        }
      }
    }
  }

  private expect(blocksLeft: number): void {
    const spentMs = (monotonicMicros() - this.originMicros) / 1000;
    const done = this.blocks.length;
    const eachMs = done > 0 ? spentMs / done : estimateBlockMs(this.plan);
    this.progress.expect(eachMs * blocksLeft);
  }

  /** Runs a block, again while it is void, at most twice. */
  private async runCounted(
    where: { readonly protocol: string; readonly index: number; readonly order: number },
    stopped: Promise<never>,
  ): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const running = runBlock({
        ...{ plan: this.plan, ...where, attempt, runOriginMicros: this.originMicros },
        ...{ folder: this.folder, reaper: this.reaper, progress: this.progress },
      });
      running.catch(() => undefined);
      const block = await Promise.race([running, stopped]);
      this.progress.phase('checking the history', 0);
      const verdict = judgeBlock(block, this.folder, this.plan.scenario.blocks);
      const voidReason = reasonForVoid(block, this.plan);
      this.blocks.push({ block, verdict, voidReason });
      if (voidReason === null) return;
      this.progress.line(`void: ${voidReason}`);
      if (attempt === VOID_REPEATS_MAX || verdict.linearizable === false) return;
      this.voidRepeats++;
    }
  }

  private async assemble(environment: Run['environment']): Promise<AssembledRun> {
    const events = this.blocks.flatMap(({ block }) =>
      block.events.map((event) => ({ protocol: block.protocol, block: block.index, ...event })),
    );
    const text = events.map((event) => JSON.stringify(event)).join('\n');
    writeFileSync(join(this.folder, 'events.ndjson.gz'), gzipSync(text === '' ? '' : `${text}\n`));
    return assembleRun({
      plan: this.plan,
      blocks: this.blocks,
      environment,
      folder: this.folder,
      startedAt: this.startedAt,
      durationMs: (monotonicMicros() - this.originMicros) / 1000,
      voidRepeats: this.voidRepeats,
      interruption: this.interruption,
    });
  }
}

/** Why a block does not count, or null when it does. */
function reasonForVoid(block: JudgedBlock['block'], plan: RunPlan): string | null {
  const [exit] = block.unexpectedExits;
  if (exit !== undefined) return `${exit} without having been asked to`;
  if (plan.scenario.load?.mode === 'closed') return null;
  const measured = block.phases.filter((phase) => phase.measured);
  const starts = measured.reduce((total, phase) => total + phase.starts, 0);
  const missed = measured.reduce((total, phase) => total + phase.missedStarts, 0);
  if (starts === 0 || missed / starts <= MISSED_STARTS_SHARE_MAX) return null;
  const share = ((missed / starts) * 100).toFixed(1);
  return `the generator was the limit: ${share} % of ${starts} starts were late`;
}

/** A guess for the time left, before the first block has shown how long one takes. */
function estimateBlockMs({ scenario, faults }: RunPlan): number {
  const { load, probe } = scenario;
  const steps = load === undefined ? 0 : (load.rates ?? load.inFlight ?? [0]).length;
  const loadMs = steps * (load?.secondsEach ?? 0) * 1000;
  const faultMs = Math.max(
    0,
    ...faults.map((fault) => fault.atMs + fault.times * (fault.everyMs ?? 0) + probe.settle),
  );
  const OVERHEAD_MS = 5_000;
  return loadMs + faultMs + OVERHEAD_MS;
}

/** The exit code of an interruption by a person. */
export const INTERRUPTED_EXIT = ExitCode.interrupted;
