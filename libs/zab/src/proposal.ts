import type { WalRecord } from '@quorate/consensus';
import { isTransaction } from './records.ts';
import type { Server } from './server.ts';
import { compareZxid, formatZxid, zxidOf } from './zxid.ts';

/**
 * Logs one proposal of the followed epoch: the next counter, or the first of the epoch. What the
 * synchronization brought already is dropped silently (ZB-22). Returns what is wrong with anything
 * else, or null: a first-in, first-out channel delivers no gap and no foreign epoch (Z12).
 */
export function logProposal(server: Server, epoch: number, record: WalRecord): string | null {
  const { history } = server;
  const { lastIndex, lastZxid } = history;
  if (record.index === lastIndex + 1) {
    const expected = lastZxid.epoch === epoch ? lastZxid.counter + 1 : 1;
    if (record.round === epoch && record.counter === expected && isTransaction(record)) {
      server.append(record);
      return null;
    }
  } else {
    const known = history.zxidAt(record.index);
    if (known !== null && compareZxid(known, zxidOf(record)) === 0) return null;
  }
  return `proposal ${formatZxid(zxidOf(record))} behind ${formatZxid(lastZxid)}`;
}
