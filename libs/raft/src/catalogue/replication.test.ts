import {
  DEFAULT_TIMING,
  EntryType,
  type LogIndex,
  logIndex,
  nodeId,
  round,
  type Ticket,
  type WalRecord,
} from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { HandDriven, type OnTheWay } from '../hand-driven.ts';
import type { AppendEntries } from '../messages.ts';
import { entryRecord, promiseRecord } from '../records.ts';

// Stories of logs that lost or changed what was acknowledged, played out message by message.

const plain = { variants: { preVote: false, checkQuorum: false } };
const beat = DEFAULT_TIMING.heartbeatMicros;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function entryOf(index: number, term: number): WalRecord {
  return entryRecord({
    term: round(term),
    index: logIndex(index),
    type: EntryType.command,
    payload: bytes(`${index}@${term}`),
  });
}

/** A log with these terms under a promise of `term`. */
function logOf(terms: readonly number[], term: number): WalRecord[] {
  return [promiseRecord(round(term), 0), ...terms.map((t, i) => entryOf(i + 1, t))];
}

/** What a leader sends to node 2 behind `prev`: index and term. */
function append(
  term: number,
  prev: readonly [number, number],
  terms: readonly number[],
  commit = 0,
  leader = 1,
): OnTheWay {
  const message: AppendEntries = {
    kind: 'appendEntries',
    term: round(term),
    leaderId: nodeId(leader),
    prevLogIndex: logIndex(prev[0]),
    prevLogTerm: round(prev[1]),
    leaderCommit: logIndex(commit),
    entries: terms.map((t, i) => entryOf(prev[0] + i + 1, t)),
  };
  return { from: nodeId(leader), to: nodeId(2), message };
}

const status = (cluster: HandDriven, id: number) => cluster.engine(id).status();
const commit = (cluster: HandDriven, id: number): number => status(cluster, id).commitIndex;
const matchOf = (cluster: HandDriven, leader: number, peer: number): number | undefined =>
  status(cluster, leader).peers.find(({ id }) => id === peer)?.matchIndex;
const answersOf = (cluster: HandDriven, from: number): OnTheWay[] =>
  cluster.pick((one) => one.from === from && one.message.kind === 'appendEntriesResponse');

