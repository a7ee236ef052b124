import { DEFAULT_TIMING, nodeId, type ReadLevel, type Ticket } from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { HandDriven } from './hand-driven.ts';
import type { RaftMessage } from './messages.ts';

const beat = DEFAULT_TIMING.heartbeatMicros;
const read = (
  cluster: HandDriven,
  id: number,
  ticket: number,
  level: ReadLevel = 'linearizable',
) => {
  const status = cluster.engine(id).read(level, ticket as Ticket);
  cluster.take(id);
  return status;
};
const served = (cluster: HandDriven, id: number): string =>
  cluster
    .replica(id)
    .readStates.map(({ ticket, index }) => `${ticket}@${index}`)
    .join(' ');

describe('thesis, section 6.4: reads', () => {
  it('are answered once a quorum has confirmed the leader after the ask', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    expect(read(cluster, 1, 5)).toBe('accepted');
    const [asked] = cluster.pick(({ to }) => to === 2);
    expect(served(cluster, 1)).toBe('');
    cluster.deliver(...(asked === undefined ? [] : [asked]));
    cluster.settle();
    expect(served(cluster, 1)).toBe('5@1');
  });

  it('RF-42: answers to an older confirmation confirm no newer read', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    cluster.pass(1, beat);
    cluster.deliver(...cluster.pick(({ from }) => from === 1));
    const old = cluster.pick(({ message }) => message.kind === 'heartbeatResponse');
    expect(old).toHaveLength(2);
    read(cluster, 1, 5);
    const asked = cluster.pick(({ from }) => from === 1);
    cluster.deliver(...old, ...old);
    expect(served(cluster, 1)).toBe('');
    cluster.deliver(...asked);
    cluster.settle();
    expect(served(cluster, 1)).toBe('5@1');
  });

  it('RF-41: wait for the first commit of the term', () => {
    const cluster = new HandDriven(3);
    cluster.timeout(1);
    while (cluster.engine(1).status().role !== 'leader')
      cluster.deliver(...cluster.pick(() => true));
    expect(read(cluster, 1, 5)).toBe('accepted');
    expect(cluster.wire.some(({ message }) => message.kind === 'heartbeat')).toBe(false);
    const { commitIndex } = cluster.engine(1).status();
    expect(commitIndex).toBe(0);
    cluster.settle();
    expect(served(cluster, 1)).toBe('5@1');
  });

  it('a follower asks its leader, and asks again when the ask is lost', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    cluster.propose(1, 'a');
    cluster.settle();
    expect(read(cluster, 2, 8)).toBe('accepted');
    cluster.wire = [];
    expect(read(cluster, 2, 9)).toBe('accepted');
    cluster.wire = [];
    cluster.pass(2, beat);
    cluster.settle();
    expect(served(cluster, 2)).toBe('8@2 9@2');
  });

  it('SIM-06: an ask that is answered when it is to be repeated is over', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    read(cluster, 2, 8);
    cluster.deliver(...cluster.pick(({ from }) => from === 2));
    cluster.deliver(...cluster.pick(({ to }) => to === 3));
    cluster.deliver(...cluster.pick(({ from }) => from === 3));
    const [answer] = cluster.pick(({ message }) => message.kind === 'readIndexResponse');
    const engine = cluster.engine(2);
    const repeatAt = engine.nextDeadline();
    // A new session repeats the ask, and brings its answer in the same turn.
    engine.peerConnected(nodeId(1));
    engine.step(nodeId(1), answer?.message as RaftMessage);
    cluster.take(2);
    expect(served(cluster, 2)).toBe('8@1');
    expect(cluster.pick(({ message }) => message.kind === 'readIndex')).toEqual([]);
    expect(engine.nextDeadline()).toBeGreaterThan(repeatAt as number);
  });

  it('are abandoned when the leader changes or is doubted', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    read(cluster, 2, 8);
    read(cluster, 1, 9);
    cluster.wire = [];
    cluster.timeout(2);
    cluster.timeout(1);
    expect(cluster.replica(2).abandoned).toEqual([{ ticket: 8, outcome: 'unknown' }]);
    expect(cluster.replica(1).abandoned).toEqual([{ ticket: 9, outcome: 'unknown' }]);
    expect(read(cluster, 2, 10)).toBe('notLeader');
  });

  it('stale ones are answered at once, leases are not offered', () => {
    const cluster = new HandDriven(3);
    cluster.elect(1);
    expect(read(cluster, 3, 4, 'stale')).toBe('accepted');
    expect(served(cluster, 3)).toBe('4@1');
    expect(read(cluster, 1, 4, 'lease')).toBe('unsupported');
  });

  it('a lone voter confirms itself', () => {
    const cluster = new HandDriven(1);
    cluster.elect(1);
    read(cluster, 1, 3);
    expect(served(cluster, 1)).toBe('3@1');
  });
});
