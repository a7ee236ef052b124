import {
  type CommittedEntry,
  type ConsensusEngine,
  createRecordCodec,
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  EntryType,
  type Instant,
  instant,
  logIndex,
  type Member,
  type NodeId,
  nodeId,
  type Protocol,
  type Ready,
  RecordKind,
  type RequestStatus,
  readyNumber,
  type SnapshotMeta,
  type StateMachine,
  type Ticket,
  walRecord,
} from '@quorate/consensus';
import { concatBytes, crc32Table, createRandom } from '@quorate/foundation';
import type { SnapshotStore } from '@quorate/snapshot-store';
import type { PeerHandlers, PeerTransport } from '@quorate/transport';
import { type Wal, WalError } from '@quorate/wal';
import { beforeEach, describe, expect, it } from 'vitest';
import { openReplica } from './open-replica.ts';
import type { Replica, ReplicaOptions } from './types.ts';

// The host's obligations, numbered as in the doc of `Ready`. The ports are held by hand, so that
// the test decides when the disk is done, what a turn finds and what the engine puts out.

type Output = Partial<Ready<string>>;

const bytes = (message: string): Uint8Array =>
  Uint8Array.from([10, message.length, ...new TextEncoder().encode(message)]);

/** One world: everything that happens is written into `log`, in order. */
class World {
  readonly log: string[] = [];
  readonly outcomes: string[] = [];
  readonly pressure: boolean[] = [];
  now = 1_000_000;
  propose: RequestStatus = 'accepted';
  hasSpace = true;
  deadline: number | null = null;
  peers!: PeerHandlers;
  replica!: Replica;
  private deferred: (() => void)[] = [];
  private timers: { at: number; callback: () => void }[] = [];
  private outputs: Output[] = [];
  private appends: (() => void)[] = [];
  private fatal: (error: WalError) => void = () => {};
  private readies = 0;

  constructor(settings: { fifo?: boolean; limits?: ReplicaOptions<string>['limits'] } = {}) {
    const voters: Member[] = [1, 2, 3].map((id) => ({ id: nodeId(id), disk: '', address: '' }));
    const membership = { voters, learners: [], witnesses: [] };
    openReplica(
      {
        protocol: this.protocol(settings.fifo ?? false),
        config: {
          id: nodeId(1),
          membership,
          ...DEFAULT_TIMING,
          detector: 'timers',
          variants: {},
          limits: DEFAULT_LIMITS,
        },
        clock: {
          now: () => instant(this.now),
          wallMicros: () => 5,
          schedule: (at, callback) => {
            const timer = { at, callback };
            this.timers.push(timer);
            return () => {
              this.timers = this.timers.filter((other) => other !== timer);
            };
          },
          defer: (callback) => this.deferred.push(callback),
        },
        random: createRandom(1),
        records: createRecordCodec(crc32Table),
        wal: { wal: this.wal(), records: [], recovery: {} as never },
        openSnapshots: (_named, done) =>
          done(null, { store: this.snapshotStore(), latest: null, orphansRemoved: 0 }),
        transport: this.transport(),
        stateMachine: this.stateMachine(),
        ...(settings.limits === undefined ? {} : { limits: settings.limits }),
        handlers: {
          pressure: (paused) => this.pressure.push(paused),
          fatal: (error) => this.log.push(`fatal ${error.code}`),
        },
      },
      (error, replica) => {
        if (error !== null || replica === null) throw new Error(String(error));
        this.replica = replica;
      },
    );
    this.turn();
    this.log.length = 0;
  }

  /** What the engine puts out in the next turn. */
  output(output: Output): void {
    this.outputs.push(output);
  }

  /** Runs what was deferred and is due, until nothing is. */
  turn(): void {
    for (let i = 0; i < 50 && this.step(); i++);
  }

  /** Runs what is deferred now, once; false when there is nothing. */
  step(): boolean {
    const due = this.timers.filter((timer) => timer.at <= this.now);
    this.timers = this.timers.filter((timer) => timer.at > this.now);
    for (const { callback } of due) callback();
    const deferred = this.deferred;
    this.deferred = [];
    for (const callback of deferred) callback();
    return deferred.length > 0;
  }

  /** The disk finishes the oldest append. */
  durable(): void {
    this.appends.shift()?.();
  }

