import { type LogIndex, logIndex, type Ticket } from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { REPLICA_LIMITS_DEFAULT } from './limits.ts';
import { ReadQueue } from './read-queue.ts';

// Stories of hosts. The ids are those of docs/internals/bug-catalogue.md; those about the order of
// a host's duties stand in obligations.test.ts.

describe('reads at a replica that lags', () => {
  it('KV-20: wait until what they must see is applied, each for its own index', () => {
    const queue = new ReadQueue(REPLICA_LIMITS_DEFAULT);
    const served: string[] = [];
    let tickets = 0;
    const ask = (name: string): Ticket => {
      queue.add((outcome) => {
        served.push(outcome.kind === 'ready' ? `${name}@${outcome.appliedIndex}` : outcome.kind);
      });
      const engine = { read: () => 'accepted' as const, status: () => ({}) as never };
      queue.submit(engine, () => ++tickets as Ticket);
      return tickets as Ticket;
    };
    const early = ask('early');
    const late = ask('late');
    expect(late).not.toBe(early); // A read never joins a ticket that is already on its way.
    // A quorum has confirmed both, but this replica has applied up to 3 alone.
    queue.confirmed(early, logIndex(5));
    queue.confirmed(late, logIndex(8));
    for (const applied of [3, 4]) queue.serve(applied as LogIndex);
    expect(served).toEqual([]);
    queue.serve(logIndex(5));
    expect(served).toEqual(['early@5']);
    queue.serve(logIndex(7));
    expect(served).toEqual(['early@5']);
    queue.serve(logIndex(9));
    expect(served).toEqual(['early@5', 'late@9']);
  });
});
