import { RecordKind, type WalRecord } from '@quorate/consensus';
import type { ZabMessage } from '@quorate/zab';
import { describe, expect, it } from 'vitest';
import { raisedIn } from './raised-ids.ts';
import { brokenBy, fact, promise, RuleStory, truncate } from './rule-story.ts';
import { zabRules } from './zab-rules.ts';

const say = (message: Record<string, unknown>): ZabMessage => message as unknown as ZabMessage;
const txn = (epoch: number, counter: number, index: number, value = 'v'): WalRecord =>
  fact(RecordKind.accept, { round: epoch, counter, index, value });
const establish = (epoch: number): WalRecord => fact(RecordKind.establish, { round: epoch });
const snapshot = (index: number, epoch: number, counter: number): WalRecord =>
  fact(RecordKind.snapshot, { index, round: epoch, counter });
const ackEpoch = (epoch: number, currentEpoch = 0, index = 0): ZabMessage =>
  say({ kind: 'ackEpoch', epoch, counted: true, currentEpoch, index });
const newLeader = (epoch: number, index: number, zxid = { epoch: 0, counter: 0 }): ZabMessage =>
  say({ kind: 'newLeader', epoch, index, zxid });
const ack = (epoch: number, index: number, nonce = 1): ZabMessage =>
  say({ kind: 'ack', epoch, index, nonce });
const propose = (epoch: number, records: WalRecord[], committed = 0): ZabMessage =>
  say({ kind: 'propose', epoch, records, committed });
const votes = (leader: number, counter: number, epoch = 1, round = 1): ZabMessage => {
  const vote = { leader, epoch, zxid: { epoch, counter } };
  return say({ kind: 'notification', state: 'looking', round, vote });
};

type Zab = RuleStory<ZabMessage>;
interface Begin {
  readonly current?: number;
  readonly end?: WalRecord;
  readonly commits?: readonly WalRecord[];
  readonly joins?: readonly WalRecord[];
}

/** Discovery: the leader's promise is durable, the follower's is told. */
function discover(s: Zab, epoch: number, leader: number, follower: number, begin: Begin): void {
  const { current = 0, end } = begin;
  s.turn(leader, { records: [promise(epoch, leader)] });
  const answer = ackEpoch(epoch, current, begin.joins === undefined ? (end?.index ?? 0) : 0);
  s.turn(follower, { records: [promise(epoch, leader)], saysAfter: [[leader, answer]] });
  s.hears(leader, follower, answer);
}

/** Phases 1 to 3: the leader's history is the follower's, the epoch serves. */
function lead(s: Zab, epoch: number, leader: number, follower: number, begin: Begin = {}): void {
  discover(s, epoch, leader, follower, begin);
  const { end, joins = [], commits = [] } = begin;
  const zxid = { epoch: end?.round ?? 0, counter: end?.counter ?? 0 };
  const index = end?.index ?? 0;
  const told = newLeader(epoch, index, zxid);
  s.turn(leader, { records: [establish(epoch)], saysAfter: [[follower, told]] });
  s.hears(follower, leader, told);
  const acknowledged = ack(epoch, index, epoch);
  s.turn(follower, {
    records: [...joins, establish(epoch)],
    saysAfter: [[leader, acknowledged]],
  });
  s.hears(leader, follower, acknowledged);
  s.turn(leader, { events: [['serving', epoch]], commits });
}

/** The primary logs a transaction, the follower too, and it is committed. */
function broadcast(s: Zab, leader: number, follower: number, record: WalRecord): void {
  const { round, index } = record;
  s.turn(leader, { records: [record], says: [[follower, propose(round, [record])]] });
  s.turn(follower, { records: [record], saysAfter: [[leader, ack(round, index, round)]] });
  s.hears(leader, follower, ack(round, index, round));
  s.turn(leader, { commits: [record] });
}

/** Server 1 leads epoch 1 with server 2 and has committed one transaction; 3 has heard nothing. */
function committed(): Zab {
  const s = new RuleStory(zabRules);
  lead(s, 1, 1, 2);
  broadcast(s, 1, 2, txn(1, 1, 1));
  return s;
}

