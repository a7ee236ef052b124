import {
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  type EngineLimits,
  EntryType,
  encodeSnapshotMeta,
  type Instant,
  logIndex,
  type NodeId,
  nodeId,
  type Ready,
  type ReadyNumber,
  RecordKind,
  ticket,
  type Variants,
  type WalRecord,
} from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { describeMessage } from './describe.ts';
import type { ZabMessage } from './messages.ts';
import { Output } from './output.ts';
import { zab } from './protocol.ts';
import {
  acceptedEpochRecord,
  currentEpochRecord,
  encodeSnapshotZxid,
  transactionRecord,
} from './records.ts';
import type { Zxid } from './zxid.ts';

const z = (epoch: number, counter: number): Zxid => ({ epoch, counter });
const NO_SYNC_YET = { acceptedEpoch: 0 };
const BYTES = Uint8Array.from([9]);

function transaction(zxid: Zxid, index: number): WalRecord {
  return transactionRecord(zxid, logIndex(index), EntryType.command, BYTES);
}

/** A log that ends in `epoch` with these transactions. */
function logOf(epoch: number, ...zxids: Zxid[]): WalRecord[] {
  return [
    acceptedEpochRecord(epoch, nodeId(1)),
    ...zxids.map((zxid, at) => transaction(zxid, at + 1)),
    currentEpochRecord(epoch),
  ];
}

/** One engine, driven by hand; its peers are whatever the test says. */
class Lone {
  readonly engine;
  private now = 0;
  private last: ReadyNumber | 0 = 0;
  readonly said: { readonly to: NodeId; readonly message: ZabMessage; readonly early: boolean }[] =
    [];
  readonly readies: Ready<ZabMessage>[] = [];

  constructor(
    id: number,
    records: readonly WalRecord[] = [],
    overrides: { variants?: Variants; limits?: Partial<EngineLimits> } = {},
  ) {
    const voters = [1, 2, 3].map((voter) => ({ id: nodeId(voter), disk: '', address: '' }));
    this.engine = zab.open(
      {
        ...DEFAULT_TIMING,
        id: nodeId(id),
        membership: { voters, learners: [], witnesses: [] },
        now: 0 as Instant,
        detector: 'timers',
        variants: overrides.variants ?? {},
        limits: { ...DEFAULT_LIMITS, ...overrides.limits },
      },
      createRandom(`lone ${id}`),
      null,
      records,
    );
  }

  /** One turn: inputs, timers, Ready. */
  turn(input: () => void = () => {}, micros = 1): Ready<ZabMessage> {
    this.now += micros;
    this.engine.clock(this.now as Instant);
    input();
    this.engine.tick();
    const ready = this.engine.takeReady();
    this.last = ready.number;
    this.readies.push(ready);
    for (const [list, early] of [
      [ready.messages, true],
      [ready.messagesAfterPersist, false],
    ] as const) {
      for (const { to, message } of list) {
        for (const peer of to) this.said.push({ to: peer, message, early });
      }
    }
    return ready;
  }

  hears(from: number, ...messages: ZabMessage[]): Ready<ZabMessage> {
    return this.turn(() => {
      for (const message of messages) this.engine.step(nodeId(from), message);
    });
  }

  fsync(): Ready<ZabMessage> {
    const upTo = this.last as ReadyNumber;
    return this.turn(() => this.engine.persisted(upTo));
  }

  /** The last message of a kind. */
  lastSaid<K extends ZabMessage['kind']>(kind: K): Extract<ZabMessage, { kind: K }> {
    const found = this.said.findLast(({ message }) => message.kind === kind);
    if (found === undefined) throw new Error(`nothing of kind ${kind} was said`);
    return found.message as Extract<ZabMessage, { kind: K }>;
  }

  /** Makes the engine the winner of an election that server 1 supports. */
  elected(): void {
    const own = this.lastSaidOrFirst();
    this.hears(1, { kind: 'notification', state: 'looking', round: own.round, vote: own.vote });
    this.turn(() => {}, 25_000);
  }

  private lastSaidOrFirst(): Extract<ZabMessage, { kind: 'notification' }> {
    if (!this.said.some(({ message }) => message.kind === 'notification')) this.turn();
    return this.lastSaid('notification');
  }

