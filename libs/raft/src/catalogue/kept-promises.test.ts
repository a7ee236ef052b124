import {
  EntryType,
  type LogIndex,
  logIndex,
  nodeId,
  round,
  type SnapshotMeta,
  type WalRecord,
} from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { HandDriven } from '../hand-driven.ts';
import type { RaftMessage } from '../messages.ts';
import { encodeSnapshotEngine, entryRecord, promiseRecord } from '../records.ts';

const plain = { variants: { preVote: false, checkQuorum: false } };

/** Records of a log with these terms, under a promise of `term`. */
function logOf(terms: readonly number[], term: number): WalRecord[] {
  const entries = terms.map((one, i) =>
    entryRecord({
      term: round(one),
      index: logIndex(i + 1),
      type: EntryType.command,
      payload: new Uint8Array([one, i]),
    }),
  );
  return [promiseRecord(round(term), 0), ...entries];
}

function asks(candidate: number, term: number, last: readonly [number, number]): RaftMessage {
  const [lastLogIndex, lastLogTerm] = last;
  return {
    kind: 'requestVote',
    term: round(term),
    candidateId: nodeId(candidate),
    lastLogIndex: logIndex(lastLogIndex),
    lastLogTerm: round(lastLogTerm),
    preVote: false,
  };
}

function hears(cluster: HandDriven, to: number, from: number, message: RaftMessage): void {
  cluster.deliver({ from: nodeId(from), to: nodeId(to), message });
}

/** Whether node `from` granted, for each answer that it sent so far. */
function grants(cluster: HandDriven, from: number): boolean[] {
  const sent = cluster.pick((one) => one.from === from);
  return sent.flatMap(({ message }) =>
    message.kind === 'requestVoteResponse' ? [message.voteGranted] : [],
  );
}

const commit = (cluster: HandDriven, id: number): number => cluster.engine(id).status().commitIndex;

// Each of these was written because a planted bug passed every other script.
describe('Raft: promises that are kept', () => {
  it('RF-04: a candidate that a quorum refused gives its vote of the term to nobody else', () => {
    const cluster = new HandDriven(3, plain);
    cluster.timeout(1);
    const refusal: RaftMessage = {
      kind: 'requestVoteResponse',
      term: round(1),
      requestTerm: round(1),
      voteGranted: false,
      preVote: false,
    };
    for (const voter of [2, 3]) hears(cluster, 1, voter, refusal);
    expect(cluster.engine(1).status()).toMatchObject({ role: 'follower', round: 1, leader: null });
    cluster.wire = [];
    hears(cluster, 1, 3, asks(3, 1, [5, 1]));
    expect(grants(cluster, 1)).toEqual([false]);
  });

  it('RF-02: a longer log with an older last term gets no vote', () => {
    const cluster = new HandDriven(3, plain);
    cluster.open(2, logOf([1, 2], 2), null);
    hears(cluster, 2, 3, asks(3, 3, [9, 1]));
    hears(cluster, 2, 1, asks(1, 3, [2, 2]));
    expect(grants(cluster, 2)).toEqual([false, true]);
  });

  it('RF-33: of three voters, the leader is no second copy before its own disk has ended', () => {
    const cluster = new HandDriven(3, plain);
    cluster.elect(1);
    cluster.settle();
    const before = commit(cluster, 1);
    cluster.slowDisks.add(1);
    cluster.propose(1, 'a');
    cluster.settle(1, 2);
    expect(commit(cluster, 1)).toBe(before);
    cluster.sync(1);
    expect(commit(cluster, 1)).toBe(before + 1);
  });

  it('RF-35: a tail above an installed snapshot is gone from the disk too', () => {
    const cluster = new HandDriven(3, plain);
    cluster.open(3, logOf([1, 1, 1, 1, 1, 1], 1), null);
    const meta: SnapshotMeta = {
      index: 4 as LogIndex,
      membership: cluster.engine(3).status().membership.current,
      engine: encodeSnapshotEngine(round(2)),
      digest: 'of node 1',
      bytes: 10,
    };
    hears(cluster, 3, 1, {
      kind: 'installSnapshot',
      term: round(2),
      leaderId: nodeId(1),
      lastIncludedIndex: meta.index,
      lastIncludedTerm: round(2),
      meta,
    });
    cluster.engine(3).snapshotOffered(nodeId(1), meta);
    cluster.take(3);
    expect(cluster.engine(3).status()).toMatchObject({ snapshotIndex: 4, lastIndex: 4 });
    cluster.restart(3);
    expect(cluster.engine(3).status()).toMatchObject({ snapshotIndex: 4, lastIndex: 4 });
  });
});
