import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { createPortBroker, type PortBroker } from '@quorate/transport';
import { Piscina } from 'piscina';
import { ControlLink } from './control-link.ts';
import { monotonicMicros, type ReadyLine, type ReplicaLine } from './control-protocol.ts';
import {
  type ClusterDescription,
  type Evidence,
  type LaunchOptions,
  START_TIMEOUT_MS,
} from './description.ts';
import { ClusterError } from './errors.ts';
import type { ReplicaHandle } from './replica-handle.ts';

/** What a replica's thread is started with: the one task of its pool, ending with the thread. */
export interface WorkerTask {
  readonly launch: LaunchOptions;
  readonly protocol: string;
  /** Carries the control protocol, one object a message. */
  readonly control: MessagePort;
  /** The thread's port to the broker of `message-port` sessions. */
  readonly broker: MessagePort;
  /**
   * One cell: 1 while the thread's event loop is blocked by a pause. The thread waits on it, so the
   * parent ends a pause by writing 0 and notifying, and sees from outside that it took effect.
   */
  readonly pauseCell: SharedArrayBuffer;
}

const PAUSE_LIMIT_MS = 5_000;
const GRACE_MS = 5_000;
const POLL_MS = 1;

/** Starts one replica as a worker thread, the only long-lived task of a pool of its own. */
export async function startReplicaWorker(
  description: ClusterDescription,
  launch: LaunchOptions,
  broker: PortBroker,
): Promise<ReplicaHandle> {
  const handle = new ReplicaWorker(description, launch, broker);
  try {
    await handle.whenReady(description.startTimeoutMs ?? START_TIMEOUT_MS);
  } catch (error) {
    await handle.destroy();
    throw error;
  }
  return handle;
}

/** The broker that joins the threads of one cluster. */
export function workerBroker(): PortBroker {
  return createPortBroker();
}

class ReplicaWorker implements ReplicaHandle {
  readonly id: number;
  readonly link: ControlLink;
  private readonly pool: Piscina;
  private readonly exited: Promise<number>;
  private readonly pauseCell = new Int32Array(new SharedArrayBuffer(4));
  private readonly started: Promise<void>;
  private readyLine: ReadyLine | null = null;
  private fatal = '';
  private expected = false;
  private alive = true;

  constructor(description: ClusterDescription, launch: LaunchOptions, broker: PortBroker) {
    this.id = launch.id;
    // A pool of exactly one thread, never idle and never replaced: its task is the replica's life.
    this.pool = new Piscina({
      filename: description.entries.worker,
      minThreads: 1,
      maxThreads: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      atomics: 'disabled',
      // The entry is compiled; conditions under which the harness resolves imports are not its own.
      execArgv: [],
      recordTiming: false,
      // The thread's own libuv and event loop serve sockets and disk beside the task.
      concurrentTasksPerWorker: 1,
    });
    const thread = this.pool.threads[0];
    if (thread === undefined) throw new ClusterError('CLUSTER_ERR_START', 'no thread was started');
    this.exited = new Promise((resolve) => {
      thread.once('exit', () => resolve(monotonicMicros()));
    });
    const { port1: here, port2: there } = new MessageChannel();
    let announceReady: () => void = () => undefined;
    const ready = new Promise<void>((resolve) => {
      announceReady = resolve;
    });
    this.link = new ControlLink((line) => here.postMessage(line), {
      ready: (line) => {
        this.readyLine = line;
        announceReady();
      },
      event: (line) => description.onEvent?.(launch.id, line),
      fatal: (code, message) => {
        this.fatal = `${code}: ${message}`;
      },
    });
    here.on('message', (line: ReplicaLine) => this.link.received(line));
    const task: WorkerTask = {
      launch,
      protocol: description.settings.protocol,
      control: there,
      broker: broker.connect(),
      pauseCell: this.pauseCell.buffer as SharedArrayBuffer,
    };
    const life = this.pool.run(task, {
      name: 'runReplica',
      transferList: [task.control, task.broker],
    });
    this.started = Promise.race([ready, this.failure(life)]);
    this.started.catch(() => undefined);
    void this.exited.then(() => {
      this.alive = false;
      here.close();
      this.link.end(`replica ${launch.id} ended with its thread`);
      if (!this.expected && this.readyLine !== null) {
        description.onUnexpectedExit?.(launch.id, this.fatal || 'its thread ended');
      }
    });
    life.then(
      () => this.destroy(),
      () => this.destroy(),
    );
  }

  get isAlive(): boolean {
    return this.alive;
  }

  get ready(): ReadyLine {
    if (this.readyLine === null) throw new ClusterError('CLUSTER_ERR_STATE', 'not ready yet');
    return this.readyLine;
  }

  async whenReady(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const message = `replica ${this.id} is not ready after ${timeoutMs} ms`;
        reject(new ClusterError('CLUSTER_ERR_START', message));
      }, timeoutMs);
    });
    try {
      await Promise.race([this.started, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async kill(): Promise<Evidence> {
    this.expected = true;
    void this.pool.destroy();
    const atMicros = await this.exited;
    return { method: 'thread-exit', detail: `thread of replica ${this.id} terminated`, atMicros };
  }

  async pause(micros: number): Promise<Evidence> {
    await this.link.request({ op: 'block', micros });
    const deadline = performance.now() + PAUSE_LIMIT_MS;
    while (Atomics.load(this.pauseCell, 0) !== 1) {
      if (performance.now() > deadline) {
        throw new ClusterError('CLUSTER_ERR_EVIDENCE', `replica ${this.id} did not block`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    const detail = `event loop of replica ${this.id} is blocked`;
    return { method: 'event-loop', detail, atMicros: monotonicMicros() };
  }

  async resume(): Promise<Evidence> {
    Atomics.store(this.pauseCell, 0, 0);
    Atomics.notify(this.pauseCell, 0);
    await this.link.request({ op: 'status' });
    const detail = `event loop of replica ${this.id} answers again`;
    return { method: 'event-loop', detail, atMicros: monotonicMicros() };
  }

  async stop(): Promise<void> {
    if (!this.alive) return;
    this.expected = true;
    Atomics.store(this.pauseCell, 0, 0);
    Atomics.notify(this.pauseCell, 0);
    await this.link.request({ op: 'stop' }, GRACE_MS).catch(() => undefined);
    await this.destroy();
  }

  /** Ends the thread, however it stands, and waits until it is gone. */
  async destroy(): Promise<void> {
    await this.pool.destroy();
    await this.exited;
  }

  private async failure(life: Promise<unknown>): Promise<never> {
    const why = await life.then(
      () => this.fatal || 'its task ended',
      (error: unknown) => this.fatal || (error instanceof Error ? error.message : String(error)),
    );
    throw new ClusterError('CLUSTER_ERR_START', `replica ${this.id}: ${why}`);
  }
}
