import {
  DEFAULT_TIMING,
  EntryType,
  type LogIndex,
  logIndex,
  nodeId,
  round,
  type WalRecord,
} from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { HandDriven, type OnTheWay } from './hand-driven.ts';
import type { AppendEntries } from './messages.ts';
import { entryRecord, promiseRecord } from './records.ts';

const plain = { variants: { preVote: false, checkQuorum: false } };
const beat = DEFAULT_TIMING.heartbeatMicros;

/** Records of a log with these terms, under a promise of `term`. */
function logOf(terms: readonly number[], term: number): WalRecord[] {
  const entries = terms.map((t, i) =>
    entryRecord({
      term: round(t),
      index: logIndex(i + 1),
      type: EntryType.command,
      payload: new TextEncoder().encode(`${i + 1}@${t}`),
    }),
  );
  return [promiseRecord(round(term), 0), ...entries];
}

function appendOf(fields: {
  term: number;
  prev: readonly [number, number];
  terms?: readonly number[];
  commit?: number;
}): AppendEntries {
  const [prevLogIndex, prevLogTerm] = fields.prev;
  const entries = (fields.terms ?? []).map((term, i) =>
    entryRecord({
      term: round(term),
      index: logIndex(prevLogIndex + i + 1),
      type: EntryType.command,
      payload: new Uint8Array([term]),
    }),
  );
  return {
    kind: 'appendEntries',
    term: round(fields.term),
    leaderId: nodeId(1),
    prevLogIndex: logIndex(prevLogIndex),
    prevLogTerm: round(prevLogTerm),
    leaderCommit: logIndex(fields.commit ?? 0),
    entries,
  };
}

const to2 = (message: AppendEntries): OnTheWay => ({ from: nodeId(1), to: nodeId(2), message });
const answer = (cluster: HandDriven): unknown =>
  cluster.pick(({ from, message }) => from === 2 && message.kind === 'appendEntriesResponse').at(-1)
    ?.message;
const last = (cluster: HandDriven, id: number): number => cluster.engine(id).status().lastIndex;
const commit = (cluster: HandDriven, id: number): number => cluster.engine(id).status().commitIndex;

/** A follower, node 2 of 3, with a log. */
function followerWith(terms: readonly number[]): HandDriven {
  const cluster = new HandDriven(3, plain);
  cluster.open(2, logOf(terms, terms.at(-1) ?? 1), null);
  return cluster;
}

