import { type EngineStatus, nodeId, RecordKind, type WalRecord } from '@quorate/consensus';
import type { RaftMessage } from '@quorate/raft';
import { describe, expect, it } from 'vitest';
import { raftRules } from './raft-rules.ts';
import { raisedIn } from './raised-ids.ts';
import { brokenBy, commit, fact, promise, RuleStory, truncate } from './rule-story.ts';

const say = (message: Record<string, unknown>): RaftMessage => message as unknown as RaftMessage;
const entry = (term: number, index: number, value = `${term}/${index}`): WalRecord =>
  fact(RecordKind.accept, { round: term, index, value });
const snapshot = (index: number, term: number): WalRecord =>
  fact(RecordKind.snapshot, { index, round: term });
const asks = (term: number, node: number, lastLogIndex = 0, lastLogTerm = 0): RaftMessage =>
  say({
    ...{ kind: 'requestVote', term, candidateId: node, preVote: false },
    ...{ lastLogIndex, lastLogTerm },
  });
const grants = (term: number): RaftMessage => {
  return say({ kind: 'requestVoteResponse', term, requestTerm: term, voteGranted: true });
};
const appends = (term: number, entries: WalRecord[], leaderCommit = 0): RaftMessage => {
  const [first] = entries;
  const prevLogIndex = (first?.index ?? 1) - 1;
  return say({
    ...{ kind: 'appendEntries', term, prevLogIndex, entries, leaderCommit },
    prevLogTerm: prevLogIndex === 0 ? 0 : term,
  });
};
const acks = (term: number, matchIndex: number): RaftMessage =>
  say({ kind: 'appendEntriesResponse', term, success: true, matchIndex });
const beats = (term: number, leaderCommit: number, confirmation = 0): RaftMessage =>
  say({ kind: 'heartbeat', term, leaderCommit, confirmation });
const confirms = (term: number, confirmation: number): RaftMessage =>
  say({ kind: 'heartbeatResponse', term, confirmation });

type Raft = RuleStory<RaftMessage>;

/** Node `leader` wins `term` by the vote of `voter`, with its log as it is. */
function elect(s: Raft, term: number, leader: number, voter: number, last = [0, 0]): void {
  const request = asks(term, leader, last[0], last[1]);
  if (term > 1) s.hears(leader, voter, confirms(term - 1, 0));
  s.turn(leader, { records: [promise(term, leader)], saysAfter: [[voter, request]] });
  s.hears(voter, leader, request);
  s.turn(voter, { records: [promise(term, leader)], saysAfter: [[leader, grants(term)]] });
  s.hears(leader, voter, grants(term));
  s.turn(leader, { events: [['elected', term]] });
}

/** The leader's entries reach a follower's disk and are acknowledged. */
function replicate(s: Raft, leader: number, follower: number, entries: WalRecord[]): void {
  const term = entries.at(-1)?.round ?? 0;
  const last = entries.at(-1)?.index ?? 0;
  s.turn(leader, { says: [[follower, appends(term, entries)]] });
  s.hears(follower, leader, appends(term, entries));
  s.turn(follower, { records: entries, saysAfter: [[leader, acks(term, last)]] });
  s.hears(leader, follower, acks(term, last));
}

/** Node 1 leads term 1 and has committed entry 1 with node 2; node 3 has heard nothing. */
function committed(): Raft {
  const s = new RuleStory(raftRules);
  elect(s, 1, 1, 2);
  s.turn(1, { records: [entry(1, 1)] });
  replicate(s, 1, 2, [entry(1, 1)]);
  s.turn(1, { commits: [entry(1, 1)] });
  return s;
}

const shows = (s: Raft, node: number, round: number, matchIndex: number, lastIndex = 1): void => {
  const peers = [{ id: nodeId(2), matchIndex, state: '' }];
  const status = { role: 'leader', round, peers, lastIndex };
  s.observer.looked(nodeId(node), status as unknown as EngineStatus);
};

