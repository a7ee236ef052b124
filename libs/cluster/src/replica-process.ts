import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { ControlLink } from './control-link.ts';
import { monotonicMicros, type ReadyLine, type ReplicaLine } from './control-protocol.ts';
import {
  type ClusterDescription,
  type Evidence,
  type LaunchOptions,
  START_TIMEOUT_MS,
} from './description.ts';
import { ClusterError } from './errors.ts';
import { processState, waitForState } from './process-state.ts';
import type { Reaper } from './reaper.ts';
import type { ReplicaHandle } from './replica-handle.ts';

const STATE_LIMIT_MS = 5_000;
const GRACE_MS = 5_000;
const LOG_TAIL_CHARACTERS = 600;

/** Starts one replica as a process and waits for its ready line. */
export async function startReplicaProcess(
  description: ClusterDescription,
  launch: LaunchOptions,
  reaper: Reaper,
): Promise<ReplicaHandle> {
  const logFile = `${launch.dataDirectory}.log`;
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, argumentsOf(description, launch), {
    stdio: ['pipe', 'pipe', log],
    detached: true, // Ctrl-C must reach the harness alone, which then stops its replicas in order.
  });
  closeSync(log);
  if (child.pid !== undefined) reaper.watch(child.pid);
  const handle = new ReplicaProcess(launch.id, child, description, reaper);
  try {
    await handle.whenReady(description.startTimeoutMs ?? START_TIMEOUT_MS);
  } catch (error) {
    await handle.destroy();
    throw withLogTail(error as ClusterError, logFile);
  }
  return handle;
}

function argumentsOf(description: ClusterDescription, launch: LaunchOptions): string[] {
  const { addresses } = launch;
  return [
    description.entries.process,
    ...['--id', String(launch.id)],
    ...['--protocol', description.settings.protocol],
    ...['--cluster', launch.clusterFile],
    ...['--data-dir', launch.dataDirectory],
    ...['--bootstrap', launch.bootstrap],
    ...['--control', 'stdio'],
    '--exit-with-parent',
    // A restarted replica takes its old ports again, so that clients need not be told.
    ...(addresses === null ? [] : ['--listen', addresses.http, '--peer-listen', addresses.peer]),
    ...(addresses === null ? [] : ['--client-listen', addresses.client]),
  ];
}

function withLogTail(error: ClusterError, logFile: string): ClusterError {
  let tail = '';
  try {
    tail = readFileSync(logFile, 'utf8').slice(-LOG_TAIL_CHARACTERS).trim();
  } catch {
    // No log was written; the error stands alone.
  }
  return tail === '' ? error : new ClusterError(error.code, `${error.message}\n${tail}`);
}

class ReplicaProcess implements ReplicaHandle {
  readonly id: number;
  readonly link: ControlLink;
  private readonly child: ChildProcess;
  private readonly exited: Promise<{ code: number | null; signal: string | null; at: number }>;
  private readyLine: ReadyLine | null = null;
  private readonly onReady: { resolve?: () => void; reject?: (error: Error) => void } = {};
  private expected = false;
  private alive = true;
  private fatal = '';

  constructor(id: number, child: ChildProcess, description: ClusterDescription, reaper: Reaper) {
    this.id = id;
    this.child = child;
    this.link = new ControlLink((line) => child.stdin?.write(`${JSON.stringify(line)}\n`), {
      ready: (line) => {
        this.readyLine = line;
        this.onReady.resolve?.();
      },
      event: (line) => description.onEvent?.(id, line),
      fatal: (code, message) => {
        this.fatal = `${code}: ${message}`;
      },
    });
    child.stdin?.on('error', () => undefined); // The exit tells the same, and more.
    if (child.stdout) {
      const lines = createInterface({ input: child.stdout });
      lines.on('line', (line) => this.link.received(JSON.parse(line) as ReplicaLine));
    }
    this.exited = new Promise((resolve) => {
      child.once('error', () => resolve({ code: 70, signal: null, at: monotonicMicros() }));
      child.once('exit', (code, signal) => resolve({ code, signal, at: monotonicMicros() }));
    });
    void this.exited.then(({ code, signal }) => {
      this.alive = false;
      if (child.pid !== undefined) reaper.forget(child.pid);
      const how = signal === null ? `exited with ${code}` : `ended by ${signal}`;
      const reason = this.fatal === '' ? how : `${how} (${this.fatal})`;
      this.link.end(`replica ${id} ${reason}`);
      this.onReady.reject?.(new ClusterError('CLUSTER_ERR_START', `replica ${id} ${reason}`));
      if (!this.expected && this.readyLine !== null) description.onUnexpectedExit?.(id, reason);
    });
  }

  get isAlive(): boolean {
    return this.alive;
  }

  get ready(): ReadyLine {
    if (this.readyLine === null) throw new ClusterError('CLUSTER_ERR_STATE', 'not ready yet');
    return this.readyLine;
  }

  whenReady(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const message = `replica ${this.id} is not ready after ${timeoutMs} ms`;
        reject(new ClusterError('CLUSTER_ERR_START', message));
      }, timeoutMs);
      this.onReady.resolve = () => {
        clearTimeout(timer);
        resolve();
      };
      this.onReady.reject = (error) => {
        clearTimeout(timer);
        reject(error);
      };
    });
  }

  async kill(): Promise<Evidence> {
    this.expected = true;
    this.child.kill('SIGKILL');
    const { signal, code, at } = await this.exited;
    if (signal !== 'SIGKILL') {
      const how = signal ?? `exit code ${code}`;
      throw new ClusterError('CLUSTER_ERR_EVIDENCE', `replica ${this.id} ended by ${how}`);
    }
    const detail = `process ${this.child.pid} ended by SIGKILL`;
    return { method: 'exit-signal', detail, atMicros: at };
  }

  async pause(): Promise<Evidence> {
    const pid = this.pid();
    process.kill(pid, 'SIGSTOP');
    await waitForState(pid, (letter) => letter === 'T', STATE_LIMIT_MS);
    const detail = `process ${pid} is in state T`;
    return { method: 'proc-state', detail, atMicros: monotonicMicros() };
  }

  async resume(): Promise<Evidence> {
    const pid = this.pid();
    process.kill(pid, 'SIGCONT');
    const letter = await waitForState(pid, (state) => state !== 'T', STATE_LIMIT_MS);
    const detail = `process ${pid} is in state ${letter}`;
    return { method: 'proc-state', detail, atMicros: monotonicMicros() };
  }

  async stop(): Promise<void> {
    if (!this.alive) return;
    this.expected = true;
    const pid = this.pid();
    if (processState(pid)?.letter === 'T') process.kill(pid, 'SIGCONT');
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), GRACE_MS);
    await this.exited;
    clearTimeout(timer);
  }

  /** Ends it however it stands and waits until it is gone. */
  async destroy(): Promise<void> {
    this.expected = true;
    this.child.kill('SIGKILL');
    await this.exited;
  }

  private pid(): number {
    if (!this.alive || this.child.pid === undefined) {
      throw new ClusterError('CLUSTER_ERR_STATE', `replica ${this.id} is not running`);
    }
    return this.child.pid;
  }
}
