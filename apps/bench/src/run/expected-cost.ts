import type { RunProtocol } from '@quorate/report';

type ExpectedCost = NonNullable<NonNullable<RunProtocol['cost']>['expected']>;

/**
 * What the papers let one committed command cost, for a leader and for each follower of `nodes`
 * replicas, when a log entry carries `commandsPerEntry` commands.
 *
 * All three protocols are a round of proposals and answers: AppendEntries (Ongaro and Ousterhout,
 * ATC 2014, 5.3), phase 2a and 2b (Lamport, Paxos Made Simple, 2.2), PROPOSE and ACK (Junqueira,
 * Reed and Serafini, DSN 2011, phase 3). The notice of the commit is a message of its own to each
 * follower (COMMIT; "chosen"; a new leaderCommit), or rides on the next proposal; so a leader sends
 * between n - 1 and 2 (n - 1) messages an entry. Everybody syncs an entry before he answers for it,
 * alone or with others. Leader, ballot and epoch changes, heartbeats and reads are not in it.
 */
export function expectedCost(
  protocol: string,
  nodes: number,
  commandsPerEntry: number,
): ExpectedCost {
  const others = protocol === 'none' ? 0 : nodes - 1;
  const per = (entry: number): number => entry / commandsPerEntry;
  const fsyncsPerCommitMax = per(1);
  return {
    leader: { messagesPerCommit: [per(others), per(2 * others)], fsyncsPerCommitMax },
    follower: others === 0 ? null : { messagesPerCommit: [per(1), per(1)], fsyncsPerCommitMax },
  };
}
