import {
  DEFAULT_TIMING,
  type LogIndex,
  logIndex,
  nodeId,
  round,
  type SnapshotMeta,
} from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { HandDriven } from './hand-driven.ts';
import type { AppendEntries, InstallSnapshot } from './messages.ts';
import { lastTermOf, promiseRecord } from './records.ts';

const noTail = { limits: { logTailBytesMin: 0, logTailBytesMax: 0 } };
const beat = DEFAULT_TIMING.heartbeatMicros;

/** Takes a snapshot at everything applied, as a host does. */
function cut(cluster: HandDriven, id: number): SnapshotMeta {
  const index = cluster.replica(id).committed.at(-1)?.index ?? (0 as LogIndex);
  const meta: SnapshotMeta = {
    ...cluster.engine(id).describeSnapshot(index),
    digest: `at ${index}`,
    bytes: 100,
  };
  cluster.engine(id).snapshotTaken(meta);
  cluster.replica(id).snapshot = meta;
  cluster.take(id);
  return meta;
}

/** A leader, node 1, whose log is compacted away below what node 3 holds. */
function compacted(): { cluster: HandDriven; meta: SnapshotMeta } {
  const cluster = new HandDriven(3, noTail);
  cluster.elect(1, 1, 2, 3);
  for (const text of ['a', 'b', 'c']) cluster.propose(1, text);
  cluster.settle(1, 2);
  const meta = cut(cluster, 1);
  cluster.wire = [];
  return { cluster, meta };
}

/** Lets heartbeats find out that node 3 is behind; returns what node 3 is told. */
function announce(cluster: HandDriven): InstallSnapshot {
  for (let i = 0; i < 6; i++) {
    const found = cluster.pick(({ message }) => message.kind === 'installSnapshot')[0];
    if (found !== undefined) {
      cluster.deliver(found);
      return found.message as InstallSnapshot;
    }
    cluster.pass(1, beat);
    for (let j = 0; j < 4; j++) {
      cluster.deliver(...cluster.pick(({ message }) => message.kind !== 'installSnapshot'));
    }
  }
  throw new Error('no snapshot was announced');
}