const BAD: readonly (readonly [string, string, () => void])[] = [
  [
    'C4',
    'commits what one disk holds',
    () => {
      const s = committed();
      s.turn(1, { records: [txn(1, 2, 2)] });
      s.turn(1, { commits: [txn(1, 2, 2)] });
    },
  ],
  [
    'C6',
    'takes its acceptedEpoch back',
    () => {
      const s = committed();
      s.turn(2, { records: [promise(3, 1)] });
      s.turn(2, { records: [promise(2, 1)] });
    },
  ],
  [
    'C6',
    'opens with a current epoch that it never accepted',
    () => {
      const s = new RuleStory(zabRules);
      s.restart(1, [promise(1, 2), establish(2)]);
    },
  ],
  [
    'C9',
    'acknowledges what is not on its disk',
    () => {
      const s = committed();
      s.turn(1, { records: [txn(1, 2, 2)] });
      s.turn(2, { records: [txn(1, 2, 2)], says: [[1, ack(1, 2)]], durable: false });
    },
  ],
  [
    'C9',
    'votes by a transaction that is not its last',
    () => {
      const s = committed();
      s.turn(2, { saysAfter: [[3, votes(2, 2)]] });
    },
  ],
  [
    'C9',
    'promises an epoch before the promise is durable',
    () => {
      const s = committed();
      s.turn(3, { records: [promise(2, 1)], says: [[1, ackEpoch(2)]], durable: false });
    },
  ],
  [
    'C9',
    'speaks as a leader before its epoch is durable',
    () => {
      const s = new RuleStory(zabRules);
      discover(s, 1, 1, 2, {});
      s.turn(1, { records: [establish(1)], says: [[2, newLeader(1, 0)]], durable: false });
    },
  ],
  [
    'C11',
    'leads an epoch that nobody else promised',
    () => {
      const s = new RuleStory(zabRules);
      s.turn(1, { records: [promise(1, 1)] });
      s.turn(1, { records: [establish(1)] });
    },
  ],
  [
    'C11',
    'leads an epoch with half of an even cluster',
    () => {
      lead(new RuleStory(zabRules, 4), 1, 1, 2);
    },
  ],
  [
    'C11',
    'serves before anybody acknowledged NEWLEADER',
    () => {
      const s = new RuleStory(zabRules);
      discover(s, 1, 1, 2, {});
      s.turn(1, { records: [establish(1)] });
      s.turn(1, { events: [['serving', 1]] });
    },
  ],
  [
    'S4',
    'opens with an older epoch than it spoke of',
    () => {
      const s = committed();
      s.restart(2, []);
    },
  ],
  [
    'Z1',
    'leads an epoch that another server leads',
    () => {
      const s = committed();
      s.restart(2, [promise(1, 2)]);
      s.hears(2, 3, ackEpoch(1));
      s.turn(2, { records: [establish(1)] });
    },
  ],
  [
    'Z1',
    'promises an epoch to two servers',
    () => {
      const s = committed();
      s.restart(2, [promise(1, 3)]);
      s.turn(2, { saysAfter: [[3, ackEpoch(1)]] });
    },
  ],
  [
    'Z1',
    'proposes in an epoch that another one leads',
    () => {
      const s = committed();
      s.turn(2, { says: [[3, propose(1, [])]] });
    },
  ],
  [
    'Z2',
    'delivers another transaction than was committed',
    () => {
      const s = committed();
      s.turn(1, { records: [txn(1, 2, 2)] });
      lead(s, 2, 2, 3, { end: txn(1, 1, 1), joins: [txn(1, 1, 1)], commits: [txn(1, 1, 1)] });
      broadcast(s, 2, 3, txn(2, 1, 2));
      s.turn(1, { events: [['steppedDown', 1]] });
      s.turn(1, { commits: [txn(1, 2, 2)] });
    },
  ],
  [
    'Z2',
    'covers by a snapshot what nobody committed',
    () => {
      const s = committed();
      s.turn(1, { records: [txn(1, 2, 2), snapshot(2, 1, 2)] });
    },
  ],
  [
    'Z3',
    'logs a transaction that no primary broadcast',
    () => {
      const s = committed();
      s.turn(2, { records: [txn(1, 2, 2)] });
    },
  ],
  [
    'Z6',
    'holds a transaction with another content',
    () => {
      const s = committed();
      s.turn(3, { records: [txn(1, 1, 1, 'other')] });
    },
  ],
  [
    'Z6',
    'delivers a transaction without the one before it',
    () => {
      const s = committed();
      s.turn(1, { records: [txn(1, 2, 2), txn(1, 3, 3)] });
      s.restart(3, [txn(1, 3, 3)]);
      s.turn(3, { commits: [txn(1, 3, 3)] });
    },
  ],
  [
    'Z7',
    'logs an earlier epoch behind a later one',
    () => {
      const s = new RuleStory(zabRules);
      lead(s, 1, 1, 2);
      s.turn(1, { records: [txn(1, 1, 1), txn(1, 2, 2)] });
      lead(s, 2, 2, 3);
      s.turn(2, { records: [txn(2, 1, 1)] });
      s.turn(2, { records: [txn(1, 2, 2)] });
    },
  ],
  [
    'Z8',
    'broadcasts before it delivered the earlier epochs',
    () => {
      const s = committed();
      lead(s, 2, 2, 3, { end: txn(1, 1, 1), joins: [txn(1, 1, 1)] });
      s.turn(2, { records: [txn(2, 1, 2)] });
    },
  ],
  [
    'Z9',
    'acknowledges with a tail that its leader does not have',
    () => {
      const s = committed();
      s.turn(1, { records: [txn(1, 2, 2)] });
      lead(s, 2, 2, 3, { end: txn(1, 1, 1), joins: [txn(1, 1, 1)], commits: [txn(1, 1, 1)] });
      s.hears(1, 2, newLeader(2, 2));
      s.turn(1, { events: [['steppedDown', 1]], records: [promise(2, 2), establish(2)] });
      s.turn(1, { saysAfter: [[2, ack(2, 1)]] });
    },
  ],
  [
    'Z10',
    'leads without what was committed',
    () => {
      const s = committed();
      lead(s, 2, 3, 2, { current: 1 });
    },
  ],
  [
    'Z11',
    'truncates what is committed',
    () => {
      const s = committed();
      s.turn(2, { records: [truncate(1)] });
    },
  ],
  [
    'Z12',
    'leaves out a counter',
    () => {
      const s = committed();
      s.turn(1, { records: [txn(1, 3, 2)] });
    },
  ],
  [
    'Z12',
    'proposes to a server before NEWLEADER',
    () => {
      const s = committed();
      s.turn(1, { says: [[3, propose(1, [txn(1, 1, 1)])]] });
    },
  ],
  [
    'Z12',
    'tells a commit of more than it committed',
    () => {
      const s = committed();
      s.turn(1, { says: [[2, say({ kind: 'commit', epoch: 1, committed: 2 })]] });
    },
  ],
  [
    'Z12',
    'acknowledges less than before',
    () => {
      const s = committed();
      s.turn(2, { saysAfter: [[1, ack(1, 0)]] });
      s.turn(2, { saysAfter: [[1, ack(1, 1)]] });
      s.turn(2, { saysAfter: [[1, ack(1, 0)]] });
    },
  ],
  [
    'Z13',
    'uses a counter twice',
    () => {
      const s = committed();
      s.turn(1, { records: [txn(1, 1, 2)] });
    },
  ],
  [
    'Z13',
    'goes on behind the last counter of an epoch',
    () => {
      const s = committed();
      s.turn(1, { records: [txn(1, 2 ** 32, 2)] });
    },
  ],
  [
    'Z13',
    'enters an epoch with another history than NEWLEADER said',
    () => {
      const s = committed();
      s.turn(3, { records: [promise(1, 1)] });
      s.hears(3, 1, newLeader(1, 1, { epoch: 1, counter: 1 }));
      s.turn(3, { records: [establish(1)] });
    },
  ],
  [
    'Z14',
    'votes by a history that the candidate never told',
    () => {
      const s = committed();
      s.turn(3, { saysAfter: [[2, votes(2, 1)]] });
    },
  ],
  [
    'Z14',
    'goes back to a worse vote in a round',
    () => {
      const s = committed();
      s.turn(2, { saysAfter: [[3, votes(2, 1)]] });
      s.turn(1, { saysAfter: [[3, votes(1, 1)]] });
      s.turn(3, { saysAfter: [[2, votes(2, 1)]] });
      s.turn(3, { saysAfter: [[2, votes(1, 1)]] });
    },
  ],
];