  breakDisk(): void {
    this.fatal(new WalError('WAL_ERR_IO', 'the disk broke'));
  }

  ask(command = 'c'): void {
    this.replica.propose(bytes(command), (outcome) => this.outcomes.push(outcome.kind));
  }

  private snapshotStore(): SnapshotStore {
    const reads: Pick<SnapshotStore, 'readChunk'> = {
      readChunk: (meta, offset) => this.log.push(`reads snapshot ${meta.index} at ${offset}`),
    };
    return reads as SnapshotStore;
  }

  private engine(): ConsensusEngine<string> {
    const { log } = this;
    return {
      clock: () => log.push('clock'),
      tick: () => log.push('tick'),
      nextDeadline: () => (this.deadline === null ? null : instant(this.deadline)),
      step: (from, message) => log.push(`step ${from} ${message}`),
      peerConnected: (peer) => log.push(`connected ${peer}`),
      peerDisconnected: (peer) => log.push(`disconnected ${peer}`),
      propose: (_payload, ticket) => {
        log.push(`propose ${ticket}`);
        return this.propose;
      },
      read: () => 'accepted',
      changeMembership: () => 'unsupported',
      transferLeadership: () => 'unsupported',
      persisted: (upTo) => log.push(`persisted ${upTo}`),
      applied: (upTo) => log.push(`applied ${upTo}`),
      describeSnapshot: () => ({}) as never,
      snapshotTaken: () => {},
      snapshotOffered: () => {},
      snapshotSent: (peer, delivered) => log.push(`snapshot sent ${peer} ${delivered}`),
      hasReady: () => this.outputs.length > 0,
      takeReady: () => this.ready(),
      checkpoint: () => [],
      status: () =>
        ({
          leader: nodeId(3),
          membership: {
            current: { voters: [], learners: [], witnesses: [] },
            joint: null,
            index: logIndex(0),
          },
        }) as never,
    };
  }

  private ready(): Ready<string> {
    this.readies++;
    this.log.push(`ready ${this.readies}`);
    return {
      number: readyNumber(this.readies),
      snapshotToInstall: null,
      records: [],
      mustSync: true,
      messages: [],
      messagesAfterPersist: [],
      snapshotsToSend: [],
      committed: [],
      readStates: [],
      abandoned: [],
      membership: null,
      sessionsToReset: [],
      events: [],
      ...this.outputs.shift(),
    };
  }

  private protocol(needsFifoChannels: boolean): Protocol<string> {
    return {
      name: 'by-hand',
      variants: {},
      capabilities: { leadershipTransfer: false, leaseReads: false, needsFifoChannels },
      createCodec: () => ({
        encode: (message) => [bytes(message)],
        decode: (frame) => (frame.length < 3 ? null : new TextDecoder().decode(frame.subarray(2))),
      }),
      describeMessage: (message) => message,
      open: () => this.engine(),
    };
  }

  private wal(): Wal {
    const world = this;
    return {
      append(batch, _mustSync, done) {
        world.log.push(`append ${batch.length}`);
        world.appends.push(done);
      },
      setCheckpointSource() {},
      release() {},
      onFatal(handler) {
        world.fatal = handler;
      },
      get hasSpace() {
        return world.hasSpace;
      },
      stats: () => ({}) as never,
      close: (done) => done(null),
    };
  }

  private transport(): PeerTransport {
    const { log } = this;
    return {
      start: (handlers, done) => {
        this.peers = handlers;
        done(null);
      },
      address: '',
      setPeers() {},
      isConnected: () => true,
      send: (peer, parts) => {
        log.push(`send ${peer} ${new TextDecoder().decode(concatBytes(parts).subarray(2))}`);
        return true;
      },
      flush: () => log.push('flush'),
      queuedBytes: () => 0,
      resetSession: (peer) => log.push(`reset ${peer}`),
      setLinkFault() {},
      linkCounters: () => [],
      stop: (done) => done(),
    } as PeerTransport;
  }

  private stateMachine(): StateMachine {
    return {
      apply: (index) => {
        this.log.push(`apply ${index}`);
        return [Uint8Array.from([index])];
      },
      snapshot: () => ({ next: () => null, close() {} }),
      restore() {},
    };
  }
}

