import { type NodeId, nodeId } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { majority } from '@quorate/quorum';
import { describe, expect, it } from 'vitest';
import { compareVotes, FastLeaderElection } from './election.ts';
import type { ElectionState, Notification, Vote } from './messages.ts';

const vote = (leader: number, epoch = 0, counter = 0): Vote => ({
  leader: nodeId(leader),
  epoch,
  zxid: { epoch, counter },
});

function election(own: Vote, voters: readonly number[], avoided: readonly number[] = []) {
  const quorum = majority(voters.length);
  return new FastLeaderElection(
    own,
    1,
    voters.map(nodeId),
    (has) => voters.filter((voter) => has(nodeId(voter))).length >= quorum,
    (server) => avoided.includes(server),
  );
}

function says(of: Vote, state: ElectionState = 'looking', round = 1): Notification {
  return { kind: 'notification', state, round, vote: of };
}

describe('fast leader election', () => {
  it('Z14, ZB-18: votes are totally ordered by epoch, last logged zxid and id', () => {
    const random = createRandom('votes');
    const some = Array.from({ length: 40 }, () =>
      vote(1 + random.below(4), random.below(3), random.below(3)),
    );
    for (const a of some) {
      for (const b of some) {
        expect(Math.sign(compareVotes(a, b))).toBe(0 - Math.sign(compareVotes(b, a)));
        for (const c of some) {
          if (compareVotes(a, b) > 0 && compareVotes(b, c) > 0) {
            expect(compareVotes(a, c)).toBeGreaterThan(0);
          }
        }
      }
    }
  });

  it('adopts a better vote and passes it on; a worse one is only counted', () => {
    const one = election(vote(1), [1, 2, 3]);
    expect(one.hear(nodeId(2), says(vote(2)))).toBe('changed');
    expect(one.proposal.leader).toBe(2);
    expect(one.outcome()).toMatchObject({ kind: 'quorum', leader: 2, unanimous: false });
    expect(one.hear(nodeId(3), says(vote(1)))).toBe('noted');
    expect(one.outcome()).toMatchObject({ leader: 2, unanimous: true });
  });

  it('ZB-02: a longer log outvotes a higher id; a higher epoch outvotes a longer log', () => {
    const three = election(vote(3, 1, 5), [1, 2, 3]);
    expect(three.hear(nodeId(1), says(vote(1, 1, 6)))).toBe('changed');
    expect(three.hear(nodeId(2), says(vote(2, 2, 1)))).toBe('changed');
    expect(three.proposal.leader).toBe(2);
  });

  it('a later round starts over, an earlier one is told so', () => {
    const three = election(vote(3), [1, 2, 3]);
    three.hear(nodeId(1), says(vote(1)));
    expect(three.hear(nodeId(2), says(vote(2), 'looking', 4))).toBe('changed');
    expect([three.round, three.proposal.leader]).toEqual([4, 3]);
    expect(three.hear(nodeId(1), says(vote(1)))).toBe('behind');
    expect(three.outcome().kind).toBe('undecided');
  });

  it('a late joiner finds the leader that a quorum follows, whatever the round', () => {
    const joiner = election(vote(5, 9, 9), [1, 2, 3, 4, 5]);
    joiner.hear(nodeId(1), says(vote(2), 'following', 7));
    joiner.hear(nodeId(3), says(vote(2), 'following', 7));
    expect(joiner.outcome().kind).toBe('undecided'); // The leader has not said that it leads.
    joiner.hear(nodeId(2), says(vote(2), 'leading', 7));
    expect(joiner.outcome()).toMatchObject({ kind: 'established', leader: 2 });
    expect(joiner.round).toBe(7);
  });

  it('SIM-08: who joins an established leader passes on the vote of that leader', () => {
    // A vote made of the leader's name and the joiner's longer history would win elections for a
    // server that does not hold that history.
    const joiner = election(vote(3, 1, 131), [1, 2, 3]);
    joiner.hear(nodeId(2), says(vote(2, 1, 123), 'leading', 7));
    expect(joiner.outcome()).toMatchObject({ kind: 'established', vote: vote(2, 1, 123) });
  });

  it('a leader that looks again is no established leader', () => {
    const joiner = election(vote(3), [1, 2, 3]);
    joiner.hear(nodeId(2), says(vote(2), 'leading', 7));
    expect(joiner.outcome().kind).toBe('established');
    joiner.hear(nodeId(2), says(vote(2), 'looking', 1));
    expect(joiner.outcome().kind).not.toBe('established');
  });

  it('ZB-19: votes that come in any order settle on the best', () => {
    const random = createRandom('any order');
    for (let run = 0; run < 200; run++) {
      const ids = [1, 2, 3, 4, 5];
      const servers = new Map(
        ids.map((id) => [id, election(vote(id, random.below(2), random.below(2)), ids)]),
      );
      const best = [...servers.values()]
        .map((one) => one.proposal)
        .sort(compareVotes)
        .at(-1);
      const queue = ids.map((id) => ({
        id,
        say: (servers.get(id) as FastLeaderElection).proposal,
      }));
      while (queue.length > 0) {
        const [next] = queue.splice(random.below(queue.length), 1);
        const { id, say } = next as { id: number; say: Vote };
        for (const [other, server] of servers) {
          if (other === id || server.hear(id as NodeId, says(say)) !== 'changed') continue;
          queue.push({ id: other, say: server.proposal });
        }
      }
      for (const server of servers.values()) expect(server.proposal).toEqual(best);
    }
  });

  it('a server that failed to lead gets no vote for a while', () => {
    const one = election(vote(1), [1, 2, 3], [3]);
    expect(one.hear(nodeId(3), says(vote(3)))).toBe('noted');
    expect(one.hear(nodeId(2), says(vote(2)))).toBe('changed');
    expect(one.proposal.leader).toBe(2);
  });
});