describe('the rules of ZAB', () => {
  it('let a good story pass: two epochs, a truncated tail, a snapshot, votes', () => {
    const s = committed();
    s.turn(1, { records: [txn(1, 2, 2)] });
    s.turn(2, { saysAfter: [[3, votes(2, 1)]] });
    lead(s, 2, 2, 3, { end: txn(1, 1, 1), joins: [txn(1, 1, 1)], commits: [txn(1, 1, 1)] });
    broadcast(s, 2, 3, txn(2, 1, 2));
    s.turn(2, { records: [snapshot(2, 2, 1)] });
    s.turn(1, { events: [['steppedDown', 1]], records: [promise(2, 2)] });
    s.hears(1, 2, newLeader(2, 2));
    s.turn(1, { records: [truncate(2), txn(2, 1, 2), establish(2)], saysAfter: [[2, ack(2, 2)]] });
    for (const id of [1, 2, 3]) s.restart(id);
  });

  for (const [id, what, story] of BAD) {
    it(`${id}: notice a server that ${what}`, () => {
      expect(brokenBy(story)).toBe(id);
    });
  }

  it('can each be broken by a story here', () => {
    const told = new Set(BAD.map(([id]) => id));
    expect([...told].sort()).toEqual(raisedIn(['zab-rules', 'zab-speech']));
  });
});
