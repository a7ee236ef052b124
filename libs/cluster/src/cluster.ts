import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PortBroker } from '@quorate/transport';
import type {
  LinkEvidence,
  LinkFaultRequest,
  MemberAddresses,
  ReplicaGauges,
  ReplicaStatusReply,
} from './control-protocol.ts';
import { monotonicMicros } from './control-protocol.ts';
import type { ClusterDescription, Evidence, LaunchOptions } from './description.ts';
import { ClusterError } from './errors.ts';
import { Reaper } from './reaper.ts';
import type { ReplicaHandle } from './replica-handle.ts';
import { startReplicaProcess } from './replica-process.ts';
import { startReplicaWorker, workerBroker } from './replica-worker.ts';

/** A status picture is asked of each replica again after this pause while a role is awaited. */
const STATUS_POLL_MS = 5;
/** A paused or dying replica must not hold up the picture of the others. */
const STATUS_TIMEOUT_MS = 1_000;

/**
 * A running cluster: n replicas from one description, as processes or worker threads, behind the
 * same operations. Every operation that breaks something resolves with evidence that it happened.
 */
export class Cluster {
  readonly description: ClusterDescription;
  private readonly reaper: Reaper;
  private readonly ownsReaper: boolean;
  private readonly broker: PortBroker | null;
  private readonly replicas = new Map<number, ReplicaHandle>();
  private readonly addresses = new Map<number, MemberAddresses>();
  /** Replicas that cannot answer now; pictures of the cluster do not wait for them. */
  private readonly paused = new Set<number>();
  private readonly clusterFile: string;
  private stopped = false;

  private constructor(description: ClusterDescription, reaper: Reaper | null) {
    this.description = description;
    this.reaper = reaper ?? new Reaper();
    this.ownsReaper = reaper === null;
    this.broker = description.runtime === 'worker' ? workerBroker() : null;
    this.clusterFile = join(description.directory, 'cluster.yaml');
  }

  /**
   * Starts all replicas with new data directories and tells each where the others listen. When one
   * of them fails to start, the others are stopped before this rejects. A `reaper` given by the
   * caller lives on after `stop`; without one the cluster brings its own.
   */
  static async start(description: ClusterDescription, reaper?: Reaper): Promise<Cluster> {
    const cluster = new Cluster(description, reaper ?? null);
    mkdirSync(description.directory, { recursive: true });
    writeFileSync(cluster.clusterFile, clusterFileText(description));
    const started = await Promise.allSettled(
      description.nodeIds.map((id) => cluster.launch(id, 'new')),
    );
    const failed = started.find((result) => result.status === 'rejected');
    if (failed?.status === 'rejected') {
      await cluster.stop();
      throw failed.reason;
    }
    await cluster.announce();
    return cluster;
  }

  /** The ids of the replicas that run now, sorted. */
  get running(): number[] {
    const ids = [...this.replicas.values()].filter((r) => r.isAlive).map((r) => r.id);
    return ids.sort((a, b) => a - b);
  }

  /** Where each replica listens or listened last, sorted by id. */
  get members(): MemberAddresses[] {
    return [...this.addresses.values()].sort((a, b) => a.id - b.id);
  }

  /** The process id (of the thread's process in the worker runtime) of a replica. */
  pid(id: number): number {
    return this.replica(id).ready.pid;
  }

  /** Ends a replica without grace. */
  kill(id: number): Promise<Evidence> {
    return this.replica(id).kill();
  }

  /** Starts a killed replica again over its data directory and tells everybody its addresses. */
  async restart(id: number): Promise<Evidence> {
    if (this.replicas.get(id)?.isAlive) {
      throw new ClusterError('CLUSTER_ERR_STATE', `replica ${id} is still running`);
    }
    await this.launch(id, 'existing');
    await this.announce();
    const detail = `replica ${id} is ready again, process ${this.pid(id)}`;
    return { method: 'ready-line', detail, atMicros: monotonicMicros() };
  }

  /** Stops a replica from making any step, at most for `micros` in the worker runtime. */
  async pause(id: number, micros: number): Promise<Evidence> {
    const evidence = await this.replica(id).pause(micros);
    this.paused.add(id);
    return evidence;
  }