describe('Raft paper, section 5.3: log replication', () => {
  it('entries go to all in one message and are told committed', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    const { engine } = cluster.replica(1);
    for (let i = 1; i <= 5; i++) engine.propose(new Uint8Array([i]), i as never);
    const ready = engine.takeReady();
    expect(ready.messages).toHaveLength(1);
    expect(ready.messages[0]?.to).toEqual([2, 3]);
    expect(ready.messagesAfterPersist).toEqual([]);
    const sent = ready.messages[0]?.message as AppendEntries;
    expect(sent.entries).toEqual(ready.records.filter(({ index }) => index >= 2 && index <= 6));
    expect(sent.entries[0]).toBe(ready.records[0]);
  });

  it('figure 7 (RF-02): every follower of the figure ends with the leader’s log', () => {
    const leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    const followers = [
      [1, 1, 1, 4, 4, 5, 5, 6, 6],
      [1, 1, 1, 4],
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
      [1, 1, 1, 4, 4, 4, 4],
      [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    const cluster = new HandDriven(7, plain);
    cluster.open(1, logOf(leader, 7), null);
    followers.forEach((terms, i) => {
      cluster.open(i + 2, logOf(terms, 7), null);
    });
    cluster.elect(1);
    cluster.settle();
    cluster.propose(1, 'new');
    cluster.settle();
    const expected = [...leader.map((t, i) => `${i + 1}@${t}`), 'new'];
    for (let id = 1; id <= 7; id++) expect(cluster.texts(id)).toEqual(expected);
  });

  it('heals a long conflict in a round trip per term, not per entry', () => {
    const cluster = new HandDriven(3, plain);
    const common = Array.from({ length: 10 }, () => 1);
    cluster.open(1, logOf([...common, ...Array.from({ length: 300 }, () => 5)], 5), null);
    cluster.open(2, logOf([...common, ...Array.from({ length: 400 }, () => 3)], 5), null);
    cluster.elect(1, 1, 3);
    cluster.settle();
    cluster.wire = [];
    cluster.engine(1).peerConnected(nodeId(2));
    cluster.take(1);
    let refusals = 0;
    while (cluster.wire.length > 0) {
      const batch = cluster.pick(() => true);
      refusals += batch.filter(
        ({ message: m }) => m.kind === 'appendEntriesResponse' && !m.success,
      ).length;
      cluster.deliver(...batch);
    }
    expect(refusals).toBeLessThanOrEqual(2);
    expect(cluster.texts(2)).toEqual(cluster.texts(1));
  });

  it.each([
    { id: 'RF-20', log: [1, 1], message: { prev: [0, 0] }, match: 0, kept: 2 },
    { id: 'RF-21', log: [1, 1, 1], message: { prev: [1, 1], terms: [1] }, match: 2, kept: 3 },
    { id: 'RF-22', log: [1, 1, 1, 2], message: { prev: [1, 1], commit: 4 }, match: 1, kept: 4 },
    { id: 'conflict', log: [1, 2, 2], message: { prev: [1, 1], terms: [3] }, match: 2, kept: 2 },
  ] as const)('$id: truncates at a real conflict alone, acknowledges what was covered', (row) => {
    const cluster = followerWith(row.log);
    cluster.deliver(to2(appendOf({ term: 5, ...row.message })));
    expect(last(cluster, 2)).toBe(row.kept);
    expect(answer(cluster)).toMatchObject({ success: true, matchIndex: row.match });
    expect(commit(cluster, 2)).toBeLessThanOrEqual(row.match);
  });

  it('refuses what does not match, with the highest entry that still may', () => {
    const cluster = followerWith([1, 1, 4, 4]);
    cluster.deliver(to2(appendOf({ term: 5, prev: [9, 4] })));
    expect(answer(cluster)).toMatchObject({ rejectedIndex: 9, conflictIndex: 4, conflictTerm: 4 });
    cluster.deliver(to2(appendOf({ term: 5, prev: [4, 2] })));
    expect(answer(cluster)).toMatchObject({ rejectedIndex: 4, conflictIndex: 2, conflictTerm: 1 });
    expect(last(cluster, 2)).toBe(4);
  });

  it('RF-24: a lower leaderCommit lowers nothing', () => {
    const cluster = followerWith([1, 1]);
    cluster.deliver(to2(appendOf({ term: 5, prev: [2, 1], commit: 2 })));
    cluster.deliver(to2(appendOf({ term: 5, prev: [2, 1], commit: 1 })));
    expect(commit(cluster, 2)).toBe(2);
  });

  it('answers of one turn are merged into one acknowledgement', () => {
    const cluster = followerWith([1]);
    const { engine } = cluster.replica(2);
    engine.step(nodeId(1), appendOf({ term: 5, prev: [1, 1], terms: [5] }));
    engine.step(nodeId(1), appendOf({ term: 5, prev: [2, 5], terms: [5, 5] }));
    const { messages, messagesAfterPersist } = engine.takeReady();
    expect(messages).toEqual([]);
    expect(messagesAfterPersist.map(({ message }) => message)).toMatchObject([{ matchIndex: 4 }]);
  });

  it('an acknowledgement not sent yet dies with its term', () => {
    const cluster = followerWith([1]);
    const { engine } = cluster.replica(2);
    engine.step(nodeId(1), appendOf({ term: 5, prev: [1, 1], terms: [5, 5] }));
    const other = { ...appendOf({ term: 6, prev: [1, 1], terms: [6] }), leaderId: nodeId(3) };
    engine.step(nodeId(3), other);
    const { messagesAfterPersist } = engine.takeReady();
    expect(messagesAfterPersist).toMatchObject([{ to: [3], message: { term: 6, matchIndex: 2 } }]);
  });
});

describe('Raft paper, section 5.4.2: committing entries of older terms', () => {
  it('figure 8 (RF-01): an old entry on a majority is not committed by counting', () => {
    const cluster = new HandDriven(5, plain);
    cluster.open(1, logOf([1, 2], 3), null);
    cluster.open(2, logOf([1, 2], 3), null);
    cluster.open(5, logOf([1, 3], 3), null);
    for (const id of [3, 4]) cluster.open(id, logOf([1], 3), null);
    cluster.timeout(1); // Term 4.
    cluster.deliver(...cluster.pick(({ to }) => to === 2 || to === 3));
    cluster.deliver(...cluster.pick(({ to }) => to === 1));
    const appends = cluster.pick(({ message, to }) => message.kind === 'appendEntries' && to <= 3);
    // Only entry 2 of term 2 reaches a majority, the no-op of term 4 stays at its leader.
    for (const { from, to, message } of appends) {
      const append = message as AppendEntries;
      cluster.deliver({
        from,
        to,
        message: {
          ...append,
          prevLogIndex: logIndex(1),
          prevLogTerm: round(1),
          entries: logOf([1, 2], 3).slice(2),
        },
      });
    }
    cluster.deliver(...cluster.pick(({ to }) => to === 1));
    expect(commit(cluster, 1)).toBe(0);
    // Node 5 can still win and overwrite it.
    cluster.wire = [];
    cluster.elect(5, 2, 3, 4, 5);
    cluster.settle(2, 3, 4, 5);
    expect(cluster.texts(3)).toEqual(['1@1', '2@3']);
  });

  it('RF-25: the own no-op commits older entries before it', () => {
    const cluster = new HandDriven(3, plain);
    for (const id of [1, 2, 3]) cluster.open(id, logOf([1, 1], 1), null);
    cluster.elect(1);
    expect(commit(cluster, 1)).toBe(3);
    expect(cluster.texts(1)).toEqual(['1@1', '2@1']);
  });

  it('RF-33, RF-65: the leader counts its own copy only once it is durable', () => {
    const cluster = new HandDriven(4, plain);
    cluster.elect(1);
    cluster.slowDisks.add(1);
    cluster.propose(1, 'a');
    cluster.settle(1, 2);
    expect(commit(cluster, 1)).toBe(1);
    cluster.sync(1);
    expect(commit(cluster, 1)).toBe(1);
    cluster.propose(1, 'b');
    cluster.settle(1, 2, 3);
    cluster.engine(1).peerConnected(nodeId(3));
    cluster.take(1);
    cluster.settle(1, 2, 3);
    cluster.sync(1);
    cluster.settle(1, 2, 3);
    expect(commit(cluster, 1)).toBe(3);
  });

  it('RF-38, RF-63: what a deposed leader had proposed is unknown, concluded once', () => {
    const cluster = new HandDriven(3, plain);
    cluster.elect(1);
    cluster.propose(1, 'a', 11);
    cluster.wire = [];
    cluster.elect(2, 2, 3);
    cluster.pass(2, beat);
    cluster.settle();
    expect(cluster.replica(1).abandoned).toEqual([{ ticket: 11, outcome: 'unknown' }]);
    expect(cluster.engine(1).status()).toMatchObject({ role: 'follower', leader: 2 });
    cluster.propose(2, 'b');
    cluster.settle();
    expect(cluster.texts(1)).toEqual(['b']);
  });
});

describe('flow', () => {
  it('RF-29: a lost probe is repeated when a heartbeat is answered', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    cluster.engine(1).peerConnected(nodeId(2));
    cluster.propose(1, 'a');
    cluster.wire = [];
    cluster.pass(1, beat);
    cluster.settle();
    expect(last(cluster, 2)).toBe(2);
  });

  it('a lost message of a stream is found by the answers to heartbeats', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    cluster.propose(1, 'a');
    cluster.wire = [];
    for (let i = 0; i < 3; i++) {
      cluster.pass(1, beat);
      cluster.settle();
    }
    expect(cluster.texts(3)).toEqual(['a']);
  });

  it('a peer beyond its window gets heartbeats only', () => {
    const cluster = new HandDriven(3, { limits: { inflightMessagesMax: 2 } });
    cluster.elect(1);
    for (let i = 0; i < 5; i++) cluster.propose(1, `${i}`);
    const sent = cluster.pick(({ to }) => to === 2);
    expect(sent.map(({ message }) => message.kind)).toEqual(['appendEntries', 'appendEntries']);
    cluster.pass(1, beat);
    const more = cluster.pick(({ to }) => to === 2);
    expect(more.map(({ message }) => message.kind)).toEqual(['heartbeat']);
    cluster.deliver(...sent);
    cluster.settle();
    expect(last(cluster, 2)).toBe(6);
  });

  it('an acknowledgement of what was never sent is ignored', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    const none = 0 as LogIndex;
    cluster.deliver({
      from: nodeId(2),
      to: nodeId(1),
      message: {
        kind: 'appendEntriesResponse',
        term: round(1),
        success: true,
        matchIndex: logIndex(99),
        rejectedIndex: none,
        conflictIndex: none,
        conflictTerm: round(0),
      },
    });
    expect(commit(cluster, 1)).toBe(1);
    expect(cluster.replica(1).events.at(-1)?.kind).toBe('messageIgnored');
  });

  it('thesis, section 6.2: a leader that hears no quorum steps down (RF-15, RF-18)', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    cluster.pass(1, DEFAULT_TIMING.electionTimeoutMaxMicros + 1);
    expect(cluster.engine(1).status().role).toBe('follower');
    expect(cluster.replica(1).events.some(({ detail }) => detail === 'a quorum is silent')).toBe(
      true,
    );
  });
});
