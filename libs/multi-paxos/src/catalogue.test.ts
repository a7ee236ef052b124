import {
  type CommittedEntry,
  type ConsensusEngine,
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  type EngineEvent,
  type EngineLimits,
  EntryType,
  instant,
  logIndex,
  type NodeId,
  nodeId,
  type ReadState,
  RecordKind,
  type Round,
  type SnapshotMeta,
  ticket,
  type Variants,
  type WalRecord,
} from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import type { Ballot } from './ballot.ts';
import type { PaxosMessage, PromiseChunk } from './messages.ts';
import { multiPaxos } from './protocol.ts';
import {
  acceptRecord,
  chosenRecord,
  commitRecord,
  foldRecords,
  promiseRecord,
  snapshotRecord,
} from './records.ts';

const b = (round: number, node: number): Ballot => ({
  round: round as Round,
  node: node as NodeId,
});
const value = (text: string): Uint8Array => new TextEncoder().encode(text);
const accepted = (ballot: Ballot, slot: number, text: string): WalRecord =>
  acceptRecord(ballot, slot, EntryType.command, value(text));
const voters = [1, 2, 3].map((id) => ({ id: nodeId(id), disk: `d${id}`, address: `n${id}:1` }));
const membership = { voters, learners: [], witnesses: [] };

interface Settings {
  readonly nodes?: number;
  readonly log?: readonly WalRecord[];
  readonly snapshot?: SnapshotMeta;
  readonly limits?: Partial<EngineLimits>;
  readonly variants?: Variants;
}

/** One engine driven by hand: the test is its network, its disk and its clock. */
class Driven {
  readonly engine: ConsensusEngine<PaxosMessage>;
  readonly log: WalRecord[];
  sent: { to: readonly NodeId[]; message: PaxosMessage }[] = [];
  committed: CommittedEntry[] = [];
  reads: ReadState[] = [];
  events: EngineEvent[] = [];
  transfers = 0;
  diskStands = false;
  private held: typeof this.sent = [];
  private now = 0;
  private newest = 0;

  constructor(id: number, settings: Settings = {}) {
    this.log = [...(settings.log ?? [])];
    const members = voters.slice(0, settings.nodes ?? 3);
    const config = {
      ...DEFAULT_TIMING,
      id: nodeId(id),
      membership: { ...membership, voters: members },
      now: instant(0),
      detector: 'timers' as const,
      variants: settings.variants ?? {},
      limits: { ...DEFAULT_LIMITS, ...settings.limits },
    };
    const random = createRandom(`driven ${id}`);
    this.engine = multiPaxos.open(config, random, settings.snapshot ?? null, this.log);
  }

  /** Takes what is ready; unless the disk stands, it is durable at once. */
  take(): this {
    while (this.engine.hasReady()) {
      const ready = this.engine.takeReady();
      this.newest = ready.number;
      this.log.push(...ready.records);
      this.sent.push(...ready.messages);
      this.held.push(...ready.messagesAfterPersist);
      this.committed.push(...ready.committed);
      this.reads.push(...ready.readStates);
      this.events.push(...ready.events);
      this.transfers += ready.snapshotsToSend.length;
      for (const { index } of ready.committed) this.engine.applied(index);
      if (!this.diskStands) this.sync();
    }
    return this;
  }

  sync(): void {
    this.sent.push(...this.held.splice(0));
    if (this.newest > 0) this.engine.persisted(this.newest as never);
  }

  step(from: number, message: PaxosMessage): this {
    this.engine.step(nodeId(from), message);
    return this.take();
  }

  /** Moves the clock in small turns. */
  wait(micros: number): this {
    const end = this.now + micros;
    while (this.now < end) {
      this.now = Math.min(end, this.now + 5_000);
      this.engine.clock(instant(this.now));
      this.engine.tick();
      this.take();
    }
    return this;
  }

  /** All messages of one kind sent so far. */
  all<K extends PaxosMessage['kind']>(kind: K): Extract<PaxosMessage, { kind: K }>[] {
    const messages = this.sent.map((outbound) => outbound.message);
    return messages.filter((m): m is Extract<PaxosMessage, { kind: K }> => m.kind === kind);
  }

