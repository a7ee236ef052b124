import { DEFAULT_TIMING, type LogIndex, nodeId, round } from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { HandDriven } from './hand-driven.ts';
import { promiseRecord } from './records.ts';

const plain = { variants: { preVote: false, checkQuorum: false } };
const role = (cluster: HandDriven, id: number): string => cluster.engine(id).status().phase;
const votes = (cluster: HandDriven, id: number) =>
  cluster.pick((one) => one.to === id && one.message.kind === 'requestVoteResponse');
const grants = (cluster: HandDriven, from: number): boolean[] =>
  cluster.wire
    .filter((one) => one.from === from)
    .flatMap(({ message }) =>
      message.kind === 'requestVoteResponse' && !message.preVote ? [message.voteGranted] : [],
    );

describe('Raft paper, section 5.2: leader election', () => {
  it('a follower that hears nothing stands, wins a majority, and leads with a no-op', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    expect(cluster.engine(1).status()).toMatchObject({ role: 'leader', round: 1, leader: 1 });
    expect([2, 3].map((id) => cluster.engine(id).status().leader)).toEqual([1, 1]);
    expect(cluster.replica(1).committed.map(({ type }) => type)).toEqual([2]);
    const kinds = cluster.replica(1).events.map(({ kind }) => kind);
    const noise = ['leaderChanged', 'messageIgnored']; // The third node's grants come too late.
    expect(kinds.filter((kind) => !noise.includes(kind))).toEqual([
      'suspected',
      'candidacy',
      'candidacy',
      'elected',
      'serving',
      'firstCommit',
    ]);
  });

  it.each([1, 2, 3, 4, 5, 6])('%i nodes need a majority, even sizes too (RF-19)', (nodes) => {
    const cluster = new HandDriven(nodes);
    const others = Array.from({ length: nodes }, (_, i) => i + 1);
    const majority = Math.floor(nodes / 2) + 1;
    cluster.elect(1, ...others.slice(0, majority - 1));
    expect(role(cluster, 1)).toBe(nodes === 1 ? 'leader' : 'pre-candidate');
    cluster.elect(1, ...others.slice(0, majority));
    expect(role(cluster, 1)).toBe('leader');
  });

  it('timeouts are drawn anew, at least 1 ms above the base (RF-10)', () => {
    const cluster = new HandDriven(3);
    const { electionTimeoutMinMicros: min, electionTimeoutMaxMicros: max } = DEFAULT_TIMING;
    const drawn = new Set<number>();
    for (let i = 0; i < 50; i++) {
      cluster.timeout(1);
      const now = cluster.replica(1).events.at(-1)?.at ?? 0;
      const wait = (cluster.engine(1).nextDeadline() ?? 0) - now;
      expect(wait).toBeGreaterThanOrEqual(min + 1000);
      expect(wait).toBeLessThanOrEqual(max);
      drawn.add(wait);
    }
    expect(drawn.size).toBeGreaterThan(40);
  });
});

describe('Raft paper, section 5.4.1: only an up-to-date candidate', () => {
  it('is refused with an older last term or a shorter log', () => {
    const cluster = new HandDriven(3, plain);
    cluster.elect(1);
    cluster.propose(1, 'a');
    cluster.settle(1, 2);
    cluster.pass(2, 1_000_000);
    cluster.timeout(3);
    const asked = cluster.pick((one) => one.from === 3 && one.to === 2);
    cluster.deliver(...asked);
    expect(grants(cluster, 2)).toEqual([false]);
  });
});