const to = (message: string, ...peers: number[]) => ({
  to: peers.map((peer) => peer as NodeId),
  message,
});
const record = walRecord({ kind: RecordKind.promise });
const entry = (index: number, ticket = 0): CommittedEntry => ({
  index: logIndex(index),
  type: EntryType.command,
  payload: new Uint8Array(1),
  ticket: ticket as Ticket,
});

describe('the obligations of a host', () => {
  let world: World;
  /** What happened since the last call, without the noise of every turn. */
  const happened = (): string[] => {
    const log = world.log.filter((line) => !/^(clock|tick|flush|ready)/.test(line));
    world.log.length = 0;
    return log;
  };

  beforeEach(() => {
    world = new World();
    for (const peer of [2, 3]) world.peers.connected(nodeId(peer));
    world.turn();
    happened();
  });

  it('1, 2, 3: messages leave at once, the others and `persisted` after the disk', () => {
    world.output({
      records: [record, record],
      messages: [to('early', 2, 3)],
      messagesAfterPersist: [to('late', 2)],
    });
    world.ask();
    world.turn();
    expect(happened()).toEqual(['propose 1', 'send 2 early', 'send 3 early', 'append 2']);
    world.durable();
    world.turn();
    expect(happened()).toEqual(['send 2 late', 'persisted 1']);
  });

  it('2, 3: a Ready without records waits for the earlier ones, or for nothing', () => {
    world.output({ messagesAfterPersist: [to('free', 2)] });
    world.ask();
    world.turn();
    expect(happened()).toEqual(['propose 1', 'send 2 free', 'persisted 1']);
    world.output({ records: [record] });
    world.output({ messagesAfterPersist: [to('behind', 2)] });
    world.ask();
    world.turn();
    expect(happened()).toEqual(['propose 2', 'append 1']);
    world.durable();
    world.turn();
    expect(happened()).toEqual(['send 2 behind', 'persisted 3']);
  });

  it('3: one call covers all that became durable between two turns', () => {
    for (let i = 0; i < 3; i++) {
      world.output({ records: [record], messagesAfterPersist: [to(`m${i}`, 2)] });
    }
    world.ask();
    world.turn();
    expect(world.replica.status().readiesUnpersisted).toBe(3);
    world.durable();
    world.durable();
    happened();
    world.turn();
    expect(happened()).toEqual(['send 2 m0', 'send 2 m1', 'persisted 2']);
  });

  it('2: without FIFO channels an early message may overtake a held one', () => {
    world.output({ records: [record], messagesAfterPersist: [to('held', 2)] });
    world.output({ records: [record], messages: [to('next', 2, 3)] });
    world.ask();
    world.turn();
    expect(happened()).toEqual(['propose 1', 'append 1', 'send 2 next', 'send 3 next', 'append 1']);
  });

  it('2: with FIFO channels it waits behind it, for that peer alone (ZB-29)', () => {
    world = new World({ fifo: true });
    for (const peer of [2, 3]) world.peers.connected(nodeId(peer));
    world.turn();
    happened();
    world.output({ records: [record], messagesAfterPersist: [to('held', 2)] });
    world.output({ records: [record], messages: [to('next', 2, 3)] });
    world.ask();
    world.turn();
    expect(happened()).toEqual(['propose 1', 'append 1', 'send 3 next', 'append 1']);
    world.durable();
    world.turn();
    expect(happened()).toEqual(['send 2 held', 'send 2 next', 'persisted 1']);
  });

  it('2: a held message dies with the session that it was made for', () => {
    world.output({ records: [record], messagesAfterPersist: [to('old', 2), to('same', 3)] });
    world.ask();
    world.turn();
    happened();
    world.durable();
    world.peers.disconnected(nodeId(2), 'cut');
    world.peers.connected(nodeId(2));
    world.turn();
    expect(happened()).toEqual(['send 3 same', 'persisted 1', 'disconnected 2', 'connected 2']);
  });

  it('2: frames and sessions are stepped in the order in which they came', () => {
    world.peers.frame(nodeId(2), bytes('a'));
    world.peers.disconnected(nodeId(2), 'cut');
    world.peers.connected(nodeId(2));
    world.peers.frame(nodeId(2), bytes('b'));
    world.turn();
    expect(happened()).toEqual(['step 2 a', 'disconnected 2', 'connected 2', 'step 2 b']);
  });

  it('4: applies in order and then says so, and answers by ticket', () => {
    world.ask();
    world.output({ committed: [entry(1), entry(2, 1)] });
    world.turn();
    expect(happened()).toEqual(['propose 1', 'persisted 1', 'apply 1', 'apply 2', 'applied 2']);
    expect(world.outcomes).toEqual(['applied']);
  });

  it('5: past its limits of unpersisted Readies it answers busy and says so', () => {
    world = new World({ limits: { readiesUnpersistedMax: 2 } });
    world.output({ records: [record] });
    world.output({ records: [record] });
    world.ask('first');
    world.turn();
    expect(world.pressure).toEqual([true]);
    expect(world.replica.underPressure).toBe(true);
    world.ask('second');
    world.turn();
    expect(world.outcomes).toEqual(['busy']);
    world.durable();
    world.turn();
    expect(world.pressure).toEqual([true, false]);
    world.ask('third');
    happened();
    world.turn();
    expect(happened()).toEqual(['propose 2']);
  });

  it('SIM-01 5: turns rest under pressure, whatever waits, and go on after it', () => {
    const windows = { readiesUnpersistedMax: 1, inFlightBatchesMax: 1, commandsMax: 1 };
    world = new World({ limits: windows });
    world.ask('first');
    world.ask('second');
    world.output({ records: [record], committed: [entry(1, 1)] });
    world.turn();
    expect(world.pressure).toEqual([true]);
    expect(world.outcomes).toEqual(['applied']);
    expect(world.step()).toBe(false); // Not one turn after the other until the disk answers.
    happened();
    world.durable();
    world.turn();
    expect(happened()).toContain('propose 2');
  });

  it('5: Readies are taken under pressure too', () => {
    world = new World({ limits: { readiesUnpersistedMax: 1 } });
    world.output({ records: [record] });
    world.ask();
    world.turn();
    world.peers.connected(nodeId(2));
    world.turn();
    happened();
    world.output({ messages: [to('heartbeat', 2)] });
    world.peers.frame(nodeId(2), bytes('x'));
    world.turn();
    expect(happened()).toEqual(['step 2 x', 'send 2 heartbeat']);
  });

  it('6: a turn is clock, step, tick, Ready', () => {
    world.output({ messages: [to('m', 2)] });
    world.peers.frame(nodeId(3), bytes('x'));
    world.log.length = 0;
    world.step();
    const output = ['ready 1', 'send 2 m', 'persisted 1', 'flush'];
    expect(world.log).toEqual(['clock', 'step 3 x', 'tick', ...output]);
  });

  it('6: after a pause the sockets are drained one turn more before the tick', () => {
    world.deadline = world.now + 10;
    world.peers.frame(nodeId(2), bytes('arms the timer'));
    world.turn();
    world.log.length = 0;
    world.now += 400_000;
    world.step();
    expect(world.log).toEqual(['clock', 'flush']);
    world.deadline = null;
    world.peers.frame(nodeId(2), bytes('was in the socket'));
    world.step();
    expect(world.log.slice(2)).toEqual(['clock', 'step 2 was in the socket', 'tick', 'flush']);
    const { lastGapMicros, longestGapMicros } = world.replica.status();
    expect([lastGapMicros, longestGapMicros]).toEqual([399_990, 399_990]);
  });

  it('8: a broken log stops the replica and answers everything (RF-34, ZB-25)', () => {
    world.ask('in flight');
    world.turn();
    world.ask('waiting');
    world.breakDisk();
    expect(world.outcomes).toEqual(['stopping', 'unknown']);
    expect(world.replica.status().stopped).toBe(true);
    expect(happened()).toContain('fatal WAL_ERR_IO');
    world.peers.frame(nodeId(2), bytes('x'));
    world.turn();
    expect(happened()).toEqual([]);
  });

  it('8: without space proposals are refused and everything else goes on', () => {
    world.hasSpace = false;
    world.ask();
    world.turn();
    expect(world.outcomes).toEqual(['noSpace']);
    world.hasSpace = true;
    world.ask();
    happened();
    world.turn();
    expect(happened()).toEqual(['propose 1']);
  });

  it('abandoned: lost names the leader, unknown is unknown', () => {
    world = new World({ limits: { commandsMax: 1 } });
    world.ask();
    world.ask();
    world.output({
      abandoned: [
        { ticket: 1 as Ticket, outcome: 'lost' },
        { ticket: 2 as Ticket, outcome: 'unknown' },
      ],
    });
    world.turn();
    expect(world.outcomes).toEqual(['notLeader', 'unknown']);
  });

  it('a busy engine keeps commands waiting without spinning, a refusing one does not', () => {
    world.propose = 'busy';
    world.ask();
    world.turn();
    expect(happened()).toEqual(['propose 1']);
    expect(world.replica.status().proposalsQueued).toBe(1);
    world.propose = 'notLeader';
    world.peers.frame(nodeId(2), bytes('x'));
    world.turn();
    expect(world.outcomes).toEqual(['notLeader']);
  });

  it('SIM-04 a malformed frame ends its session: FIFO channels have no holes', () => {
    world.peers.frame(nodeId(2), bytes('a'));
    world.peers.frame(nodeId(2), Uint8Array.from([8]));
    world.peers.frame(nodeId(2), bytes('b'));
    world.peers.frame(nodeId(3), bytes('c'));
    world.turn();
    expect(happened()).toEqual(['step 2 a', 'reset 2', 'step 3 c']);
    world.peers.frame(nodeId(2), bytes('d'));
    world.peers.disconnected(nodeId(2), 'reset by the host');
    world.peers.connected(nodeId(2));
    world.peers.frame(nodeId(2), bytes('e'));
    world.turn();
    expect(happened()).toEqual(['disconnected 2', 'connected 2', 'step 2 e']);
  });

  const announced = (index: number, ...peers: number[]): Output => ({
    messagesAfterPersist: [to(`snap ${index}`, ...peers)],
    snapshotsToSend: peers.map((peer) => ({
      to: nodeId(peer),
      meta: { index: logIndex(index) } as SnapshotMeta,
    })),
  });

  it('SIM-10 a snapshot keeps its place behind the message that announces it', () => {
    world.output({ records: [record], ...announced(7, 2) });
    world.ask();
    world.turn();
    expect(happened()).toEqual(['propose 1', 'append 1']);
    world.durable();
    world.turn();
    expect(happened()).toEqual(['send 2 snap 7', 'reads snapshot 7 at 0', 'persisted 1']);
  });

  it('SIM-10 a snapshot that waits for the disk ends with its session', () => {
    world.output({ records: [record], ...announced(7, 2, 3) });
    world.ask();
    world.turn();
    happened();
    world.peers.disconnected(nodeId(2), 'cut');
    world.peers.connected(nodeId(2));
    world.turn();
    expect(happened()).toEqual(['snapshot sent 2 false', 'disconnected 2', 'connected 2']);
    world.durable();
    world.turn();
    expect(happened()).toEqual(['send 3 snap 7', 'reads snapshot 7 at 0', 'persisted 1']);
  });

  it('malformed frames outside a session are counted and change nothing', () => {
    world.peers.disconnected(nodeId(2), 'cut');
    world.turn();
    happened();
    world.peers.frame(nodeId(2), Uint8Array.from([8]));
    world.peers.frame(nodeId(2), Uint8Array.from([0xa2, 0x06, 0x7f]));
    world.turn();
    expect(happened()).toEqual([]);
    expect(world.replica.status().counters).toMatchObject({
      framesReceived: 2,
      framesMalformed: 2,
    });
  });

  it('counts what it sends by kind', () => {
    world.output({ messages: [to('abc', 2, 3)] });
    world.ask();
    world.turn();
    const { sent } = world.replica.status().counters;
    expect(sent).toEqual([{ field: 1, frames: 2, bytes: 10 }]);
  });

  it('keeps no more than one timer, and moves it only to an earlier time', () => {
    const at = (offset: number): Instant => instant(world.now + offset);
    world.deadline = at(100);
    world.peers.frame(nodeId(2), bytes('x'));
    world.turn();
    world.deadline = at(900);
    world.peers.frame(nodeId(2), bytes('x'));
    world.turn();
    world.now += 100;
    happened();
    world.log.length = 0;
    expect(world.step()).toBe(true);
    expect(world.log).toContain('tick');
  });
});