  /** Lets server 1 follow up to the end of phase 2; then the engine broadcasts. */
  broadcasts(): number {
    this.elected();
    this.hears(1, { kind: 'followerInfo', nonce: 7, ...NO_SYNC_YET });
    this.fsync();
    const { epoch } = this.lastSaid('newEpoch');
    this.hears(1, ackEpoch(epoch, 7, 0, z(0, 0)));
    this.fsync();
    const { index } = this.lastSaid('newLeader');
    this.hears(1, { kind: 'ack', nonce: 7, epoch, index });
    return epoch;
  }

  /** Lets the engine follow server 3 up to NEWEPOCH; returns the attempt's nonce. */
  follows(epoch: number): number {
    this.turn();
    const vote = { leader: nodeId(3), epoch: 99, zxid: z(99, 1) };
    const { round } = this.lastSaid('notification');
    this.hears(3, { kind: 'notification', state: 'looking', round, vote });
    this.turn(() => {}, 25_000);
    const { nonce } = this.lastSaid('followerInfo');
    this.hears(3, { kind: 'newEpoch', nonce, epoch });
    return nonce;
  }

  get lines(): string[] {
    return this.said.map(({ to, message }) => `${to} ${describeMessage(message)}`);
  }
}

function ackEpoch(epoch: number, nonce: number, currentEpoch: number, zxid: Zxid): ZabMessage {
  const index = logIndex(zxid.counter);
  return { kind: 'ackEpoch', nonce, epoch, counted: true, currentEpoch, zxid, index };
}

describe('phase 1, discovery (DSN11 V-B)', () => {
  it('the new epoch is above every acceptedEpoch that a quorum reports', () => {
    const leader = new Lone(3, logOf(4, z(4, 1)));
    leader.elected();
    leader.hears(1, { kind: 'followerInfo', nonce: 7, acceptedEpoch: 8 });
    expect(leader.lastSaid('newEpoch').epoch).toBe(9);
  });

  it('acceptedEpoch is durable before NEWEPOCH and ACK-E leave (Z13)', () => {
    const leader = new Lone(3);
    leader.elected();
    const ready = leader.hears(1, { kind: 'followerInfo', nonce: 7, acceptedEpoch: 0 });
    expect(ready.records.map((record) => record.kind)).toEqual([RecordKind.promise]);
    expect(ready.messages.some(({ message }) => message.kind === 'newEpoch')).toBe(false);
    const follower = new Lone(1);
    follower.follows(5);
    const said = follower.said.find(({ message }) => message.kind === 'ackEpoch');
    expect(said).toMatchObject({ early: false, message: { epoch: 5, currentEpoch: 0 } });
  });

  it('the leader is checked again: it gives way to a follower with a better history', () => {
    const leader = new Lone(3, logOf(4, z(4, 1)));
    leader.elected();
    leader.hears(1, { kind: 'followerInfo', nonce: 7, acceptedEpoch: 4 });
    leader.fsync();
    const ready = leader.hears(1, ackEpoch(5, 7, 4, z(4, 2)));
    expect(leader.engine.status().phase).toBe('election');
    expect(ready.events.map((event) => event.kind)).toContain('steppedDown');
  });

  it('an epoch promised to another server is acknowledged but never counted', () => {
    const follower = new Lone(1, [acceptedEpochRecord(5, nodeId(2))]);
    follower.follows(5);
    expect(follower.lastSaid('ackEpoch').counted).toBe(false);
  });

  it('an epoch below acceptedEpoch is refused', () => {
    const follower = new Lone(1, [acceptedEpochRecord(6, nodeId(2))]);
    const nonce = follower.follows(5);
    expect(nonce).toBeGreaterThan(0);
    expect(follower.said.some(({ message }) => message.kind === 'ackEpoch')).toBe(false);
  });
});