describe('Raft: what is committed', () => {
  /** Figure 8, up to (c): node 1 leads term 4, `2@2` reaches node 3, so three of five hold it. */
  function figure8(withOwnEntry: boolean): HandDriven {
    const cluster = new HandDriven(5, plain);
    for (const id of [1, 2]) cluster.open(id, logOf([1, 2], 3), null);
    for (const id of [3, 4]) cluster.open(id, logOf([1], 3), null);
    cluster.open(5, logOf([1, 3], 3), null);
    cluster.timeout(1);
    cluster.deliver(...cluster.pick(({ to }) => to === 2 || to === 3));
    cluster.deliver(...cluster.pick(({ to }) => to === 1));
    expect(status(cluster, 1)).toMatchObject({ role: 'leader', round: 4 });
    const oldEntriesAlone = (one: OnTheWay): OnTheWay => {
      if (withOwnEntry || one.message.kind !== 'appendEntries') return one;
      const entries = one.message.entries.filter((entry) => entry.round < 4);
      return { ...one, message: { ...one.message, entries } };
    };
    for (let i = 0; i < 6; i++) {
      const batch = cluster.pick(({ from, to }) => Math.max(from, to) <= 3);
      cluster.wire = [];
      cluster.deliver(...batch.map(oldEntriesAlone));
      cluster.pass(1, beat);
    }
    cluster.wire = [];
    return cluster;
  }

  it('RF-01: an old entry on a majority is not committed, and node 5 may overwrite it', () => {
    const cluster = figure8(false);
    expect(status(cluster, 3).lastIndex).toBe(2);
    expect(commit(cluster, 1)).toBe(0);
    cluster.elect(5, 2, 3, 4, 5);
    cluster.settle(2, 3, 4, 5);
    for (const id of [2, 3, 4, 5]) expect(cluster.texts(id)).toEqual(['1@1', '2@3']);
  });

  it('RF-01: with an entry of its own term on a majority it is, and node 5 cannot win', () => {
    const cluster = figure8(true);
    expect(commit(cluster, 1)).toBe(3);
    expect(cluster.texts(1)).toEqual(['1@1', '2@2']);
    cluster.elect(5, 2, 3, 4, 5);
    expect(status(cluster, 5).role).not.toBe('leader');
    cluster.elect(3, 2, 3, 4, 5);
    cluster.settle(2, 3, 4, 5);
    for (const id of [2, 3, 4, 5]) expect(cluster.texts(id)).toEqual(['1@1', '2@2']);
  });

  it('RF-24: a new leader that knows less lowers no commit index', () => {
    const cluster = new HandDriven(3, plain);
    cluster.elect(1);
    cluster.settle();
    cluster.propose(1, 'a');
    cluster.deliver(...cluster.pick(({ to }) => to === 2));
    cluster.deliver(...answersOf(cluster, 2));
    cluster.wire = [];
    expect([commit(cluster, 1), commit(cluster, 2)]).toEqual([2, 1]);
    cluster.elect(2, 2, 3);
    cluster.wire = [];
    cluster.pass(2, beat);
    cluster.deliver(...cluster.pick(({ from, to }) => from === 2 && to === 1));
    expect(status(cluster, 1)).toMatchObject({ role: 'follower', leader: 2, commitIndex: 2 });
    cluster.settle();
    expect(cluster.texts(1)).toEqual(['a']);
  });

  it('RF-31: a commit index beyond a short message delivers what it covered, once', () => {
    const cluster = new HandDriven(3, { ...plain, limits: { appendEntriesMax: 1 } });
    cluster.open(2, logOf([], 1), null);
    for (let index = 1; index <= 4; index++) {
      const prev = [index - 1, index === 1 ? 0 : 1] as const;
      cluster.deliver(append(1, prev, [1], 9), append(1, prev, [1], 9));
      expect(commit(cluster, 2)).toBe(index);
      const hints = cluster.replica(2).durable.filter(({ kind }) => kind === 5);
      const told = hints.map((hint) => hint.index as number);
      expect(told).toEqual([...told].sort((a, b) => a - b));
    }
    expect(cluster.texts(2)).toEqual(['1@1', '2@1', '3@1', '4@1']);
  });

  it('RF-63: an overwritten entry may be committed later, so its client is told unknown', () => {
    const cluster = new HandDriven(5, plain);
    cluster.elect(1);
    cluster.settle();
    cluster.propose(1, 'e', 11);
    cluster.deliver(...cluster.pick(({ to }) => to === 2));
    cluster.wire = [];
    // Node 3 wins with those that never saw it and overwrites it at node 1 alone, then it dies.
    cluster.timeout(3);
    cluster.deliver(...cluster.pick(({ to }) => to >= 4));
    cluster.deliver(...cluster.pick(({ to }) => to === 3));
    expect(status(cluster, 3)).toMatchObject({ role: 'leader', round: 2 });
    cluster.wire = [];
    const before = status(cluster, 3).lastIndex;
    for (let i = 0; i < 4; i++) {
      cluster.pass(3, beat);
      cluster.deliver(...cluster.pick(({ from, to }) => from + to === 4));
      cluster.wire = [];
    }
    expect(status(cluster, 1).lastIndex).toBe(before);
    expect(cluster.replica(1).abandoned).toEqual([{ ticket: 11, outcome: 'unknown' }]);
    // Node 2 kept it, wins against two that hold less than it, and commits it.
    cluster.timeout(2);
    cluster.settle(2, 4, 5);
    if (status(cluster, 2).role !== 'leader') cluster.elect(2, 2, 4, 5);
    cluster.settle(2, 4, 5);
    expect(cluster.texts(4)).toEqual(['e']);
    for (let i = 0; i < 4; i++) {
      cluster.pass(2, beat);
      cluster.settle(1, 2, 4, 5);
    }
    expect(cluster.texts(1)).toEqual(['e']);
    expect(cluster.replica(1).abandoned).toHaveLength(1);
    expect(cluster.replica(1).committed.every(({ ticket }) => ticket === 0)).toBe(true);
  });
});

