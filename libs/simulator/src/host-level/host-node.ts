import { serveClients } from '@quorate/client';
import type { DiskError, NodeId } from '@quorate/consensus';
import { assert, required } from '@quorate/foundation';
import { openReplica, type Replica, type ReplicaHandlers } from '@quorate/replica';
import { nodeDigest, openSnapshotStore } from '@quorate/snapshot-store';
import { createPeerTransport, tcpFrames } from '@quorate/transport';
import { nodeRecordCodec, type OpenedWal, openWal, type RecoveryReport } from '@quorate/wal';
import { SimulatedDisk } from '../disk/simulated-disk.ts';
import { DatagramTransport } from '../ports/datagram-transport.ts';
import { LocalTime, SimulatedClock, SimulatedProcess } from '../ports/simulated-process.ts';
import { MessageGate } from '../run-observer.ts';
import { clientAddress, type HostWorld, peerAddress } from './host-world.ts';
import { KvService } from './kv-service.ts';
import { engineConfig, hostLimits } from './node-settings.ts';
import { ObservedMachine } from './observed-machine.ts';
import { observed } from './observed-protocol.ts';
import { ObservedTransport } from './observed-transport.ts';
import { ObservedWal } from './observed-wal.ts';
import { ProcessDisk } from './process-disk.ts';
import { SpeechRecord } from './speech-record.ts';

/** Where a replica keeps its log, relative to the root of its disk. */
export const WAL_DIRECTORY = 'data/wal';
/** Where it keeps its snapshots. */
export const SNAPSHOT_DIRECTORY = 'data/snapshots';
/** Virtual microseconds at the Unix epoch of the run; any time will do. */
const WALL_START_MICROS = 1_700_000_000_000_000;
/** A supervisor starts a process that stopped by itself again after about this long. */
const RESTART_MICROS = 300_000;
/** What has not happened yet to a new incarnation. */
const FRESH = { diskFailed: false, logFailed: false, stopAsked: false };
/** Errors that a healthy disk gives too: a file that is not there. */
const ORDINARY_ERRORS = new Set(['ENOENT', 'EEXIST']);

/**
 * One incarnation: a process and what runs in it. Its parts appear one after the other while it
 * starts; a killed process is called by nobody any more.
 */
interface Incarnation {
  readonly process: SimulatedProcess;
  readonly clock: SimulatedClock;
  readonly machine: ObservedMachine;
  replica: Replica | null;
  /** A disk operation failed in it for a reason that was injected. */
  diskFailed: boolean;
  /** A write or sync of its log failed: it must not acknowledge anything any more (S5). */
  logFailed: boolean;
  /** It was asked to end in good order. */
  stopAsked: boolean;
}

/**
 * One machine of the simulated cluster: a disk that outlives its processes, and the production
 * replica composed as the server composes it, with the edges replaced.
 */
export class HostNode<M> {
  readonly id: NodeId;
  readonly disk: SimulatedDisk;
  /** Operators keep a machine down whose disk refuses to be read. */
  refusedFor: string | null = null;
  /** How the disk is damaged while it is: starting may be refused. */
  damaged: 'bitFlip' | 'zeroedSector' | null = null;
  /** The disk may have lost what it called durable; it is known by whoever planned it. */
  suspect = false;
  /** Why the operator took the replica out for good: its log is not what it said it was. */
  retiredFor: string | null = null;
  /** The machine's own clocks, whatever runs on it. */
  readonly time = new LocalTime();
  starts = 0;
  private readonly world: HostWorld<M>;
  private readonly records = nodeRecordCodec();
  private incarnation: Incarnation | null = null;
  private initialized = false;
  private pauses = 0;

  constructor(world: HostWorld<M>, id: NodeId) {
    const { queue, random, swarm } = world;
    this.world = world;
    this.id = id;
    const hardware = {
      now: () => queue.now(),
      wallMicros: () => queue.now(),
      schedule: (at: number, callback: () => void) => queue.schedule(at, callback),
      defer: (callback: () => void) => void queue.after(0, callback),
    };
    this.disk = new SimulatedDisk({
      clock: hardware,
      random: random.split(`disk ${id}`),
      delays: {
        readMicros: swarm.diskReadMicros,
        writeMicros: swarm.diskWriteMicros,
        syncMicros: swarm.diskSyncMicros,
      },
    });
  }

