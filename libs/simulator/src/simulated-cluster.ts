import {
  type ConsensusEngine,
  type EngineStatus,
  type Instant,
  type LogIndex,
  type NodeId,
  nodeId,
  type ReadLevel,
  type RequestStatus,
  type Ticket,
} from '@quorate/consensus';
import type { Random } from '@quorate/foundation';
import { ClusterCore, type ToldEvent } from './engine-level/cluster-core.ts';
import type { DrivenNode } from './engine-level/driven-node.ts';
import type { EngineHost } from './engine-level/engine-host.ts';
import type { EventQueue } from './event-queue.ts';
import type { LinkMatrix } from './link-matrix.ts';
import type { ClientRequest, ClusterOptions } from './options.ts';

/**
 * A cluster of engines on virtual time: seeded, repeatable, with faults on demand. After every
 * event it checks the invariants of the safety net against an all-knowing ghost; a broken one
 * throws `SimulationFailure` with the seed and the last events. It knows no protocol: the engine is
 * injected.
 */
export class SimulatedCluster<M> {
  readonly ids: readonly NodeId[];
  readonly seed: number | string;
  readonly queue: EventQueue;
  readonly links: LinkMatrix;
  readonly random: Random;
  /** Every request ever made. */
  readonly requests: ClientRequest[] = [];
  private readonly core: ClusterCore<M>;
  private readonly crashRandom: Random;
  private tickets = 0;

  constructor(options: ClusterOptions<M>) {
    this.core = new ClusterCore(options);
    this.ids = this.core.ids;
    this.seed = this.core.seed;
    this.queue = this.core.queue;
    this.links = this.core.links;
    this.random = this.core.random;
    this.crashRandom = this.random.split('crash');
    this.core.start();
  }

  /** What the engines told, oldest first. */
  get events(): readonly ToldEvent[] {
    return this.core.events;
  }

  /** Calls back with each message as it leaves, each listener in the order of its coming. */
  onMessage(listener: (from: NodeId, to: NodeId, message: M) => void): void {
    this.core.messageListeners.push(listener);
  }

  // Time.

  /** Runs for so many microseconds of virtual time. */
  run(micros: number): void {
    const until = this.queue.now() + micros;
    while (this.queue.runNext(until));
    this.queue.advanceTo(until);
  }

  /** Runs until `done` holds, at most `limitMicros`; returns whether it came to hold. */
  runUntil(done: () => boolean, limitMicros: number): boolean {
    const until = this.queue.now() + limitMicros;
    while (!done()) {
      if (this.queue.runNext(until)) continue;
      this.queue.advanceTo(until);
      return done();
    }
    return true;
  }

  /** Like {@link runUntil}, but a limit that passes is a failure of liveness. */
  expectWithin(what: string, limitMicros: number, done: () => boolean): void {
    if (!this.runUntil(done, limitMicros)) {
      this.fail('liveness', `not within ${limitMicros} us: ${what}; ${this.picture()}`);
    }
  }

  /** The virtual time. */
  now(): Instant {
    return this.queue.now();
  }

  // Clients.

  /** Proposes a text, unique in the run, at a node. */
  propose(node: number, text: string): ClientRequest {
    const payload = new TextEncoder().encode(text);
    return this.request(node, 'propose', text, (engine, ticket) => engine.propose(payload, ticket));
  }

  /** Asks for a read at a node. */
  read(node: number, level: ReadLevel = 'linearizable'): ClientRequest {
    return this.request(node, level, '', (engine, ticket) => engine.read(level, ticket));
  }

  // Faults.

  /** A power cut. Of the batches in flight the first `keepBatches` survive, else a random part. */
  crash(node: number, keepBatches?: number): void {
    const driven = this.node(node);
    if (!driven.host.running) return;
    const pending = driven.host.log.pending.length;
    const keep = keepBatches ?? this.crashRandom.below(pending + 1);
    this.note(nodeId(node), `crash, ${keep} of ${pending} batches survive`);
    this.core.crashed(nodeId(node));
    driven.crash(keep);
    this.core.network.sessions.nodeDown(nodeId(node));
  }

  /** Opens the engine of a crashed node over what its disk held. */
  restart(node: number): void {
    const driven = this.node(node);
    if (driven.host.running) return;
    this.core.startNode(nodeId(node));
  }

  /** Stops a node's process; its disk and its sockets go on. */
  pause(node: number): void {
    this.note(nodeId(node), 'pause');
    this.node(node).pause();
  }

  /** Ends a pause. */
  resume(node: number): void {
    this.note(nodeId(node), 'resume');
    const driven = this.node(node);
    if (driven.paused) driven.resume();
  }

  /** The node's disk hangs (no write ends) or works again. */
  stallDisk(node: number, stalled: boolean): void {
    this.note(nodeId(node), `disk ${stalled ? 'hangs' : 'works again'}`);
    this.node(node).stallDisk(stalled);
  }

  /** Cuts one way between two nodes. */
  cut(from: number, to: number): void {
    this.note(nodeId(from), `cut to ${to}`);
    this.links.cut(nodeId(from), nodeId(to));
  }