  /** The last message of one kind. */
  last<K extends PaxosMessage['kind']>(kind: K): Extract<PaxosMessage, { kind: K }> {
    const message = this.all(kind).at(-1);
    if (message === undefined) throw new Error(`no ${kind} was sent`);
    return message;
  }

  texts(): string[] {
    return this.committed.map(({ type, payload }) =>
      type === EntryType.noop ? 'no-op' : new TextDecoder().decode(payload),
    );
  }

  saw(kind: EngineEvent['kind']): boolean {
    return this.events.some((event) => event.kind === kind);
  }

  /** Lets the timer fire and the peers be willing: the engine is in phase 1 afterwards. */
  prepare(): Ballot {
    this.wait(301_000);
    const { ballot } = this.last('probe');
    this.step(2, { kind: 'probeReply', ballot, willing: true, promised: b(4, 2) });
    return this.last('prepare').ballot;
  }

  /** Wins with a promise of node 2 that holds `records`. */
  lead(records: readonly WalRecord[] = [], more: Partial<PromiseChunk> = {}): Ballot {
    const ballot = this.prepare();
    this.step(2, promise(ballot, this.last('prepare').fromSlot, records, more));
    return ballot;
  }

  ack(from: number, ballot: Ballot, first: number, last: number): this {
    const ranges = [{ first, last }];
    return this.step(from, { kind: 'accepted', ballot, chosenPrefix: 0, ranges });
  }
}

function promise(
  ballot: Ballot,
  fromSlot: number,
  records: readonly WalRecord[],
  more: Partial<PromiseChunk> = {},
): PromiseChunk {
  const throughSlot = Math.max(fromSlot - 1, ...records.map((record) => record.index));
  const rest = { throughSlot, last: true, trimMark: 0, chosenPrefix: 0, accepted: records };
  return { kind: 'promise', ballot, fromSlot, ...rest, ...more };
}

const accept = (ballot: Ballot, chosenPrefix: number, ...proposals: WalRecord[]): PaxosMessage => ({
  kind: 'accept',
  ballot,
  firstSlot: proposals[0]?.index ?? 1,
  chosenPrefix,
  proposals,
});

const snapshotMeta = (index: number): SnapshotMeta => {
  const digest = 'd'.repeat(64);
  return { index: logIndex(index), membership, digest, bytes: 10, engine: new Uint8Array(0) };
};