describe('Raft: what followers keep and acknowledge', () => {
  it('RF-20: a delayed empty message truncates nothing, committed or not', () => {
    for (const commitIndex of [0, 2]) {
      const cluster = new HandDriven(3, plain);
      cluster.open(2, [], null);
      const delayed = append(1, [0, 0], []);
      cluster.deliver(append(1, [0, 0], [1]), append(1, [1, 1], [1], commitIndex));
      cluster.deliver(delayed);
      expect(status(cluster, 2)).toMatchObject({ lastIndex: 2, commitIndex });
      cluster.restart(2);
      expect(status(cluster, 2).lastIndex).toBe(2);
    }
  });

  it('RF-21: a refusal of long ago neither moves the leader back nor rolls a follower back', () => {
    const cluster = new HandDriven(3, plain);
    cluster.open(1, logOf([1, 1, 1], 1), null);
    cluster.open(2, logOf([1], 1), null);
    cluster.elect(1, 1, 3);
    cluster.wire = [];
    const refusals: OnTheWay[] = [];
    for (let i = 0; i < 20 && refusals.length === 0; i++) {
      cluster.pass(1, beat);
      cluster.deliver(...cluster.pick(({ to }) => to === 2));
      refusals.push(...answersOf(cluster, 2));
      cluster.deliver(...cluster.pick(() => true));
    }
    expect(refusals[0]?.message).toMatchObject({ success: false, rejectedIndex: 3 });
    cluster.deliver(...refusals);
    cluster.settle();
    expect([commit(cluster, 1), matchOf(cluster, 1, 2)]).toEqual([4, 4]);
    cluster.deliver(...refusals, ...refusals);
    expect(cluster.wire.filter(({ message }) => message.kind === 'appendEntries')).toEqual([]);
    expect(matchOf(cluster, 1, 2)).toBe(4);
    // Even a leader that sent everything again, from the start, takes nothing away.
    const { round: term } = status(cluster, 1);
    cluster.deliver(append(term, [1, 1], [1]));
    expect(status(cluster, 2)).toMatchObject({ lastIndex: 4, commitIndex: 4 });
  });

  it('RF-22: an acknowledgement ends where the message ended, not with an own old tail', () => {
    const cluster = new HandDriven(3, plain);
    cluster.open(1, logOf([1, 1], 2), null);
    cluster.open(2, logOf([1, 1, 2, 2], 2), null);
    cluster.elect(1, 1, 3);
    cluster.wire = [];
    for (const text of ['a', 'b']) cluster.propose(1, text);
    cluster.wire = [];
    // Nodes 1 and 2 hold four entries and more each, and agree on two.
    const { round: term } = status(cluster, 1);
    cluster.deliver(append(term, [2, 1], []));
    const answers = answersOf(cluster, 2);
    expect(answers.at(-1)?.message).toMatchObject({ success: true, matchIndex: 2 });
    cluster.deliver(...answers);
    expect(matchOf(cluster, 1, 2)).toBe(2);
    expect(commit(cluster, 1)).toBeLessThanOrEqual(3);
  });

  it('RF-23: acknowledgements that come in reverse take nothing back', () => {
    const cluster = new HandDriven(3, plain);
    cluster.elect(1);
    cluster.settle();
    const answers: OnTheWay[] = [];
    for (const text of ['a', 'b', 'c']) {
      cluster.propose(1, text);
      cluster.deliver(...cluster.pick(({ to }) => to === 2));
      answers.push(...answersOf(cluster, 2));
    }
    const matches: (number | undefined)[] = [];
    for (const answer of answers.reverse()) {
      cluster.deliver(answer);
      matches.push(matchOf(cluster, 1, 2));
    }
    expect(matches).toEqual([4, 4, 4]);
    expect(commit(cluster, 1)).toBe(4);
    const resent = cluster.wire.filter(
      ({ to, message }) =>
        to === 2 && message.kind === 'appendEntries' && message.entries.length > 0,
    );
    expect(resent).toEqual([]);
  });

  it('RF-32: a lone voter commits what is durable, and nothing behind it', () => {
    const cluster = new HandDriven(1);
    cluster.elect(1);
    cluster.slowDisks.add(1);
    cluster.propose(1, 'a', 1);
    cluster.propose(1, 'b', 2);
    expect(cluster.texts(1)).toEqual([]);
    cluster.sync(1, 1); // The power goes between the two writes:
    expect(cluster.texts(1)).toEqual(['a']);
    cluster.slowDisks.clear();
    cluster.restart(1);
    cluster.elect(1);
    expect(cluster.texts(1)).toEqual(['a']);
  });

  it('RF-33: the first of three writes of the same indexes completes and vouches for none', () => {
    const cluster = new HandDriven(7, plain);
    cluster.open(2, logOf([1], 1), null);
    cluster.slowDisks.add(2);
    cluster.deliver(append(2, [1, 1], [2, 2, 2], 0, 1)); // Written first, by the leader of term 2,
    cluster.deliver(append(3, [1, 1], [3, 3], 0, 3)); // rewritten by that of term 3,
    cluster.deliver(append(4, [1, 1], [4, 4, 4], 0, 4)); // and again by that of term 4.
    expect(answersOf(cluster, 2)).toEqual([]);
    const unsynced = cluster.replica(2).unsynced.length;
    for (let done = 1; done < unsynced; done++) {
      cluster.sync(2, 1);
      const toNewest = answersOf(cluster, 2).filter(({ to }) => to === 4);
      expect(toNewest).toEqual([]);
    }
    cluster.sync(2);
    const [answer] = answersOf(cluster, 2);
    expect(answer).toMatchObject({ to: 4, message: { term: 4, matchIndex: 4 } });
    cluster.slowDisks.clear();
    cluster.restart(2);
    expect(status(cluster, 2)).toMatchObject({ lastIndex: 4, round: 4 });
  });

  it('RF-39: a follower forwards no proposal; who asks is told, and asks the leader once', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    cluster.settle();
    expect(cluster.propose(2, 'a', 5)).toBe('notLeader');
    expect(cluster.wire).toEqual([]);
    expect(status(cluster, 2).leader).toBe(1);
    expect(cluster.propose(1, 'a', 6)).toBe('accepted');
    cluster.settle();
    for (const id of [1, 2, 3]) expect(cluster.texts(id)).toEqual(['a']);
  });
});

