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

/** What carries commands to a loader and its answers back. */
export interface LoaderChannel {
  /** `failed` is told when the command could not be handed over. */
  send(command: LoaderCommand, failed: (error: Error) => void): void;
  /** Ends the loader, whatever it does. */
  close(): Promise<void>;
}

/** Opens a channel; answers go to `answered`, and `ended` is told when no more can come. */
export type OpenLoaderChannel = (
  answered: (answer: LoaderAnswer) => void,
  ended: (error: Error) => void,
) => LoaderChannel;

/** A loader in a process of its own. */
export function loaderProcess(reaper: Reaper): OpenLoaderChannel {
  return (answered, ended) => {
    const script = fileURLToPath(new URL('../loader/loader-process.js', import.meta.url));
    // Ctrl-C is for the harness alone, which ends its children in order.
    const child = fork(script, { detached: true, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    if (child.pid !== undefined) reaper.watch(child.pid);
    child.on('message', answered);
    child.on('exit', (code, signal) => {
      if (child.pid !== undefined) reaper.forget(child.pid);
      ended(new Error(`the loader ended: ${signal ?? `exit code ${code}`}`));
    });
    return {
      send: (command, failed) => {
        child.send(command, (error) => {
          if (error !== null) failed(error);
        });
      },
      close: () => endProcess(child),
    };
  };
}

function endProcess(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}

/** The load generator as the harness drives it: one command at a time. */
export class LoaderHandle {
  private readonly channel: LoaderChannel;
  private waiting: {
    resolve: (answer: LoaderAnswer) => void;
    reject: (error: Error) => void;
  } | null = null;
  private progress: PhaseProgress | null = null;

  constructor(open: OpenLoaderChannel) {
    this.channel = open(
      (answer) => this.answered(answer),
      (error) => {
        this.waiting?.reject(error);
        this.waiting = null;
      },
    );
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

  /** Writes the files and ends the loader. */
  async finish(
    command: Omit<Extract<LoaderCommand, { op: 'finish' }>, 'op'>,
  ): Promise<LoaderReport> {
    const answer = await this.ask({ op: 'finish', ...command });
    await this.close();
    if ('done' in answer && answer.done === 'finish') return answer.report;
    throw new Error('the loader answered something else than a report');
  }

  /** Ends the loader, whatever it does. */
  close(): Promise<void> {
    return this.channel.close();
  }

  private ask(command: LoaderCommand): Promise<LoaderAnswer> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.channel.send(command, reject);
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