  /** True while a process runs, be it starting or paused. */
  get isUp(): boolean {
    return this.incarnation !== null;
  }

  get isPaused(): boolean {
    return this.pauses > 0;
  }

  /** The replica, once it has opened and until it stopped. */
  get replica(): Replica | null {
    const replica = this.incarnation?.replica ?? null;
    return replica === null || replica.status().stopped ? null : replica;
  }

  get machine(): ObservedMachine | null {
    return this.incarnation?.machine ?? null;
  }

  /** Starts a process unless one runs. */
  start(): void {
    if (this.incarnation !== null || this.retiredFor !== null) return;
    this.starts++;
    this.refusedFor = null;
    const { queue, random, swarm } = this.world;
    const process = new SimulatedProcess(this.id);
    const clock = new SimulatedClock(queue, process, random.split(`clock ${this.stream}`), {
      wallStartMicros: WALL_START_MICROS,
      lateMaxMicros: swarm.timersLateMaxMicros,
      time: this.time,
    });
    const machine = new ObservedMachine(
      this.id,
      this.world.store,
      this.world.swarm.resultsPerSessionMax,
    );
    const replica = null;
    const fresh = { process, clock, machine, replica, ...FRESH };
    this.incarnation = fresh;
    this.note('start', () => `incarnation ${this.starts}`);
    this.openLog(fresh);
    if (this.pauses > 0) process.pause();
  }

  /** Asks the process to end as SIGTERM does; a second time changes nothing. */
  stop(): void {
    const { incarnation: run, replica } = this;
    if (run === null || replica === null || run.stopAsked) return;
    run.stopAsked = true;
    run.process.enter(() => {
      replica.stop(() => {
        if (this.incarnation !== run) return;
        this.world.probes.hit('stoppedCleanly');
        this.ended('stopped');
        this.disk.kill();
      });
    });
  }

  /** Ends the process as SIGKILL does; what it has written survives. */
  kill(): void {
    if (this.incarnation === null) return;
    this.ended('kill');
    this.disk.kill();
  }

  /** The machine loses power: what was not synced is lost, torn or garbled. */
  powerCut(): void {
    if (this.incarnation !== null) this.ended('power cut');
    this.disk.powerCut();
  }

  /** Stops the process as SIGSTOP does; pauses add up. */
  pause(): void {
    this.pauses++;
    this.incarnation?.process.pause();
    this.note('pause', () => '');
  }

  /** Ends one pause. */
  resume(): void {
    assert(this.pauses > 0, 'a pause is ended once');
    this.pauses--;
    if (this.pauses > 0) return;
    this.note('resume', () => '');
    this.incarnation?.process.resume();
  }

  /** Takes the CPU away for a short while. */
  nap(done: () => void, micros: number): void {
    const process = this.incarnation?.process;
    if (this.pauses === 0) process?.pause();
    this.world.queue.after(micros, () => {
      if (this.pauses === 0) process?.resume();
      done();
    });
  }

  private ended(how: 'kill' | 'power cut' | 'stopped'): void {
    const incarnation = required(this.incarnation, 'a running process');
    const inFlight = this.world.ghost.batchesInFlight(this.id);
    this.note(how, () => `${inFlight} batches in flight`);
    if (incarnation.replica === null) this.world.probes.hit('startInterrupted');
    else if (inFlight > 0 && how === 'kill') this.world.probes.hit('killedWithBatchesInFlight');
    else if (inFlight > 0) this.world.probes.hit('powerCutWithBatchesInFlight');
    this.incarnation = null;
    incarnation.process.kill(how === 'power cut');
    this.world.ghost.crashed(this.id);
    this.world.observer?.crashed(this.id);
  }

  private openLog(run: Incarnation): void {
    const { swarm, settings } = this.world;
    const view = new ProcessDisk(this.disk.mount(), run.process, (error, path) =>
      this.diskError(run, error, path),
    );
    openWal(
      {
        disk: view,
        directory: WAL_DIRECTORY,
        identity: this.identity,
        records: this.records,
        clock: run.clock,
        create: !this.initialized,
        segmentBytes: swarm.segmentBytes,
        writeThrough: swarm.writeThrough,
        sync: settings.sync,
        spaceRetryMicros: 200_000,
      },
      (error, opened) => {
        if (error !== null) this.startFailed(run, error.code, error.message);
        else this.logOpened(run, view, required(opened, 'an opened log'));
      },
    );
  }