  /** Cuts every link between groups of nodes; a node in no group is alone. */
  partition(...groups: readonly (readonly number[])[]): void {
    const groupOf = (id: number): number => groups.findIndex((group) => group.includes(id));
    for (const a of this.ids) {
      for (const b of this.ids) {
        if (a === b) continue;
        if (groupOf(a) < 0 || groupOf(a) !== groupOf(b)) this.cut(a, b);
        else this.links.mend(a, b);
      }
    }
  }

  /** Cuts a node off from all others. */
  isolate(node: number): void {
    this.partition(this.ids.filter((id) => id !== node));
  }

  /** Mends all links. Crashed and paused nodes stay so. */
  heal(): void {
    this.core.trace.line(() => `${this.now()} heal`);
    this.links.heal();
  }

  // Pictures.

  /** The serving leader of the highest round among the running nodes, or null. */
  leader(): NodeId | null {
    let leader: EngineStatus | null = null;
    for (const id of this.ids) {
      if (!this.isUp(id) || this.node(id).paused) continue;
      const status = this.status(id);
      if (status.role !== 'leader' || !status.serving) continue;
      if (leader === null || status.round > leader.round) leader = status;
    }
    return leader?.id ?? null;
  }

  /** True unless the node is crashed. */
  isUp(node: number): boolean {
    return this.node(node).host.running;
  }

  isPaused(node: number): boolean {
    return this.node(node).paused;
  }

  status(node: number): EngineStatus {
    return this.node(node).host.engine.status();
  }

  /** What the node's state machine has applied: `command:text`, `noop:` ..., from index 1. */
  applied(node: number): readonly string[] {
    return this.node(node).host.machine.appliedKeys();
  }

  /** The texts of the commands that the node has applied, in order. */
  committed(node: number): string[] {
    const keys = this.applied(node).filter((key) => key.startsWith('command:'));
    return keys.map((key) => key.slice('command:'.length));
  }

  /** The highest index that any node has announced as committed. */
  get committedIndex(): LogIndex {
    return this.core.ghost.committedIndex;
  }

  /** Requests that a node accepted and has not concluded. */
  unconcluded(node: number): ClientRequest[] {
    return this.core.ghost.unconcluded(nodeId(node));
  }

  /** Messages that a node has sent since the start. */
  messagesSent(node: number): number {
    return this.core.network.sentBy.get(nodeId(node)) ?? 0;
  }

  /** The engine host of a node, for tests that look inside. */
  host(node: number): EngineHost<M> {
    return this.node(node).host;
  }

  /** Equal for equal seeds, options and builds. */
  traceHash(): string {
    return this.core.trace.hash();
  }

  /** The last events, for people. */
  lastEvents(): string[] {
    return this.core.trace.tail();
  }

  /** Steps a message into a node as if `from` had sent it. For tests of peer input. */
  inject(from: number, to: number, message: M): void {
    if (this.isUp(to)) this.core.arrived(nodeId(from), nodeId(to), message);
  }

  /** Fails the run as an invariant would. */
  fail(invariant: string, message: string, cause?: unknown): never {
    return this.core.fail(invariant, message, cause);
  }

  /** One line about each node. */
  picture(): string {
    const one = (id: NodeId): string => {
      if (!this.isUp(id)) return `${id} down`;
      const { role, phase, round, commitIndex, lastIndex } = this.status(id);
      const paused = this.isPaused(id) ? ' paused' : '';
      return `${id} ${role}/${phase} round ${round} commit ${commitIndex}/${lastIndex}${paused}`;
    };
    return this.ids.map(one).join('; ');
  }

  private request(
    node: number,
    kind: ClientRequest['kind'],
    text: string,
    ask: (engine: ConsensusEngine<M>, ticket: Ticket) => RequestStatus,
  ): ClientRequest {
    const driven = this.node(node);
    this.tickets++;
    const ticket = this.tickets as Ticket;
    const committedBefore = this.core.ghost.committedIndex;
    let status: ClientRequest['status'] = 'down';
    if (driven.host.running && !driven.paused) {
      this.core.guarded(driven.host, () => {
        driven.host.engine.clock(this.queue.now());
        status = ask(driven.host.engine, ticket);
      });
    }
    const outcome = (status as string) === 'accepted' ? 'pending' : 'refused';
    const index = 0 as LogIndex;
    const id = nodeId(node);
    const request = {
      node: id,
      kind,
      ticket,
      status,
      text,
      committedBefore,
      outcome,
      index,
    } as const;
    const open: ClientRequest = { ...request };
    this.note(id, `${kind} ${text} ticket ${ticket}: ${status}`);
    this.requests.push(open);
    this.core.ghost.requested(open);
    if (outcome === 'pending' && kind !== 'propose') this.core.observer?.asked(id, kind, ticket);
    driven.poke();
    return open;
  }

  private note(node: NodeId, text: string): void {
    this.core.note(node, text);
  }

  private node(id: number): DrivenNode<M> {
    return this.core.node(id);
  }
}
