import { DEFAULT_TIMING, type LogIndex, nodeId, type SnapshotMeta } from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { HandDriven } from '../hand-driven.ts';

// Stories of snapshots that met something else on their way.

const beat = DEFAULT_TIMING.heartbeatMicros;

function describeAt(cluster: HandDriven, id: number, index: number): SnapshotMeta {
  const description = cluster.engine(id).describeSnapshot(index as LogIndex);
  return { ...description, digest: `${id} at ${index}`, bytes: 10 };
}

/** Takes a snapshot at everything applied, as a host does. */
function cut(cluster: HandDriven, id: number): SnapshotMeta {
  const meta = describeAt(cluster, id, cluster.engine(id).status().commitIndex);
  cluster.engine(id).snapshotTaken(meta);
  cluster.replica(id).snapshot = meta;
  cluster.take(id);
  return meta;
}

/** Lets heartbeats pass until node 3 has been told of a snapshot. */
function announce(cluster: HandDriven): void {
  for (let i = 0; i < 6; i++) {
    const told = cluster.pick(({ message }) => message.kind === 'installSnapshot');
    if (told.length > 0) {
      cluster.deliver(...told);
      return;
    }
    cluster.pass(1, beat);
    for (let j = 0; j < 4; j++) {
      cluster.deliver(...cluster.pick(({ message }) => message.kind !== 'installSnapshot'));
    }
  }
  throw new Error('no snapshot was announced');
}

/** Node 1 leads, node 3 has missed everything, and what it missed is compacted away. */
function behind(limits: { logTailBytesMin: number; logTailBytesMax: number }): {
  cluster: HandDriven;
  meta: SnapshotMeta;
} {
  const cluster = new HandDriven(3, { limits });
  cluster.elect(1, 1, 2, 3);
  for (const text of ['a', 'b', 'c']) cluster.propose(1, text);
  cluster.settle(1, 2);
  const meta = cut(cluster, 1);
  cluster.wire = [];
  return { cluster, meta };
}

describe('Raft: snapshots', () => {
  it('RF-30: the leader waits for a newer snapshot, an older one reconnects the log', () => {
    const { cluster, meta } = behind({ logTailBytesMin: 2, logTailBytesMax: 2 });
    announce(cluster);
    cluster.engine(3).snapshotOffered(nodeId(1), meta);
    cluster.take(3);
    const slowAnswer = cluster.pick(({ from }) => from === 3);
    // The transfer counts as failed; meanwhile the leader has cut a newer one and announces it.
    for (const text of ['d', 'e']) cluster.propose(1, text);
    cluster.settle(1, 2);
    const newer = cut(cluster, 1);
    expect(newer.index).toBeGreaterThan(meta.index);
    cluster.engine(1).snapshotSent(nodeId(3), false);
    cluster.take(1);
    const isNewer = ({ message }: { message: { kind: string } }): boolean =>
      message.kind === 'installSnapshot';
    for (let i = 0; i < 20 && cluster.pick(isNewer).length === 0; i++) {
      cluster.pass(1, beat); // Node 3 answers heartbeats; what is announced to it is lost.
      cluster.deliver(...cluster.pick((one) => !isNewer(one)));
    }
    expect(cluster.engine(1).status().peers[1]).toMatchObject({ state: 'snapshot' });
    cluster.wire = [];
    cluster.deliver(...slowAnswer);
    cluster.settle();
    for (let i = 0; i < 4; i++) {
      cluster.pass(1, beat);
      cluster.settle();
    }
    expect(cluster.engine(1).status().peers[1]).toMatchObject({ state: 'replicate' });
    expect(cluster.engine(3).status()).toMatchObject({ snapshotIndex: meta.index, commitIndex: 6 });
    expect(cluster.texts(3)).toEqual(['d', 'e']);
  });

  it('KV-19: an own snapshot that ends behind an installed one takes nothing back', () => {
    const cluster = new HandDriven(3, { limits: { logTailBytesMin: 0, logTailBytesMax: 0 } });
    cluster.elect(1);
    cluster.propose(1, 'early');
    cluster.settle();
    const own = describeAt(cluster, 3, 2); // Its host starts to write it, and is slow.
    cluster.pass(1, beat);
    cluster.settle();
    for (const text of ['b', 'c', 'd']) cluster.propose(1, text);
    cluster.settle(1, 2);
    const meta = cut(cluster, 1);
    cluster.engine(1).peerDisconnected(nodeId(3));
    cluster.engine(1).peerConnected(nodeId(3));
    cluster.take(1);
    announce(cluster);
    cluster.engine(3).snapshotOffered(nodeId(1), meta);
    cluster.take(3);
    cluster.engine(3).snapshotTaken(own);
    cluster.take(3);
    cluster.engine(1).snapshotSent(nodeId(3), true);
    cluster.propose(1, 'after');
    for (let i = 0; i < 4; i++) {
      cluster.settle();
      cluster.pass(1, beat);
    }
    expect(cluster.texts(3)).toEqual(['early', 'after']);
    const named = cluster.replica(3).durable.filter(({ kind }) => kind === 7);
    expect(named.at(-1)?.index).toBe(meta.index);
    cluster.restart(3);
    expect(cluster.engine(3).status()).toMatchObject({ snapshotIndex: 5, lastIndex: 6 });
  });
});