  private logOpened(run: Incarnation, disk: ProcessDisk, opened: OpenedWal): void {
    const { world, id } = this;
    this.countRecovery(opened.recovery);
    this.initialized = true;
    const missing = world.ghost.recovered(id, opened.records, this.suspect);
    if (missing !== null) {
      this.retire('lossShown', missing);
      return;
    }
    const { observer } = world;
    const gate =
      observer && new MessageGate<M>((to, message) => observer.mayLeave(id, to, message));
    const wal = new ObservedWal(opened.wal, id, world.ghost, {
      done: () => {
        if (run.logFailed) world.fail('S5', `node ${id} acknowledged after its log had failed`);
      },
      durable: (records) => {
        observer?.persisted(id, records);
        gate?.durable(wal.completed);
      },
    });
    const { needsFifoChannels } = world.protocol.capabilities;
    const speech = new SpeechRecord(id, needsFifoChannels, world.fail);
    const transport = this.transport(run, wal, speech);
    const { ghost } = world;
    const onReady = (ready: { readonly number: number; readonly committed: readonly unknown[] }) =>
      world.note(id, 'ready', () => `${ready.number}`, ready.number * 1e4 + ready.committed.length);
    openReplica<M>(
      {
        protocol: observed(world.protocol, {
          ...{ node: id, ghost, observer, gate },
          ...{ wal, speech, onReady },
        }),
        config: engineConfig(world, id),
        clock: run.clock,
        random: world.random.split(`engine ${this.stream}`),
        records: this.records,
        wal: { ...opened, wal },
        openSnapshots: (named, done) => {
          const directory = SNAPSHOT_DIRECTORY;
          const { clock } = run;
          openSnapshotStore({ disk, directory, clock, createDigest: nodeDigest, named }, done);
        },
        transport,
        stateMachine: run.machine,
        limits: hostLimits(world.swarm),
        snapshots: { snapshotEveryEntries: world.swarm.snapshotEveryEntries },
        handlers: this.handlers(run),
      },
      (error, replica) => {
        if (error !== null) this.startFailed(run, error.code, error.message);
        else this.replicaOpened(run, required(replica, 'an opened replica'));
      },
    );
  }

  private transport(run: Incarnation, wal: ObservedWal, speech: SpeechRecord): ObservedTransport {
    const { network, datagrams, random, frames, garbler, probes, fail } = this.world;
    const sessions = createPeerTransport({
      network: tcpFrames(network.netOf(run.process)),
      listenAddress: peerAddress(this.id),
      identity: this.identity,
      clock: run.clock,
      random: random.split(`dial ${this.stream}`),
    });
    const transport =
      datagrams === null ? sessions : new DatagramTransport(sessions, datagrams, run.process);
    const shared = { frames, garbler, probes, fail };
    return new ObservedTransport(transport, {
      ...{ node: this.id, wal, speech, datagrams: datagrams !== null },
      ...shared,
    });
  }

  private handlers(run: Incarnation): ReplicaHandlers {
    const { probes } = this.world;
    return {
      engineEvent: (event, at) => {
        const { kind, round, node, detail } = event;
        this.world.onEngineEvent?.(this.id, event, at);
        this.note(kind, () => `round ${round} node ${node} ${detail}`, round);
        if (kind === 'snapshotInstalled') probes.hit('snapshotInstalled');
      },
      snapshotWritten: (error) => {
        probes.hit(error === null ? 'snapshotTaken' : 'snapshotWriteFailed');
      },
      pressure: (paused) => {
        if (paused) probes.hit('pressed');
      },
      fatal: (error) => this.stoppedByItself(run, error.code, error.message),
    };
  }

