import { logIndex, type Ticket, ticket } from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { REPLICA_LIMITS_DEFAULT } from './limits.ts';
import { ReadQueue } from './read-queue.ts';
import type { ReadOutcome } from './types.ts';

// Written because a planted bug passed every other script.
describe('ReadQueue', () => {
  it('K1: serves a confirmed read only once its index is applied', () => {
    const queue = new ReadQueue(REPLICA_LIMITS_DEFAULT);
    const served: ReadOutcome[] = [];
    queue.add((outcome) => served.push(outcome));
    const asked: Ticket[] = [];
    const engine = {
      read(_level: unknown, under: Ticket) {
        asked.push(under);
        return 'accepted' as const;
      },
      status: (): never => {
        throw new Error('nobody asks for the leader of an accepted read');
      },
    };
    queue.submit(engine, () => ticket(7));
    expect(asked).toEqual([7]);
    queue.confirmed(ticket(7), logIndex(5));
    queue.serve(logIndex(4));
    expect(served).toEqual([]);
    queue.serve(logIndex(5));
    expect(served).toEqual([{ kind: 'ready', appliedIndex: 5 }]);
  });
});