  /** Ends a pause; until then the replica is left out of {@link statuses}. */
  async resume(id: number): Promise<Evidence> {
    const evidence = await this.replica(id).resume();
    this.paused.delete(id);
    return evidence;
  }

  /** Installs a fault on the link from one replica to another, at the first; null heals it. */
  async setLinkFault(from: number, to: number, fault: LinkFaultRequest | null): Promise<void> {
    await this.replica(from).link.request({ op: 'link', peer: to, fault });
  }

  /** The link counters of one replica. */
  links(id: number): Promise<LinkEvidence[]> {
    return this.replica(id).link.request<LinkEvidence[]>({ op: 'links' });
  }

  /** Cost and health of one replica. */
  gauges(id: number): Promise<ReplicaGauges> {
    return this.replica(id).link.request<ReplicaGauges>({ op: 'gauges' });
  }

  /** What each replica that is not paused and answers within a second says, sorted by id. */
  async statuses(): Promise<ReplicaStatusReply[]> {
    const awake = this.running.filter((id) => !this.paused.has(id));
    const asked = awake.map((id) =>
      this.replica(id).link.request<ReplicaStatusReply>({ op: 'status' }, STATUS_TIMEOUT_MS),
    );
    const answers = await Promise.allSettled(asked);
    const seen: ReplicaStatusReply[] = [];
    for (const answer of answers) if (answer.status === 'fulfilled') seen.push(answer.value);
    return seen;
  }

  /** The serving leader of the highest round, or null while there is none. */
  async leader(): Promise<ReplicaStatusReply | null> {
    let best: ReplicaStatusReply | null = null;
    for (const one of await this.statuses()) {
      const leads = one.role === 'leader' && one.serving;
      if (leads && (best === null || one.round > best.round)) best = one;
    }
    return best;
  }

  /** Waits for a serving leader; rejects when there is none within `limitMs`. */
  async awaitLeader(limitMs: number): Promise<ReplicaStatusReply> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      const leader = await this.leader();
      if (leader !== null) return leader;
      if (performance.now() > deadline) {
        throw new ClusterError('CLUSTER_ERR_STATE', `no leader within ${limitMs} ms`);
      }
      await new Promise((resolve) => setTimeout(resolve, STATUS_POLL_MS));
    }
  }

  /** Stops every replica with grace; nothing of the cluster runs afterwards. Idempotent. */
  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    await Promise.allSettled([...this.replicas.values()].map((replica) => replica.stop()));
    this.broker?.stop();
    if (this.ownsReaper) await this.reaper.close();
  }

  private replica(id: number): ReplicaHandle {
    const replica = this.replicas.get(id);
    if (replica === undefined) {
      const known = [...this.replicas.keys()].join(', ');
      throw new ClusterError('CLUSTER_ERR_STATE', `there is no replica ${id}, only ${known}`);
    }
    return replica;
  }

  private async launch(id: number, bootstrap: 'new' | 'existing'): Promise<void> {
    const launch: LaunchOptions = {
      id,
      bootstrap,
      dataDirectory: join(this.description.directory, `node-${id}`),
      clusterFile: this.clusterFile,
      addresses: this.addresses.get(id) ?? null,
    };
    const handle =
      this.broker === null
        ? await startReplicaProcess(this.description, launch, this.reaper)
        : await startReplicaWorker(this.description, launch, this.broker);
    this.replicas.set(id, handle);
    this.paused.delete(id);
    const { http, peer, client } = handle.ready;
    this.addresses.set(id, { id, http, peer, client });
  }

  /** Tells every running replica where all members listen. */
  private async announce(): Promise<void> {
    const members = this.members;
    const told = this.running.map((id) => this.replica(id).link.request({ op: 'peers', members }));
    // A replica that is paused or dying learns it when it is restarted or resumed.
    await Promise.allSettled(told);
  }
}

/** The cluster file: JSON, which is YAML too. Ports are 0: each replica takes free ones. */
function clusterFileText(description: ClusterDescription): string {
  const { protocol: _, ...settings } = description.settings;
  const members = [...description.nodeIds]
    .sort((a, b) => a - b)
    .map((id) => ({ id, http: '127.0.0.1:0', peer: '127.0.0.1:0', client: '127.0.0.1:0' }));
  return `${JSON.stringify({ clusterId: description.clusterId, members, ...settings }, null, 2)}\n`;
}