/** One bad story for each way in which a rule can be broken. */
const BAD: readonly (readonly [string, string, () => void])[] = [
  ['S4', 'holds another log in memory than its records say', () => shows(committed(), 1, 1, 0, 2)],
  [
    'C2',
    'announces what its log does not hold',
    () => {
      const s = committed();
      s.turn(1, { commits: [entry(1, 2)] });
    },
  ],
  [
    'C2',
    'announces another entry than was committed',
    () => {
      const s = committed();
      s.turn(1, { records: [entry(1, 2)] });
      elect(s, 2, 2, 3, [1, 1]);
      s.turn(2, { records: [entry(2, 2)] });
      replicate(s, 2, 3, [entry(1, 1), entry(2, 2)]);
      s.turn(2, { commits: [entry(2, 2)] });
      s.hears(1, 2, beats(2, 2));
      s.turn(1, { events: [['steppedDown', 1]], records: [promise(2, 0)] });
      s.turn(1, { commits: [entry(1, 2)] });
    },
  ],
  [
    'C9',
    'grants a vote that is not on its disk',
    () => {
      const s = new RuleStory(raftRules);
      s.turn(1, { records: [promise(1, 1)], saysAfter: [[2, asks(1, 1)]] });
      s.hears(2, 1, asks(1, 1));
      s.turn(2, { records: [promise(1, 1)], says: [[1, grants(1)]], durable: false });
    },
  ],
  [
    'C9',
    'acknowledges an entry that is not on its disk',
    () => {
      const s = committed();
      s.turn(1, { records: [entry(1, 2)] });
      s.hears(2, 1, appends(1, [entry(1, 2)]));
      s.turn(2, { records: [entry(1, 2)], says: [[1, acks(1, 2)]], durable: false });
    },
  ],
  [
    'C9',
    'asks for votes with entries that it may still lose',
    () => {
      const s = committed();
      s.turn(2, { records: [promise(2, 2)], saysAfter: [[3, asks(2, 2, 2, 1)]] });
    },
  ],
  [
    'C11',
    'is elected by one vote of two',
    () => {
      const s = new RuleStory(raftRules);
      s.turn(1, { records: [promise(1, 1)], saysAfter: [[2, asks(1, 1)]] });
      s.turn(1, { events: [['elected', 1]] });
    },
  ],
  [
    'C11',
    'is elected by half of an even cluster',
    () => {
      elect(new RuleStory(raftRules, 4), 1, 1, 2);
    },
  ],
  [
    'C11',
    'counts a grant of an earlier term',
    () => {
      const s = new RuleStory(raftRules);
      s.turn(1, { records: [promise(1, 1)], saysAfter: [[2, asks(1, 1)]] });
      s.turn(1, { records: [promise(2, 1)], saysAfter: [[2, asks(2, 1)]] });
      s.hears(1, 2, grants(1));
      s.turn(1, { events: [['elected', 2]] });
    },
  ],
  [
    'R1',
    'leads a term that another node leads',
    () => {
      const s = committed();
      s.turn(2, { events: [['elected', 1]] });
    },
  ],
  [
    'R1',
    'speaks as a leader that it is not',
    () => {
      const s = committed();
      s.turn(2, { says: [[3, beats(1, 0)]] });
    },
  ],
  [
    'R2',
    'votes for two candidates in one incarnation',
    () => {
      const s = committed();
      s.turn(2, { records: [promise(1, 3)] });
    },
  ],
  [
    'R2',
    'clears its vote within a term',
    () => {
      const s = committed();
      s.turn(2, { records: [promise(1, 0)] });
    },
  ],
  [
    'R2',
    'tells of two votes over a restart',
    () => {
      const s = new RuleStory(raftRules);
      elect(s, 1, 1, 2);
      s.turn(3, { records: [promise(1, 3)], saysAfter: [[2, asks(1, 3)]] });
      s.restart(2, [promise(1, 3)]);
      s.turn(2, { saysAfter: [[3, grants(1)]] });
    },
  ],
  [
    'R2',
    'takes a term from a pre-vote',
    () => {
      const s = new RuleStory(raftRules);
      s.hears(2, 1, say({ kind: 'requestVote', term: 7, preVote: true }));
      s.turn(2, { records: [promise(7, 0)] });
    },
  ],
  [
    'R3',
    'truncates the log that it leads with',
    () => {
      const s = committed();
      s.turn(1, { records: [entry(1, 2)] });
      s.turn(1, { records: [truncate(2)] });
    },
  ],
  [
    'R3',
    'writes an index again that it leads with',
    () => {
      const s = committed();
      s.turn(1, { records: [entry(1, 1)] });
    },
  ],
  [
    'R4',
    'holds another entry of the same term and index',
    () => {
      const s = committed();
      s.turn(3, { records: [entry(1, 1, 'other')] });
    },
  ],
  [
    'R4',
    'holds the entry behind another one',
    () => {
      const s = new RuleStory(raftRules);
      elect(s, 1, 1, 2);
      s.turn(1, { records: [entry(1, 1), entry(1, 2)] });
      elect(s, 2, 3, 2);
      s.turn(3, { records: [entry(2, 1)] });
      s.turn(3, { records: [entry(1, 2)] });
    },
  ],
  [
    'R4',
    'sends what its log does not hold',
    () => {
      const s = committed();
      s.turn(1, { says: [[3, appends(1, [entry(1, 2)])]] });
    },
  ],
  [
    'R5',
    'leads a later term without what is committed',
    () => {
      const s = committed();
      s.hears(3, 2, confirms(1, 0));
      s.turn(3, { records: [promise(2, 3)] });
      s.hears(3, 2, grants(2));
      s.hears(3, 1, grants(2));
      s.turn(3, { events: [['elected', 2]] });
    },
  ],
  [
    'R6',
    'commits an entry of an earlier term by counting',
    () => {
      const s = new RuleStory(raftRules);
      elect(s, 1, 1, 2);
      s.turn(1, { records: [entry(1, 1)] });
      replicate(s, 1, 2, [entry(1, 1)]);
      elect(s, 2, 2, 3, [1, 1]);
      s.turn(2, { commits: [entry(1, 1)] });
    },
  ],
  [
    'R6',
    'commits what one disk holds',
    () => {
      const s = committed();
      s.turn(1, { records: [entry(1, 2)] });
      s.turn(1, { commits: [entry(1, 2)] });
    },
  ],
  [
    'R7',
    'commits beyond what the leader told it',
    () => {
      const s = committed();
      s.turn(2, { commits: [entry(1, 1)] });
    },
  ],
  [
    'R8',
    'truncates what it announced',
    () => {
      const s = committed();
      s.hears(2, 1, beats(1, 1));
      s.turn(2, { commits: [entry(1, 1)] });
      s.turn(2, { records: [truncate(1)] });
    },
  ],
  [
    'R8',
    'truncates what others have committed',
    () => {
      const s = committed();
      s.turn(2, { records: [truncate(1)] });
    },
  ],
  [
    'R8',
    'truncates without a conflict',
    () => {
      const s = committed();
      s.turn(1, { records: [entry(1, 2)] });
      s.turn(2, { records: [entry(1, 2)] });
      s.turn(2, { records: [truncate(2), entry(1, 2)] });
    },
  ],
  [
    'R9',
    'counts on a follower further than its disk goes',
    () => {
      const s = committed();
      s.turn(1, { records: [entry(1, 2)] });
      shows(s, 1, 1, 2, 2);
    },
  ],
  [
    'R9',
    'takes a match back',
    () => {
      const s = committed();
      shows(s, 1, 1, 1);
      shows(s, 1, 1, 0);
    },
  ],
  [
    'R9',
    'sends again what is acknowledged',
    () => {
      const s = committed();
      s.turn(1, { says: [[2, appends(1, [entry(1, 1)])]] });
    },
  ],
  [
    'R9',
    'acknowledges its own tail, which the leader does not have (RF-22)',
    () => {
      const s = committed();
      s.turn(1, { records: [entry(1, 2)] });
      elect(s, 2, 2, 3, [1, 1]);
      s.turn(2, { records: [entry(2, 2)] });
      s.hears(1, 2, beats(2, 0));
      s.turn(1, { events: [['steppedDown', 1]], records: [promise(2, 0)] });
      s.turn(1, { saysAfter: [[2, acks(2, 2)]] });
    },
  ],
  [
    'R10',
    'votes for a shorter log',
    () => {
      const s = committed();
      elect(s, 2, 3, 2);
    },
  ],
  [
    'R11',
    'speaks in a term above its own',
    () => {
      const s = committed();
      s.turn(2, { says: [[1, confirms(2, 1)]] });
    },
  ],
  [
    'R11',
    'grants a vote that nobody asked for',
    () => {
      const s = new RuleStory(raftRules);
      s.hears(2, 1, asks(1, 1));
      s.turn(2, { records: [promise(1, 1)], saysAfter: [[1, grants(1)]] });
    },
  ],
  [
    'R13',
    'announces a snapshot with a wrong term',
    () => {
      const s = committed();
      const meta = { index: 1 };
      const fields = { lastIncludedIndex: 1, lastIncludedTerm: 2, meta };
      s.turn(1, { says: [[3, say({ kind: 'installSnapshot', term: 1, ...fields })]] });
    },
  ],
  [
    'R13',
    'records a snapshot of what nobody committed',
    () => {
      const s = committed();
      s.turn(1, { records: [entry(1, 2), snapshot(2, 1)] });
    },
  ],
  [
    'R14',
    'answers a read by confirmations from before it',
    () => {
      const s = committed();
      s.turn(1, { says: [[2, beats(1, 1, 5)]] });
      s.hears(1, 2, confirms(1, 5));
      s.observer.asked(nodeId(1), 'linearizable', 9 as never);
      s.turn(1, { reads: [9] });
    },
  ],
  [
    'R14',
    'answers a read before it committed in its term',
    () => {
      const s = new RuleStory(raftRules);
      elect(s, 1, 1, 2);
      s.observer.asked(nodeId(1), 'linearizable', 9 as never);
      s.turn(1, { says: [[2, beats(1, 0, 1)]] });
      s.hears(1, 2, confirms(1, 1));
      s.turn(1, { reads: [9] });
    },
  ],
  [
    'S4',
    'opens in an older term than it spoke in',
    () => {
      const s = committed();
      s.restart(2, []);
    },
  ],
];