describe('Paxos Made Simple', () => {
  it('section 2.2, P1a: an acceptor accepts unless it has promised a higher ballot', () => {
    const acceptor = new Driven(3);
    acceptor.step(1, accept(b(1, 1), 0, accepted(b(1, 1), 1, 'a')));
    expect(acceptor.last('accepted').ranges).toEqual([{ first: 1, last: 1 }]);
    acceptor.wait(200_000).step(2, { kind: 'prepare', ballot: b(2, 2), fromSlot: 1 });
    acceptor.step(1, accept(b(1, 1), 0, accepted(b(1, 1), 2, 'late')));
    expect(acceptor.last('preempted')).toMatchObject({ ballot: b(1, 1), promised: b(2, 2) });
    expect(foldRecords(acceptor.log).slots.has(2)).toBe(false);
  });

  it('section 2.2, P2c: the value of the highest accepted ballot is proposed again', () => {
    const proposer = new Driven(1, { log: [accepted(b(1, 1), 1, 'old')] });
    const ballot = proposer.lead([accepted(b(2, 3), 1, 'new')]);
    const { proposals } = proposer.last('accept');
    expect(proposals.map((record) => [record.index, record.round])).toEqual([[1, ballot.round]]);
    expect(proposals[0]?.payload).toEqual(value('new'));
  });

  it('section 3: nothing is chosen by an accept that is not durable', () => {
    const leader = new Driven(1);
    const ballot = leader.lead();
    leader.diskStands = true;
    leader.engine.propose(value('a'), ticket(7));
    leader.take();
    expect(leader.last('accept').firstSlot).toBe(1); // The send overlaps the own write.
    expect(leader.ack(2, ballot, 1, 1).texts()).toEqual([]);
    expect(leader.ack(3, ballot, 1, 1).texts()).toEqual(['a']);
    const alone = new Driven(1, { nodes: 1 }).wait(301_000);
    alone.diskStands = true;
    alone.engine.propose(value('b'), ticket(8));
    expect(alone.take().texts()).toEqual([]);
    alone.sync();
    expect(alone.take().committed[0]?.ticket).toBe(8);
  });

  it('section 3: a promise and an acknowledgement wait for the disk', () => {
    const acceptor = new Driven(3);
    acceptor.diskStands = true;
    acceptor.step(1, { kind: 'prepare', ballot: b(1, 1), fromSlot: 1 });
    acceptor.step(1, accept(b(1, 1), 0, accepted(b(1, 1), 1, 'a')));
    expect(acceptor.sent).toEqual([]);
    acceptor.sync();
    expect(acceptor.all('promise')).toHaveLength(1);
    expect(acceptor.all('accepted')).toHaveLength(1);
  });

  it('MP-02: a ballot is spoken of once it is durable, so that no restart uses it again', () => {
    const proposer = new Driven(1);
    proposer.wait(301_000);
    const { ballot } = proposer.last('probe');
    proposer.diskStands = true;
    proposer.step(2, { kind: 'probeReply', ballot, willing: true, promised: b(4, 2) });
    expect(proposer.all('prepare')).toEqual([]);
    proposer.sync();
    expect(proposer.all('prepare')).not.toEqual([]);
  });
});

describe('Paxos Made Moderately Complex', () => {
  it('section 2.3: a chunked promise counts with its last chunk', () => {
    const held = [1, 2, 3, 4, 5].map((slot) => accepted(b(1, 2), slot, `v${slot}`));
    const acceptor = new Driven(3, { log: held, limits: { appendEntriesMax: 2 } });
    const proposer = new Driven(1);
    proposer.prepare();
    const asked: number[] = [];
    for (let chunk = 0; chunk < 3; chunk++) {
      expect(proposer.saw('elected')).toBe(false);
      const request = proposer.all('prepare').at(-1) as PaxosMessage & { kind: 'prepare' };
      asked.push(request.fromSlot);
      acceptor.step(1, request);
      expect(acceptor.last('promise').accepted.length).toBeLessThanOrEqual(2);
      const repeated = acceptor.last('promise');
      proposer.step(3, repeated).step(3, repeated);
    }
    expect(asked).toEqual([1, 3, 5]);
    expect(proposer.saw('elected')).toBe(true);
    expect(proposer.last('accept').proposals).toHaveLength(5);
  });

  it('section 2.3: a preempted leader stands down and its requests are unknown', () => {
    const leader = new Driven(1);
    const ballot = leader.lead();
    leader.engine.propose(value('a'), ticket(1));
    leader.take();
    leader.step(3, { kind: 'preempted', ballot, promised: b(9, 3) });
    expect(leader.saw('steppedDown')).toBe(true);
    expect(leader.engine.status().role).toBe('follower');
  });
});