describe('phase 2, synchronization (DSN11 V-B)', () => {
  it('ZB-03, ZB-04, ZB-05, ZB-09: one batch: transactions, then currentEpoch; then the ACK', () => {
    const follower = new Lone(1, logOf(1, z(1, 1), z(1, 2)));
    const nonce = follower.follows(5);
    follower.hears(3, { kind: 'trunc', nonce, epoch: 5, zxid: z(1, 1), index: logIndex(1) });
    const diff = [transaction(z(2, 1), 2), transaction(z(2, 2), 3)];
    follower.hears(3, { kind: 'diff', nonce, epoch: 5, records: diff });
    const end = { zxid: z(2, 2), index: logIndex(3) };
    const ready = follower.hears(3, { kind: 'newLeader', nonce, epoch: 5, ...end });
    expect(ready.records.map((record) => record.kind)).toEqual([
      RecordKind.truncate,
      RecordKind.accept,
      RecordKind.accept,
      RecordKind.establish,
    ]);
    expect(ready.messagesAfterPersist.map(({ message }) => message.kind)).toEqual(['ack']);
    expect(ready.messages).toEqual([]);
  });

  it('ZB-12, ZB-13: an interrupted synchronization leaves no trace', () => {
    const follower = new Lone(1, logOf(1, z(1, 1), z(1, 2)));
    const nonce = follower.follows(5);
    follower.fsync();
    follower.hears(3, { kind: 'trunc', nonce, epoch: 5, zxid: z(1, 1), index: logIndex(1) });
    const half = [transaction(z(2, 1), 2)];
    const ready = follower.hears(3, { kind: 'diff', nonce, epoch: 5, records: half });
    expect(ready.records).toEqual([]);
    follower.turn(() => follower.engine.peerDisconnected(nodeId(3)));
    follower.turn(() => follower.engine.peerConnected(nodeId(3)));
    expect(follower.lastSaid('followerInfo').nonce).not.toBe(nonce);
    follower.hears(3, { kind: 'newLeader', nonce, epoch: 5, zxid: z(2, 1), index: logIndex(2) });
    expect(follower.engine.status()).toMatchObject({ lastIndex: 2, phase: 'discovery' });
  });

  it('Z9: a NEWLEADER whose end is not the synchronized end is refused', () => {
    const follower = new Lone(1, logOf(1, z(1, 1), z(1, 2)));
    const nonce = follower.follows(5);
    const ready = follower.hears(3, {
      kind: 'newLeader',
      nonce,
      epoch: 5,
      zxid: z(1, 1),
      index: logIndex(1),
    });
    expect(ready.records).toEqual([]);
    expect(ready.events.map((event) => event.kind)).toContain('messageIgnored');
  });

  it('Z11: a TRUNC of committed transactions is refused', () => {
    const committed = { ...transaction(z(1, 1), 2), kind: RecordKind.commit, encoded: null };
    const follower = new Lone(1, [...logOf(1, z(1, 1), z(1, 2)), committed]);
    const nonce = follower.follows(5);
    follower.hears(3, { kind: 'trunc', nonce, epoch: 5, zxid: z(1, 1), index: logIndex(1) });
    follower.hears(3, { kind: 'newLeader', nonce, epoch: 5, zxid: z(1, 1), index: logIndex(1) });
    expect(follower.engine.status()).toMatchObject({ lastIndex: 2, commitIndex: 2 });
  });

  it('ZB-11: a snapshot names the zxid of the last transaction it covers', () => {
    const leader = new Lone(3, logOf(4, z(4, 1), z(4, 2)));
    leader.broadcasts();
    const { engine } = leader.engine.describeSnapshot(logIndex(2));
    expect(engine).toEqual(encodeSnapshotZxid(z(4, 2)));
  });

  it('ZB-12: a SNAP is installed with currentEpoch in one batch, its file being there', () => {
    const follower = new Lone(1, logOf(1, z(1, 1)));
    const nonce = follower.follows(5);
    const engine = encodeSnapshotZxid(z(4, 4));
    const membership = { voters: [], learners: [], witnesses: [] };
    const meta = { index: logIndex(9), membership, digest: 'd', bytes: 1, engine };
    const newLeader = { kind: 'newLeader', nonce, epoch: 5, zxid: z(4, 4), index: logIndex(9) };
    follower.hears(3, { kind: 'snap', nonce, epoch: 5, meta });
    const other = { ...meta, digest: 'x' };
    follower.turn(() => follower.engine.snapshotOffered(nodeId(3), other));
    expect(follower.lines.some((line) => line.includes('SYNCACK'))).toBe(false);
    follower.turn(() => follower.engine.snapshotOffered(nodeId(3), meta));
    expect(follower.lastSaid('syncAck').index).toBe(9);
    const ready = follower.hears(3, newLeader as ZabMessage);
    expect(ready.snapshotToInstall).toEqual(meta);
    const kinds = ready.records.map((record) => record.kind);
    expect(kinds.slice(0, 3)).toEqual([
      RecordKind.truncate,
      RecordKind.snapshot,
      RecordKind.establish,
    ]);
    expect(ready.records[1]?.payload).toEqual(encodeSnapshotMeta(meta));
  });

  it('V-B: the initial history is committed by the NEWLEADER quorum, not before', () => {
    const leader = new Lone(3, logOf(4, z(4, 1), z(4, 2)));
    leader.elected();
    leader.hears(1, { kind: 'followerInfo', nonce: 7, acceptedEpoch: 4 });
    leader.fsync();
    leader.hears(1, ackEpoch(5, 7, 4, z(4, 1)));
    expect(leader.lines).toContain('1 DIFF 5 <4,2>');
    leader.fsync();
    expect(leader.engine.status()).toMatchObject({ commitIndex: 0, serving: false });
    leader.hears(1, { kind: 'ack', nonce: 7, epoch: 5, index: logIndex(2) });
    expect(leader.engine.status()).toMatchObject({ commitIndex: 2, serving: true });
    expect(leader.lastSaid('upToDate').committed).toBe(2);
  });

  it('NEWLEADER does not leave before currentEpoch is durable at the leader', () => {
    const leader = new Lone(3);
    leader.elected();
    leader.hears(1, { kind: 'followerInfo', nonce: 7, acceptedEpoch: 0 });
    leader.fsync();
    leader.hears(1, ackEpoch(1, 7, 0, z(0, 0)));
    const said = leader.said.find(({ message }) => message.kind === 'newLeader');
    expect(said?.early).toBe(false);
  });
});