  private replicaOpened(run: Incarnation, replica: Replica): void {
    const { world } = this;
    run.replica = replica;
    if (replica.appliedIndex > 0) world.probes.hit('restoredAtStart');
    this.note('open', () => `applied ${replica.appliedIndex}`, replica.appliedIndex);
    const service = new KvService({
      replica,
      kv: run.machine.kv,
      clientAddress,
      onCommand: (command) => world.store.noteSubmitted(command),
      onRefused: (kind) => {
        if (kind === 'noSpace') world.probes.hit('noSpaceRefused');
      },
      onRead: () => {
        if (replica.leader() !== this.id) world.probes.hit('readAtFollower');
      },
    });
    const network = tcpFrames(world.network.netOf(run.process));
    const address = clientAddress(this.id);
    serveClients({ network, address, service, clock: run.clock }, (error) => {
      if (error !== null) world.fail('simulation', `node ${this.id}: ${error.message}`);
    });
  }

  private startFailed(run: Incarnation, code: string, message: string): void {
    const refused = code.endsWith('_CORRUPT');
    if (this.suspect && !run.diskFailed) this.retire('lossRefused', `${code}: ${message}`);
    else if (refused && this.damaged !== null) {
      this.refuse(code, message);
      this.ended('stopped');
      this.disk.kill();
    } else {
      if (refused || !run.diskFailed) {
        this.world.fail('S2', `node ${this.id} cannot start: ${code}: ${message}`);
      }
      this.supervise(`${code}: ${message}`);
    }
  }

  /**
   * The log does not hold what it called durable, because its disk lied. That is outside the
   * contract: whoever came back with it could vote and acknowledge against its word. So it stays
   * out, for ever, under its id (ST-10, ST-14), and the others must keep everything.
   */
  private retire(how: 'lossRefused' | 'lossShown', why: string): void {
    this.world.probes.hit(how);
    this.retiredFor = why;
    this.note('retired', () => why);
    this.ended('stopped');
    this.disk.kill();
  }

  /** A damaged disk refuses to be used; the machine stays down until its disk is restored. */
  private refuse(code: string, message: string): void {
    this.world.probes.hit(this.damaged === 'bitFlip' ? 'bitFlipRefused' : 'zeroedSectorRefused');
    this.refusedFor = code;
    this.note('refused', () => `${code}: ${message}`);
  }

  private stoppedByItself(run: Incarnation, code: string, message: string): void {
    // Bits may rot in a snapshot between its installation and the reading of it.
    if (this.damaged !== null && code === 'SNAPSHOT_ERR_CORRUPT') {
      this.refuse(code, message);
      this.supervise(code, false);
      return;
    }
    if (!run.diskFailed) {
      this.world.fail('fatal', `node ${this.id} stopped by itself: ${code}: ${message}`);
    }
    this.world.probes.hit('diskErrorStopped');
    this.supervise(`${code}: ${message}`);
  }

  /** Ends the process in a later event, as its exit does, and starts another one soon. */
  private supervise(why: string, again = true): void {
    const run = this.incarnation;
    this.note('stops', () => why);
    this.world.queue.after(0, () => {
      if (this.incarnation !== run || run === null) return;
      this.ended('stopped');
      this.disk.kill();
      if (again) this.world.queue.after(RESTART_MICROS, () => this.start());
    });
  }

  private diskError(run: Incarnation, error: DiskError, path: string): void {
    if (ORDINARY_ERRORS.has(error.code)) return;
    this.note('disk error', () => `${error.code} ${path}: ${error.message}`);
    run.diskFailed = true;
    const isSegment = path.includes('wal-segment') && error.code === 'EIO';
    if (isSegment && /^(write|sync) /.test(error.message)) run.logFailed = true;
  }

  private countRecovery(report: RecoveryReport): void {
    const { probes } = this.world;
    this.note('log', () => report.summary, report.lastBatch);
    if (report.decision === 'W7-torn') probes.hit('tornTailCut');
    if (report.decision === 'W6-clean') probes.hit('recoveredClean');
  }

  private get identity() {
    const { name } = this.world.protocol;
    const diskId = `disk-${this.id}`;
    return { clusterId: 'simulated', nodeId: this.id, diskId, protocol: name };
  }

  private get stream(): string {
    return `${this.id}.${this.starts}`;
  }

  private note(kind: string, detail: () => string, number = 0): void {
    this.world.note(this.id, kind, detail, number);
  }
}