describe('Raft paper, section 7: snapshots', () => {
  it('a follower behind the compacted log gets one, and then the rest of the log', () => {
    const { cluster, meta } = compacted();
    const said = announce(cluster);
    expect([said.lastIncludedIndex, said.lastIncludedTerm]).toEqual([4, 1]);
    expect(cluster.replica(1).asked).toEqual([{ to: 3, meta }]);
    cluster.engine(3).snapshotOffered(nodeId(1), meta);
    cluster.take(3);
    expect(cluster.engine(3).status()).toMatchObject({ commitIndex: 4, snapshotIndex: 4 });
    expect(cluster.replica(3).snapshot).toEqual(meta);
    cluster.engine(1).snapshotSent(nodeId(3), true);
    cluster.propose(1, 'd');
    cluster.settle();
    cluster.pass(1, beat);
    cluster.settle();
    expect(cluster.texts(3)).toEqual(['d']);
    cluster.restart(3);
    expect(cluster.engine(3).status()).toMatchObject({ snapshotIndex: 4, lastIndex: 5 });
  });

  it('only the snapshot that the leader of the term announced is installed', () => {
    const { cluster, meta } = compacted();
    cluster.engine(3).snapshotOffered(nodeId(1), meta);
    announce(cluster);
    cluster.engine(3).snapshotOffered(nodeId(2), meta);
    cluster.engine(3).snapshotOffered(nodeId(1), { ...meta, digest: 'another' });
    cluster.take(3);
    expect(cluster.engine(3).status().snapshotIndex).toBe(0);
    const ignored = cluster
      .replica(3)
      .events.filter(({ detail }) => detail.startsWith('a snapshot'));
    expect(ignored).toHaveLength(3);
  });

  it('RF-07: an old snapshot leaves the term alone', () => {
    const { cluster, meta } = compacted();
    cluster.elect(2, 1, 2);
    cluster.open(3, [promiseRecord(round(2), 0)], null);
    cluster.engine(2).peerConnected(nodeId(3));
    const from2 = { ...meta, digest: 'own' };
    cluster.deliver({
      from: nodeId(2),
      to: nodeId(3),
      message: {
        kind: 'installSnapshot',
        term: round(2),
        leaderId: nodeId(2),
        lastIncludedIndex: meta.index,
        lastIncludedTerm: lastTermOf(meta),
        meta: from2,
      },
    });
    cluster.engine(3).snapshotOffered(nodeId(2), from2);
    cluster.take(3);
    expect(cluster.engine(3).status()).toMatchObject({ round: 2, snapshotIndex: 4 });
  });

  it('an installed snapshot is acknowledged after its record is durable, in one batch', () => {
    const { cluster, meta } = compacted();
    announce(cluster);
    const before = cluster.engine(3).status();
    cluster.engine(3).snapshotOffered(nodeId(1), meta);
    const ready = cluster.engine(3).takeReady();
    // What lay above the commit index goes with the same batch that names the snapshot.
    const kinds = ready.records.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 7)).toHaveLength(1);
    expect(ready.mustSync).toBe(true);
    expect(ready.snapshotToInstall).toEqual(meta);
    expect(ready.committed).toEqual([]);
    expect(ready.messages).toEqual([]);
    expect(ready.messagesAfterPersist.map(({ message }) => message)).toMatchObject([
      { kind: 'appendEntriesResponse', success: true, matchIndex: meta.index },
    ]);
    expect(cluster.engine(3).status().round).toBe(before.round);
  });

  it('RF-09: no candidacy until the snapshot is restored', () => {
    const { cluster, meta } = compacted();
    announce(cluster);
    const { engine } = cluster.replica(3);
    engine.snapshotOffered(nodeId(1), meta);
    engine.takeReady(); // The host has it and restores for a long time.
    cluster.timeout(3);
    expect(engine.status().role).toBe('follower');
    engine.applied(meta.index);
    cluster.timeout(3);
    expect(engine.status().role).toBe('candidate');
  });

  it('RF-09: a new term during the transfer drops the announcement cleanly', () => {
    const { cluster, meta } = compacted();
    announce(cluster);
    cluster.elect(2, 1, 2);
    cluster.pass(2, beat);
    cluster.deliver(...cluster.pick(({ to }) => to === 3));
    cluster.engine(3).snapshotOffered(nodeId(1), meta);
    cluster.take(3);
    expect(cluster.engine(3).status()).toMatchObject({ round: 2, snapshotIndex: 0 });
  });

  it('RF-26: entries that the snapshot covers are recognised, not appended again', () => {
    const { cluster } = compacted();
    const late: AppendEntries = {
      kind: 'appendEntries',
      term: round(1),
      leaderId: nodeId(1),
      prevLogIndex: logIndex(0),
      prevLogTerm: round(0),
      leaderCommit: logIndex(1),
      entries: cluster.replica(1).durable.filter(({ kind, index }) => kind === 2 && index === 1),
    };
    cluster.pass(1, beat);
    cluster.settle(1, 2);
    cut(cluster, 2);
    cluster.deliver({ from: nodeId(1), to: nodeId(2), message: late });
    expect(cluster.engine(2).status()).toMatchObject({ lastIndex: 4, snapshotIndex: 4 });
    const [answer] = cluster.pick(({ from }) => from === 2);
    expect(answer?.message).toMatchObject({ success: true, matchIndex: 4 });
  });

  it('RF-27, RF-28: nothing is compared with a compacted entry; a snapshot goes instead', () => {
    const { cluster } = compacted();
    announce(cluster);
    const appends = cluster.wire.filter(
      ({ to, message }) => to === 3 && message.kind === 'appendEntries' && message.prevLogIndex < 4,
    );
    expect(appends).toEqual([]);
    expect(cluster.engine(1).status().peers[1]?.state).toBe('snapshot');
    expect(cluster.engine(3).status().commitIndex).toBeLessThan(2);
  });

  it('RF-30: an older snapshot that reconnects the log ends the wait', () => {
    const { cluster, meta } = compacted();
    announce(cluster);
    cluster.propose(1, 'd');
    cluster.settle(1, 2);
    // Only an acknowledgement at or above the log in memory counts, and this one is at its edge.
    cluster.engine(3).snapshotOffered(nodeId(1), meta);
    cluster.take(3);
    cluster.deliver(...cluster.pick(({ from }) => from === 3));
    expect(cluster.engine(1).status().peers[1]).toMatchObject({
      matchIndex: 4,
      state: 'replicate',
    });
    cluster.settle();
    expect(cluster.texts(3)).toEqual(['d']);
  });

  it('a failed transfer is asked for again when the follower shows life', () => {
    const { cluster } = compacted();
    announce(cluster);
    cluster.engine(1).snapshotSent(nodeId(3), false);
    cluster.take(1);
    expect(cluster.replica(1).asked).toHaveLength(1);
    announce(cluster);
    expect(cluster.replica(1).asked).toHaveLength(2);
  });

  it('keeps a tail for slow followers, within its bounds', () => {
    const cluster = new HandDriven(3, { limits: { logTailBytesMin: 3, logTailBytesMax: 1_000 } });
    cluster.elect(1, 1, 2, 3);
    for (const text of ['a', 'b', 'c', 'd', 'e']) cluster.propose(1, text);
    cluster.settle(1, 2);
    cut(cluster, 1);
    cluster.wire = [];
    for (let i = 0; i < 4; i++) {
      cluster.pass(1, beat);
      cluster.settle();
    }
    expect(cluster.texts(3)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(cluster.replica(1).asked).toEqual([]);
  });
});