describe('the catalogue', () => {
  it('MP-02: a restarted proposer never uses a ballot again', () => {
    const first = new Driven(1);
    const used = first.prepare();
    const again = new Driven(1, { log: first.log });
    const next = again.prepare();
    expect(next.round).toBeGreaterThan(used.round);
    // So the accept of its former life, still on its way, is refused by who promised the new one.
    const acceptor = new Driven(2).step(1, { kind: 'prepare', ballot: next, fromSlot: 1 });
    acceptor.step(1, accept(next, 0, accepted(next, 1, 'v2')));
    acceptor.step(1, accept(used, 0, accepted(used, 1, 'v1')));
    expect(acceptor.all('accepted')).toHaveLength(1);
    expect(foldRecords(acceptor.log).slots.get(1)?.payload).toEqual(value('v2'));
  });

  it('MP-03: a promise reports the accepted ballot, not the promised one', () => {
    const log = [accepted(b(1, 1), 1, 'v'), promiseRecord(b(3, 3))];
    const acceptor = new Driven(1, { log });
    acceptor.step(2, { kind: 'prepare', ballot: b(4, 2), fromSlot: 1 });
    const reported = acceptor.last('promise').accepted;
    expect(reported.map((record) => record.round)).toEqual([1]);
    // Who asked holds v2 at ballot 2, which is higher than 1 though not than 3.
    const proposer = new Driven(2, { log: [accepted(b(2, 2), 1, 'v2'), promiseRecord(b(3, 3))] });
    proposer.wait(301_000);
    const probed = proposer.last('probe').ballot;
    proposer.step(1, { kind: 'probeReply', ballot: probed, willing: true, promised: b(3, 3) });
    const { ballot } = proposer.last('prepare');
    proposer.step(1, promise(ballot, 1, reported));
    expect(proposer.last('accept').proposals[0]?.payload).toEqual(value('v2'));
  });

  it('MP-04: accepts are counted at one and the same ballot', () => {
    const leader = new Driven(1);
    const ballot = leader.lead([accepted(b(1, 2), 1, 'v')]); // Accepted here already.
    leader.ack(2, b(ballot.round - 1, 1), 1, 1).ack(3, b(1, 2), 1, 1);
    expect(leader.texts()).toEqual([]);
    expect(leader.ack(2, ballot, 1, 1).texts()).toEqual(['v']);
  });

  it('MP-05: holes are filled with no-ops only where nobody accepted', () => {
    const leader = new Driven(1);
    leader.lead([accepted(b(1, 2), 5, 'five'), accepted(b(1, 2), 7, 'seven')]);
    const { proposals } = leader.last('accept');
    expect(proposals.map((record) => record.entryType === EntryType.noop)).toEqual([
      true,
      true,
      true,
      true,
      false,
      true,
      false,
    ]);
  });

  it('MP-06: a notice commits only what was accepted at the noticed ballot', () => {
    const acceptor = new Driven(3, { log: [accepted(b(1, 1), 1, 'x')] });
    acceptor.step(2, { kind: 'chosen', ballot: b(2, 2), chosenPrefix: 1 });
    expect(acceptor.texts()).toEqual([]);
    acceptor.wait(60_000);
    expect(acceptor.last('catchUpRequest').fromSlot).toBe(1);
    const chosen = [chosenRecord(accepted(b(2, 2), 1, 'y'))];
    acceptor.step(1, { kind: 'catchUpReply', firstSlot: 1, chosenPrefix: 1, chosen });
    expect(acceptor.texts()).toEqual(['y']);
    expect(foldRecords(acceptor.log).slots.get(1)?.kind).toBe(RecordKind.chosen);
  });

  it('MP-08: a leader that hears nothing sends again, then stands down', () => {
    const leader = new Driven(1);
    leader.lead();
    leader.engine.propose(value('a'), ticket(1));
    leader.take().wait(120_000);
    expect(leader.all('accept').length).toBeGreaterThan(1);
    expect(leader.wait(400_000).saw('steppedDown')).toBe(true);
  });

  it('MP-12: a trimmed acceptor reports its mark, and the proposer waits for a snapshot', () => {
    const snapshot = snapshotMeta(100);
    const acceptor = new Driven(3, { log: [snapshotRecord(snapshot)], snapshot });
    acceptor.step(1, { kind: 'prepare', ballot: b(2, 1), fromSlot: 61 });
    expect(acceptor.last('promise').trimMark).toBe(100);
    acceptor.step(1, accept(b(2, 1), 0, accepted(b(2, 1), 100, 'no')));
    expect(acceptor.all('accepted')).toEqual([]);
    const proposer = new Driven(1);
    proposer.lead([], { trimMark: 100, throughSlot: 100 });
    expect(proposer.engine.status().phase).toBe('recovery');
    expect(proposer.all('accept')).toEqual([]);
    expect(proposer.last('catchUpRequest').fromSlot).toBe(1);
    proposer.engine.snapshotOffered(nodeId(2), snapshot);
    expect(proposer.take().engine.status().serving).toBe(true);
  });

  it('MP-13: who asks below the trim mark gets a snapshot', () => {
    const snapshot = snapshotMeta(100);
    const server = new Driven(3, { log: [snapshotRecord(snapshot)], snapshot });
    server.step(1, { kind: 'catchUpRequest', fromSlot: 7 });
    server.step(1, { kind: 'catchUpRequest', fromSlot: 7 });
    expect(server.last('snapshotOffer').slot).toBe(100);
    expect(server.transfers).toBe(1);
    expect(server.all('catchUpReply')).toEqual([]);
  });

  it('MP-15: a slot chosen first waits for the ones before it', () => {
    const leader = new Driven(1);
    const ballot = leader.lead();
    leader.diskStands = true;
    leader.engine.propose(value('one'), ticket(1));
    leader.engine.propose(value('two'), ticket(2));
    leader.take();
    expect(leader.ack(2, ballot, 2, 2).ack(3, ballot, 2, 2).texts()).toEqual([]);
    expect(leader.ack(2, ballot, 1, 1).ack(3, ballot, 1, 1).texts()).toEqual(['one', 'two']);
  });

  it('MP-23: a huge round is refused', () => {
    const acceptor = new Driven(3);
    acceptor.step(1, { kind: 'prepare', ballot: b(2 ** 53 - 1, 1), fromSlot: 1 });
    acceptor.step(1, { kind: 'heartbeat', ballot: b(2 ** 50, 1), sequence: 1, chosenPrefix: 0 });
    expect(acceptor.engine.status().round).toBe(0);
    expect(acceptor.sent).toEqual([]);
    expect(acceptor.events.filter(({ kind }) => kind === 'messageIgnored')).toHaveLength(2);
  });

  it('MP-24: a read waits until each reported slot is chosen under the new ballot', () => {
    const log = [1, 2, 3, 4].map((slot) => accepted(b(1, 2), slot, `v${slot}`));
    const leader = new Driven(1, { log: [...log, commitRecord(4)] }).take();
    const ballot = leader.lead([accepted(b(1, 2), 5, 'x')]);
    leader.diskStands = true;
    expect(leader.engine.read('linearizable', ticket(9))).toBe('accepted');
    const { sequence } = leader.take().last('heartbeat');
    leader.step(2, { kind: 'heartbeatReply', ballot, sequence: sequence - 1, chosenPrefix: 0 });
    leader.step(2, { kind: 'heartbeatReply', ballot, sequence, chosenPrefix: 0 });
    expect(leader.reads).toEqual([]);
    leader.ack(2, ballot, 5, 5);
    expect(leader.reads).toEqual([{ ticket: 9, index: 5 }]);
  });

  it('V3, V4: a replica that is cut off raises no ballot', () => {
    const lonely = new Driven(3).wait(5_000_000);
    expect(lonely.all('probe').length).toBeGreaterThan(10);
    expect(lonely.all('prepare')).toEqual([]);
    expect(lonely.log).toEqual([]);
  });

  it('leaderStickiness: a replica that hears a leader defers foreign prepares', () => {
    const acceptor = new Driven(3);
    acceptor.step(1, { kind: 'heartbeat', ballot: b(1, 1), sequence: 1, chosenPrefix: 0 });
    acceptor.step(2, { kind: 'prepare', ballot: b(2, 2), fromSlot: 1 });
    expect(acceptor.all('promise')).toEqual([]);
    acceptor.wait(151_000).step(2, { kind: 'prepare', ballot: b(2, 2), fromSlot: 1 });
    expect(acceptor.all('promise')).toHaveLength(1);
    const eager = new Driven(3, { variants: { leaderStickiness: false } });
    eager.step(1, { kind: 'heartbeat', ballot: b(1, 1), sequence: 1, chosenPrefix: 0 });
    eager.step(2, { kind: 'prepare', ballot: b(2, 2), fromSlot: 1 });
    expect(eager.all('promise')).toHaveLength(1);
  });
});