describe('phase 3, broadcast (DSN11 V-A)', () => {
  it('ZB-20, ZB-21, ZB-22: what is proposed and committed during a join arrives in order', () => {
    const leader = new Lone(3);
    const epoch = leader.broadcasts();
    leader.hears(2, { kind: 'followerInfo', nonce: 8, acceptedEpoch: 0 });
    leader.hears(2, ackEpoch(epoch, 8, 0, z(0, 0)));
    expect(leader.lastSaid('newLeader').index).toBe(1);
    leader.turn(() => leader.engine.propose(BYTES, ticket(1)));
    leader.fsync();
    leader.hears(1, { kind: 'ack', nonce: 7, epoch, index: logIndex(2) });
    expect(leader.engine.status().commitIndex).toBe(2);
    leader.hears(2, { kind: 'ack', nonce: 8, epoch, index: logIndex(1) });
    const toJoiner = leader.lines.filter((line) => line.startsWith('2 '));
    expect(toJoiner.filter((line) => !/PING|NOTIFICATION/.test(line))).toEqual([
      '2 NEWEPOCH 1',
      '2 DIFF 1 <1,1>',
      '2 NEWLEADER 1 at <1,1>',
      '2 PROPOSE 1 <1,2> committed=0',
      '2 UPTODATE 1 committed=2',
    ]);
  });

  it('ZB-06: the acknowledgement of a proposal serves as that of NEWLEADER', () => {
    const leader = new Lone(3);
    const epoch = leader.broadcasts();
    leader.hears(2, { kind: 'followerInfo', nonce: 8, acceptedEpoch: 0 });
    leader.hears(2, ackEpoch(epoch, 8, 0, z(0, 0)));
    leader.turn(() => leader.engine.propose(BYTES, ticket(1)));
    leader.hears(2, { kind: 'ack', nonce: 8, epoch, index: logIndex(2) });
    expect(leader.lines.filter((line) => line.startsWith('2 UPTODATE'))).toHaveLength(1);
  });

  it('ZB-07, ZB-22: COMMIT before UPTODATE counts, a duplicate is dropped, a gap refused', () => {
    const follower = new Lone(1);
    const nonce = follower.follows(1);
    const one = transaction(z(1, 1), 1);
    follower.hears(3, { kind: 'diff', nonce, epoch: 1, records: [one] });
    follower.hears(3, { kind: 'newLeader', nonce, epoch: 1, zxid: z(1, 1), index: logIndex(1) });
    const two = transaction(z(1, 2), 2);
    const propose = { kind: 'propose', epoch: 1, committed: logIndex(1) } as const;
    const ready = follower.hears(3, { ...propose, records: [one, two] });
    expect(ready.records.filter((record) => record.kind === RecordKind.accept)).toEqual([two]);
    expect(ready.committed.map((entry) => entry.index)).toEqual([1]);
    follower.hears(3, { ...propose, records: [transaction(z(1, 4), 4)] });
    expect(follower.engine.status()).toMatchObject({ lastIndex: 2, phase: 'discovery' });
    expect(follower.turn(() => {}, 60_000).messagesAfterPersist[0]?.message.kind).toBe(
      'followerInfo',
    );
  });

  it('the leader counts itself only once its own log is durable', () => {
    const leader = new Lone(3);
    const epoch = leader.broadcasts();
    leader.hears(1, { kind: 'ack', nonce: 7, epoch, index: logIndex(1) });
    expect(leader.engine.status().commitIndex).toBe(0);
    leader.fsync();
    expect(leader.engine.status().commitIndex).toBe(1);
  });

  it('ZB-26: when the counters of an epoch are used up, a new epoch is elected', () => {
    const leader = new Lone(3, [], { variants: { zxidCounterMax: 2 } });
    leader.broadcasts();
    leader.turn(() => expect(leader.engine.propose(BYTES, ticket(1))).toBe('accepted'));
    const ready = leader.turn(() =>
      expect(leader.engine.propose(BYTES, ticket(2))).toBe('notLeader'),
    );
    expect(ready.abandoned).toEqual([{ ticket: 1, outcome: 'unknown' }]);
    expect(leader.engine.status().phase).toBe('election');
    leader.fsync();
    leader.elected();
    leader.hears(1, { kind: 'followerInfo', nonce: 9, acceptedEpoch: 1 });
    expect(leader.lastSaid('newEpoch').epoch).toBe(2);
  });

  it('ZB-29: what is sent behind a message that waits for the disk waits too', () => {
    const out = new Output();
    const newLeader = { kind: 'newLeader', nonce: 1, epoch: 1, zxid: z(0, 0), index: logIndex(0) };
    out.sendAfterPersist([nodeId(1)], newLeader as ZabMessage);
    out.sendEarly([nodeId(1), nodeId(2)], { kind: 'commit', epoch: 1, committed: logIndex(0) });
    expect(out.messages.map(({ to }) => to)).toEqual([[2]]);
    expect(out.messagesAfterPersist.map(({ to }) => to)).toEqual([[1], [1]]);
  });

  it('a read asked in an earlier attempt is not answered in a later one', () => {
    const leader = new Lone(3);
    const epoch = leader.broadcasts();
    leader.fsync();
    const question = { kind: 'read', epoch, token: 1, index: logIndex(0), refused: false } as const;
    leader.hears(1, question);
    leader.hears(1, { kind: 'followerInfo', nonce: 8, acceptedEpoch: 1 });
    leader.hears(1, ackEpoch(epoch, 8, 1, z(1, 1)));
    leader.hears(1, { kind: 'ack', nonce: 8, epoch, index: logIndex(1) });
    leader.hears(1, { kind: 'ping', epoch, token: leader.lastSaid('ping').token });
    expect(leader.said.some(({ message }) => message.kind === 'read')).toBe(false);
  });
});

describe('elections between engines', () => {
  it('ZB-01: a server votes by its last logged transaction, committed or not', () => {
    const server = new Lone(2, logOf(1, z(1, 1), z(1, 2)));
    server.turn();
    expect(server.lastSaid('notification').vote).toEqual({ leader: 2, epoch: 1, zxid: z(1, 2) });
    expect(server.said[0]?.early).toBe(false);
  });

  it('ZB-08: a follower that goes back to the election votes by everything it has logged', () => {
    const follower = new Lone(1);
    const nonce = follower.follows(1);
    follower.hears(3, { kind: 'newLeader', nonce, epoch: 1, zxid: z(0, 0), index: logIndex(0) });
    const records = [transaction(z(1, 1), 1)];
    follower.hears(3, { kind: 'propose', epoch: 1, committed: logIndex(0), records });
    const ready = follower.turn(() => {}, 400_000);
    const said = ready.messagesAfterPersist.find(({ message }) => message.kind === 'notification');
    expect(said?.message).toMatchObject({ vote: { leader: 1, epoch: 1, zxid: z(1, 1) } });
  });
});