describe('the rules of Raft', () => {
  it('let a good story pass: elections, commits, a conflict, a snapshot, a read', () => {
    const s = committed();
    s.turn(1, { records: [entry(1, 2)] });
    s.hears(2, 1, beats(1, 1));
    s.turn(2, { commits: [entry(1, 1)], records: [commit(1)] });
    elect(s, 2, 2, 3, [1, 1]);
    s.turn(2, { records: [entry(2, 2)] });
    replicate(s, 2, 3, [entry(1, 1), entry(2, 2)]);
    s.turn(2, { commits: [entry(2, 2)] });
    s.turn(2, { records: [snapshot(2, 2)] });
    s.hears(1, 2, appends(2, [entry(2, 2)], 2));
    s.turn(1, { records: [promise(2, 0)], events: [['steppedDown', 1]] });
    s.turn(1, { records: [truncate(2), entry(2, 2)], commits: [entry(2, 2)] });
    s.observer.asked(nodeId(2), 'linearizable', 3 as never);
    s.turn(2, { says: [[3, beats(2, 2, 1)]] });
    s.hears(2, 3, confirms(2, 1));
    s.turn(2, { reads: [3] });
    for (const id of [1, 2, 3]) s.restart(id);
  });

  for (const [id, what, story] of BAD) {
    it(`${id}: notice a replica that ${what}`, () => {
      expect(brokenBy(story)).toBe(id);
    });
  }

  it('can each be broken by a story here', () => {
    const told = new Set(BAD.map(([id]) => id));
    expect([...told].sort()).toEqual(raisedIn(['raft-rules', 'raft-leadership', 'raft-speech']));
  });
});