describe('Raft: slow and dead disks', () => {
  it('RF-34: what was never durable is acknowledged by nobody, and gone after the restart', () => {
    const cluster = new HandDriven(3, plain);
    cluster.elect(1);
    cluster.settle();
    cluster.slowDisks.add(2); // The write fails: the host stops the process and never says so.
    cluster.propose(1, 'a');
    cluster.deliver(...cluster.pick(({ to }) => to === 2));
    expect(answersOf(cluster, 2)).toEqual([]);
    expect(commit(cluster, 1)).toBe(1);
    cluster.slowDisks.clear();
    cluster.restart(2);
    expect(status(cluster, 2).lastIndex).toBe(1);
    cluster.engine(1).peerConnected(nodeId(2));
    cluster.take(1);
    cluster.settle();
    expect(cluster.texts(2)).toEqual(['a']);
  });

  it('ST-10: one disk of three that lied about a sync costs no acknowledged entry', () => {
    const cluster = new HandDriven(3, plain);
    cluster.elect(1);
    cluster.settle();
    cluster.propose(1, 'a');
    cluster.settle(1, 3);
    expect(cluster.texts(1)).toEqual(['a']); // Acknowledged by 1 and 3.
    const { durable } = cluster.replica(3);
    durable.splice(durable.findIndex(({ kind, index }) => kind === 2 && index === 2));
    cluster.restart(3); // Outside the contract: the power went, and with it what was synced.
    expect(status(cluster, 3).lastIndex).toBe(1);
    for (let i = 0; i < 4; i++) {
      cluster.pass(1, beat);
      cluster.settle();
    }
    expect(cluster.texts(2)).toEqual(['a']);
    // It is brought up again by the next leader at the latest, and nothing differs.
    cluster.elect(2, 1, 2, 3);
    cluster.propose(2, 'b');
    for (let i = 0; i < 4; i++) {
      cluster.settle();
      cluster.pass(2, beat);
    }
    for (const id of [1, 2, 3]) expect(cluster.texts(id)).toEqual(['a', 'b']);
  });

  it('RF-40: a leader whose disk is silent stops its heart, though its quorum answers', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    cluster.settle();
    cluster.slowDisks.add(1);
    cluster.propose(1, 'stuck');
    for (let waited = 0; waited <= DEFAULT_TIMING.electionTimeoutMaxMicros; waited += beat) {
      cluster.pass(1, beat);
      cluster.settle(1, 2, 3);
    }
    expect(status(cluster, 1).role).not.toBe('leader');
    const said = cluster.replica(1).events.map(({ detail }) => detail);
    expect(said).toContain('own disk is silent');
    expect(said).not.toContain('a quorum is silent');
    cluster.pass(1, beat);
    expect(cluster.wire.filter(({ message }) => message.kind === 'heartbeat')).toEqual([]);
  });
});

