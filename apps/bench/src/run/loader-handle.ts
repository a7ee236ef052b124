import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Reaper } from '@quorate/cluster';
import type {
  LoaderAnswer,
  LoaderCommand,
  LoaderReport,
  LoaderSettings,
  PhasePlan,
  PhaseSummary,
} from '../loader/messages.ts';

/** What the harness shows while a phase runs. */
export type PhaseProgress = (progress: {
  readonly completed: number;
  readonly inFlight: number;
}) => void;

/** The load generator as the harness drives it: one command at a time. */
export class LoaderHandle {
  private readonly child: ChildProcess;
  private waiting: {
    resolve: (answer: LoaderAnswer) => void;
    reject: (error: Error) => void;
  } | null = null;
  private progress: PhaseProgress | null = null;

  constructor(reaper: Reaper) {
    const script = fileURLToPath(new URL('../loader/loader-process.js', import.meta.url));
    // Ctrl-C is for the harness alone, which ends its children in order.
    this.child = fork(script, { detached: true, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    if (this.child.pid !== undefined) reaper.watch(this.child.pid);
    this.child.on('message', (answer: LoaderAnswer) => this.answered(answer));
    this.child.on('exit', (code, signal) => {
      if (this.child.pid !== undefined) reaper.forget(this.child.pid);
      this.waiting?.reject(new Error(`the loader ended: ${signal ?? `exit code ${code}`}`));
      this.waiting = null;
    });
  }

  async open(settings: LoaderSettings): Promise<void> {
    await this.ask({ op: 'open', settings });
  }

  /** Runs one phase to its end, its last operation included. */
  async phase(plan: PhasePlan, progress: PhaseProgress | null): Promise<PhaseSummary> {
    this.progress = progress;
    const answer = await this.ask({ op: 'phase', plan });
    this.progress = null;
    if ('done' in answer && answer.done === 'phase') return answer.summary;
    throw new Error('the loader answered something else than a phase');
  }

  /** Reads every key back; returns how many could not be read. */
  async readBack(): Promise<{ readonly keys: number; readonly unread: number }> {
    const answer = await this.ask({ op: 'readBack' });
    if ('done' in answer && answer.done === 'readBack') return answer;
    throw new Error('the loader answered something else than a read-back');
  }

  /** Writes the files and ends the process. */
  async finish(
    command: Omit<Extract<LoaderCommand, { op: 'finish' }>, 'op'>,
  ): Promise<LoaderReport> {
    const answer = await this.ask({ op: 'finish', ...command });
    await this.close();
    if ('done' in answer && answer.done === 'finish') return answer.report;
    throw new Error('the loader answered something else than a report');
  }

  /** Ends the process, whatever it does. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.child.exitCode !== null || this.child.signalCode !== null) return resolve();
      this.child.once('exit', () => resolve());
      this.child.kill('SIGKILL');
    });
  }

  private ask(command: LoaderCommand): Promise<LoaderAnswer> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.child.send(command, (error) => {
        if (error !== null) reject(error);
      });
    });
  }

  private answered(answer: LoaderAnswer): void {
    if ('progress' in answer) {
      this.progress?.(answer.progress);
      return;
    }
    const { waiting } = this;
    this.waiting = null;
    if ('failed' in answer) waiting?.reject(new Error(`the loader failed: ${answer.failed}`));
    else waiting?.resolve(answer);
  }
}
