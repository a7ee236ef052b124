import {
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  EntryType,
  instant,
  logIndex,
  NO_TICKET,
  nodeId,
  readyNumber,
} from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { Server } from './server.ts';

function serverOf(): Server {
  const voters = [1, 2, 3].map((id) => ({ id: nodeId(id), disk: `d${id}`, address: `n${id}:1` }));
  const config = {
    ...DEFAULT_TIMING,
    id: nodeId(1),
    membership: { voters, learners: [], witnesses: [] },
    now: instant(0),
    detector: 'timers' as const,
    variants: {},
    limits: DEFAULT_LIMITS,
  };
  return new Server(config, {}, createRandom('kept promises'), null, []);
}

// Written because a planted bug passed every other script.
describe('ZAB: promises that are kept', () => {
  it('RF-65: the end of a write that TRUNC overtook vouches for nothing that replaced it', () => {
    const server = serverOf();
    const log = (epoch: number, counter: number): void =>
      server.log({ epoch, counter }, EntryType.command, new Uint8Array([epoch]), NO_TICKET);
    log(1, 1);
    log(1, 2);
    server.close(); // Ready 1: two transactions on their way to the disk.
    server.truncateAfter(logIndex(1));
    log(2, 1);
    server.close(); // Ready 2: another one in place of the second.
    server.persisted(readyNumber(1));
    expect(server.persistedIndex).toBe(1);
    server.persisted(readyNumber(2));
    expect(server.persistedIndex).toBe(2);
  });
});