describe('Raft: reads', () => {
  const read = (cluster: HandDriven, id: number, ticket: number): string => {
    const answer = cluster.engine(id).read('linearizable', ticket as Ticket);
    cluster.take(id);
    return answer;
  };

  it('RF-43: a leader that slept through its own replacement serves nothing old', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    cluster.settle();
    cluster.propose(1, 'old');
    cluster.settle();
    read(cluster, 1, 1); // Asked just before the pause; its confirmation is still on the way.
    const confirmation = cluster.pick(({ from }) => from === 1);
    cluster.timeout(2); // Node 1 sleeps: no timer of its fires.
    cluster.settle(2, 3);
    cluster.propose(2, 'new');
    cluster.settle(2, 3);
    expect(cluster.texts(2)).toEqual(['old', 'new']);
    cluster.wire = [];
    read(cluster, 1, 2); // And one that had waited in its socket.
    cluster.deliver(...confirmation);
    cluster.settle();
    expect(cluster.replica(1).readStates).toEqual([]);
    const given = cluster.replica(1).abandoned.map(({ ticket }) => ticket as number);
    expect(given.sort()).toEqual([1, 2]);
    cluster.pass(2, beat);
    cluster.settle();
    read(cluster, 1, 3);
    cluster.settle();
    expect(cluster.replica(1).readStates).toMatchObject([{ ticket: 3, index: 4 }]);
  });

  it('RF-49: a restarted replica answers no linearizable read out of what it still replays', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    cluster.settle();
    for (const text of ['a', 'b']) cluster.propose(1, text);
    cluster.settle();
    const last = status(cluster, 1).commitIndex;
    cluster.restart(2);
    expect(read(cluster, 2, 1)).toBe('notLeader');
    cluster.pass(1, beat);
    cluster.settle();
    expect(read(cluster, 2, 2)).toBe('accepted');
    cluster.settle();
    expect(cluster.replica(2).readStates).toEqual([{ ticket: 2, index: last }]);
    const lone = new HandDriven(1);
    lone.elect(1);
    lone.propose(1, 'a');
    lone.restart(1);
    expect(read(lone, 1, 1)).toBe('notLeader');
    lone.elect(1);
    read(lone, 1, 2);
    const [served] = lone.replica(1).readStates;
    expect(served?.index).toBeGreaterThanOrEqual(2 as LogIndex);
    expect(lone.texts(1)).toEqual(['a']);
  });
});
