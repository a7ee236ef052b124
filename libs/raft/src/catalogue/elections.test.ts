import { DEFAULT_TIMING, type LogIndex, nodeId, round, type WalRecord } from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { HandDriven } from '../hand-driven.ts';
import { promiseRecord } from '../records.ts';

// Stories of elections that went wrong elsewhere, played out message by message. The ids are those
// of docs/internals/bug-catalogue.md.

const plain = { variants: { preVote: false, checkQuorum: false } };
const inTerm = (term: number): WalRecord[] => [promiseRecord(round(term), 0)];
const phase = (cluster: HandDriven, id: number): string => cluster.engine(id).status().phase;
const leadersOf = (cluster: HandDriven, ids: readonly number[], term: number): number[] =>
  ids.filter((id) => {
    const { role, round: own } = cluster.engine(id).status();
    return role === 'leader' && own === term;
  });

describe('Raft: elections', () => {
  it('RF-03: a delayed grant of term 1 gives no second leader in term 2', () => {
    const cluster = new HandDriven(3, plain);
    cluster.timeout(1);
    cluster.deliver(...cluster.pick(({ from, to }) => from === 1 && to === 2));
    const late = cluster.pick(({ from, to }) => from === 2 && to === 1);
    expect(late).toHaveLength(1);
    cluster.wire = [];
    cluster.timeout(1); // Term 2; its requests are lost.
    cluster.wire = [];
    cluster.deliver(...late);
    cluster.timeout(2);
    cluster.settle(2, 3);
    expect(leadersOf(cluster, [1, 2, 3], 2)).toEqual([2]);
  });

  it('RF-04: stepping down within a term keeps the vote of the term', () => {
    const cluster = new HandDriven(5, plain);
    for (const id of [1, 2, 3]) {
      cluster.open(id, inTerm(2), null);
      cluster.timeout(id);
      expect(cluster.engine(id).status().round).toBe(3);
    }
    const late = cluster.pick(({ from, to }) => from === 3 && to === 1);
    cluster.settle(2, 4, 5);
    expect(phase(cluster, 2)).toBe('leader');
    // The leader's first entries make node 1 step down; its vote for itself stands.
    cluster.pass(2, DEFAULT_TIMING.heartbeatMicros);
    cluster.settle(1, 2);
    expect(phase(cluster, 1)).toBe('follower');
    cluster.deliver(...late);
    const answers = cluster.wire.flatMap(({ from, message }) =>
      from === 1 && message.kind === 'requestVoteResponse' ? [message.voteGranted] : [],
    );
    expect(answers).toEqual([false]);
    const promises = cluster.replica(1).durable.filter(({ kind }) => kind === 1);
    expect(promises.at(-1)).toMatchObject({ round: 3, node: 1 });
  });

  it('RF-05: neither a pre-vote nor a leader heard again gives the vote of a term back', () => {
    const cluster = new HandDriven(3, { variants: { preVote: true, checkQuorum: false } });
    for (const id of [1, 3]) {
      cluster.open(id, inTerm(2), null);
      cluster.timeout(id);
      cluster.deliver(...cluster.pick(({ from, to }) => from === id && to === 2));
      cluster.deliver(...cluster.pick(({ from, to }) => from === 2 && to === id));
      expect(phase(cluster, id)).toBe('candidate');
    }
    const late = cluster.pick(({ from, to }) => from === 3 && to === 2);
    cluster.deliver(...cluster.pick(({ from, to }) => from === 1 && to === 2));
    cluster.deliver(...cluster.pick(({ from, to }) => from === 2 && to === 1));
    cluster.wire = []; // The leader's entries never reach node 2, its heartbeats do.
    expect(leadersOf(cluster, [1, 2, 3], 3)).toEqual([1]);
    // Node 2 doubts the leader, hears it again, doubts it again: now it knows of none.
    for (let i = 0; i < 2; i++) {
      cluster.timeout(2);
      cluster.wire = [];
      expect(cluster.engine(2).status()).toMatchObject({ phase: 'pre-candidate', round: 3 });
      if (i > 0) break;
      cluster.pass(1, DEFAULT_TIMING.heartbeatMicros);
      cluster.deliver(
        ...cluster.pick(({ to, message }) => to === 2 && message.kind === 'heartbeat'),
      );
      expect(phase(cluster, 2)).toBe('follower');
      cluster.wire = [];
    }
    cluster.deliver(...late);
    cluster.settle(2, 3);
    expect(leadersOf(cluster, [1, 2, 3], 3)).toEqual([1]);
    const promises = cluster
      .replica(2)
      .durable.filter(({ kind, round: of }) => kind === 1 && of === 3);
    expect(new Set(promises.map(({ node }) => node as number))).toEqual(new Set([1]));
  });

  it('RF-06: what restates the log after a compaction holds term and vote', () => {
    const cluster = new HandDriven(3, plain);
    cluster.timeout(2);
    cluster.deliver(...cluster.pick(({ from, to }) => from === 2 && to === 1));
    const restated = cluster.engine(1).checkpoint();
    cluster.open(1, restated, null);
    cluster.open(3, [], null);
    cluster.timeout(3);
    cluster.deliver(...cluster.pick(({ from, to }) => from === 3 && to === 1));
    const [answer] = cluster.pick(({ from, to }) => from === 1 && to === 3);
    expect(answer?.message).toMatchObject({ term: 1, voteGranted: false });
  });

  it.each([
    { afterMicros: -1, granted: false },
    { afterMicros: 1_000, granted: true },
  ])('RF-10: the shortest drawable timeout is granted at once ($afterMicros us)', (row) => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    cluster.pass(1, DEFAULT_TIMING.heartbeatMicros);
    cluster.settle();
    // Both survivors heard the leader for the last time just now; node 3 draws the lowest timeout.
    cluster.pass(3, DEFAULT_TIMING.electionTimeoutMinMicros + row.afterMicros);
    cluster.wire = [];
    cluster.deliver({
      from: nodeId(3),
      to: nodeId(2),
      message: {
        kind: 'requestVote',
        term: round(2),
        candidateId: nodeId(3),
        lastLogIndex: 1 as LogIndex,
        lastLogTerm: round(1),
        preVote: true,
      },
    });
    const [answer] = cluster.pick(({ from }) => from === 2);
    expect(answer?.message).toMatchObject({ preVote: true, voteGranted: row.granted });
  });

  it('RF-19: of four voters, two are a quorum neither for a commit nor for a read', () => {
    const cluster = new HandDriven(4);
    cluster.elect(1);
    cluster.settle();
    cluster.propose(1, 'a');
    cluster.settle(1, 2);
    expect(cluster.engine(1).status().commitIndex).toBe(1);
    cluster.engine(1).read('linearizable', 9 as never);
    cluster.take(1);
    cluster.settle(1, 2);
    expect(cluster.replica(1).readStates).toEqual([]);
    for (let i = 0; i < 3; i++) {
      cluster.pass(1, DEFAULT_TIMING.heartbeatMicros);
      cluster.settle(1, 2, 3);
    }
    expect(cluster.engine(1).status().commitIndex).toBe(2);
    expect(cluster.replica(1).readStates).toMatchObject([{ ticket: 9 }]);
  });
});