describe('votes', () => {
  it('RF-03: a grant of an older candidacy is not counted', () => {
    const cluster = new HandDriven(3, plain);
    cluster.timeout(1);
    cluster.deliver(...cluster.pick((one) => one.from === 1 && one.to === 2));
    const late = votes(cluster, 1);
    expect(late).toHaveLength(1);
    cluster.timeout(1);
    cluster.deliver(...late);
    expect(cluster.engine(1).status()).toMatchObject({ round: 2, phase: 'candidate' });
    expect(cluster.replica(1).events.at(-1)?.detail).toBe('answer to another candidacy');
  });

  it.each([true, false])('RF-04, RF-05: a vote outlives stepping down, preVote=%s', (preVote) => {
    const cluster = new HandDriven(3, { variants: { preVote, checkQuorum: false } });
    for (const id of [1, 3]) {
      cluster.open(id, [promiseRecord(round(2), 0)], null);
      cluster.timeout(id);
      if (preVote) {
        cluster.deliver(...cluster.pick((one) => one.from === id && one.to === 2));
        cluster.deliver(...votes(cluster, id));
      }
    }
    const late = cluster.pick(({ from, to }) => from === 3 && to === 2);
    cluster.settle(1, 2);
    expect(role(cluster, 1)).toBe('leader');
    // Node 2 doubts the leader, is brought back by it in the same term, and is asked again.
    cluster.timeout(2);
    cluster.wire = [];
    if (preVote) expect(cluster.engine(2).status().round).toBe(3);
    const before = cluster.engine(2).status().round;
    cluster.pass(1, DEFAULT_TIMING.heartbeatMicros);
    cluster.settle(1, 2);
    cluster.deliver(...late);
    expect(grants(cluster, 2)).toEqual([false]);
    expect(cluster.engine(2).status().round).toBe(before);
  });

  it('RF-06: a grant leaves only after its record is durable', () => {
    const cluster = new HandDriven(3, plain);
    cluster.slowDisks.add(2);
    cluster.timeout(1);
    cluster.deliver(...cluster.pick(({ to }) => to === 2));
    expect(grants(cluster, 2)).toEqual([]);
    cluster.slowDisks.clear();
    cluster.restart(2);
    expect(cluster.engine(2).status().round).toBe(0);
    cluster.timeout(3);
    cluster.deliver(...cluster.pick(({ from, to }) => from === 3 && to === 2));
    expect(grants(cluster, 2)).toEqual([true]);
  });

  it('RF-08: a request for votes waits for the tail that it names', () => {
    const cluster = new HandDriven(3, plain);
    cluster.elect(1);
    cluster.slowDisks.add(2);
    cluster.propose(1, 'a');
    cluster.settle(1, 2);
    cluster.timeout(2);
    expect(cluster.pick(({ from }) => from === 2)).toEqual([]);
    cluster.sync(2);
    const [asked] = cluster.pick(({ message }) => message.kind === 'requestVote');
    expect(asked?.message).toMatchObject({ lastLogIndex: 2, lastLogTerm: 1 });
    expect(cluster.replica(2).durable.some(({ index }) => index === 2)).toBe(true);
  });

  it('RF-32: a lone voter counts its vote and its entries once they are durable', () => {
    const cluster = new HandDriven(1);
    cluster.slowDisks.add(1);
    cluster.timeout(1);
    expect(role(cluster, 1)).toBe('candidate');
    cluster.sync(1);
    expect(role(cluster, 1)).toBe('leader');
    cluster.propose(1, 'a', 7);
    expect(cluster.texts(1)).toEqual([]);
    cluster.sync(1);
    cluster.sync(1);
    expect(cluster.replica(1).committed.at(-1)?.ticket).toBe(7);
  });
});

describe('thesis, sections 9.6 and 4.2.3: pre-vote and stickiness', () => {
  it('a node that was cut off raises no term and deposes nobody (RF-13)', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    for (let i = 0; i < 40; i++) {
      cluster.pass(1, DEFAULT_TIMING.heartbeatMicros);
      cluster.settle(1, 2);
      cluster.pass(3, 1);
    }
    expect(role(cluster, 3)).toBe('pre-candidate');
    cluster.settle();
    expect([1, 2, 3].map((id) => cluster.engine(id).status().round)).toEqual([1, 1, 1]);
  });

  it('a higher term asked for while a leader is alive is not even adopted', () => {
    const cluster = new HandDriven(3, { variants: { preVote: false } });
    cluster.elect(1);
    cluster.deliver({
      from: nodeId(3),
      to: nodeId(2),
      message: {
        kind: 'requestVote',
        term: round(9),
        candidateId: nodeId(3),
        lastLogIndex: 99 as LogIndex,
        lastLogTerm: round(8),
        preVote: false,
      },
    });
    expect(cluster.engine(2).status().round).toBe(1);
    expect(cluster.replica(2).events.at(-1)?.detail).toBe('a leader is alive');
  });

  it('RF-11: a refusal mirrors the request and tells the higher term', () => {
    const cluster = new HandDriven(3);
    cluster.open(2, [promiseRecord(round(7), 0)], null);
    cluster.timeout(1);
    cluster.deliver(...cluster.pick(({ to }) => to === 2));
    const answers = votes(cluster, 1);
    expect(answers.map(({ message }) => message)).toMatchObject([
      { term: 7, requestTerm: 1, voteGranted: false, preVote: true },
    ]);
    cluster.deliver(...answers);
    expect(cluster.engine(1).status().round).toBe(7);
    cluster.wire = [];
    cluster.elect(1, 1, 2);
    expect(cluster.engine(1).status()).toMatchObject({ role: 'leader', round: 8 });
  });

  it('RF-12: granting a pre-vote is no contact with a leader', () => {
    const cluster = new HandDriven(3);
    const before = cluster.engine(2).nextDeadline();
    for (let i = 0; i < 3; i++) {
      cluster.timeout(1);
      cluster.deliver(...cluster.pick(({ to }) => to === 2));
      const granted = votes(cluster, 1).map(
        ({ message }) => 'voteGranted' in message && message.voteGranted,
      );
      expect(granted).toEqual([true]);
    }
    expect(cluster.engine(2).nextDeadline()).toBe(before);
  });
});
