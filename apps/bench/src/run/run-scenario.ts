import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { monotonicMicros, Reaper } from '@quorate/cluster';
import { createRandom } from '@quorate/foundation';
import type { Run } from '@quorate/report';
import { runSimBlock } from '../sim/sim-block.ts';
import type { Progress } from '../terminal/progress.ts';
import type { JudgedBlock } from './assemble-protocol.ts';
import { type AssembledRun, assembleRun } from './assemble-run.ts';
import { type BlockInput, type BlockResult, runBlock, shuffled } from './block.ts';
import { describeEnvironment, shortCommit } from './environment.ts';
import { judgeBlock } from './judge-block.ts';
import type { RunPlan } from './plan.ts';
import { estimateBlockMs, timeLeftMs } from './time-left.ts';
import { voidReasonOf } from './void-reason.ts';

/** A finished run and where it lies. */
export interface FinishedRun extends AssembledRun {
  readonly folder: string;
}

/** How often a void block is tried again before the run is undecided. */
const VOID_REPEATS_MAX = 2;

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
  /** Virtual time of all blocks so far; each begins its own clock at 0. */
  private simulatedMicros = 0;
  private voidRepeats = 0;
  private interruption: Interruption | null = null;
  private readonly abort = new AbortController();
  /** How long blocks took, against what was expected of them. */
  private readonly finished: { expectedMs: number; tookMs: number }[] = [];

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
    this.abort.abort(new Error(interruption.message));
  }

  /** Runs everything. Rejects only on a defect of this program; the folder is removed then. */
  async run(): Promise<FinishedRun> {
    for (const part of ['data', 'histories', 'histograms', 'charts', 'logs']) {
      mkdirSync(join(this.folder, part), { recursive: true });
    }
    this.reaper.watchFolder(this.folder);
    try {
      const data = this.isSimulated ? null : join(this.folder, 'data');
      const environment = describeEnvironment(data);
      await this.runBlocks();
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
  private async runBlocks(): Promise<void> {
    const { scenario } = this.plan;
    const places: { readonly protocol: string; readonly index: number }[] = [];
    for (let index = 0; index < scenario.blocks; index++) {
      const random = createRandom(`${scenario.seed}/order/${index}`);
      for (const protocol of shuffled(scenario.protocols, random)) places.push({ protocol, index });
    }
    for (const [order, { protocol, index }] of places.entries()) {
      const title = `${protocol}${scenario.blocks > 1 ? ` block ${index + 1}` : ''}`;
      this.progress.block(title, order + 1, places.length);
      try {
        await this.runCounted({ protocol, index, order }, places.slice(order));
      } catch (error) {
        if (this.interruption === null) throw error;
        return;
      }
    }
  }

  /** Runs a block, again while it is void, at most twice. */
  private async runCounted(
    where: { readonly protocol: string; readonly index: number; readonly order: number },
    remaining: readonly { readonly protocol: string }[],
  ): Promise<void> {
    const { plan, progress } = this;
    const expectedMs = estimateBlockMs(plan, where.protocol);
    const allMs = remaining.reduce((sum, one) => sum + estimateBlockMs(plan, one.protocol), 0);
    for (let attempt = 0; ; attempt++) {
      progress.expect(timeLeftMs(this.finished, allMs));
      const startMicros = monotonicMicros();
      const block = await this.runOne({
        ...{ plan, ...where, attempt, runOriginMicros: this.originMicros },
        ...{ folder: this.folder, reaper: this.reaper, progress, signal: this.abort.signal },
      });
      progress.phase('checking the history', 0);
      const verdict = judgeBlock(block, this.folder, plan.scenario.blocks);
      const voidReason = voidReasonOf(block);
      this.blocks.push({ block, verdict, voidReason });
      this.finished.push({ expectedMs, tookMs: (monotonicMicros() - startMicros) / 1000 });
      if (voidReason === null) return;
      const isLast = attempt === VOID_REPEATS_MAX || verdict.linearizable === false;
      progress.line(`void: ${voidReason}${isLast ? '' : '; running it again'}`);
      if (isLast) return;
      this.voidRepeats++;
    }
  }

  /** A process's clock began long before the run, a simulated one begins with its block. */
  private async runOne(input: BlockInput): Promise<BlockResult> {
    if (!this.isSimulated) return runBlock(input);
    const block = await runSimBlock({ ...input, runOriginMicros: -this.simulatedMicros });
    this.simulatedMicros += Math.round(block.durationMs * 1000);
    return block;
  }

  private get isSimulated(): boolean {
    return this.plan.scenario.runtime === 'sim';
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
      durationMs: this.isSimulated
        ? this.simulatedMicros / 1000
        : (monotonicMicros() - this.originMicros) / 1000,
      voidRepeats: this.voidRepeats,
      interruption: this.interruption,
    });
  }
}
