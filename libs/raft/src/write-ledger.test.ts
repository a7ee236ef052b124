import { instant, logIndex, readyNumber } from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { WriteLedger } from './write-ledger.ts';

const take = (ledger: WriteLedger, ready: number, through: number): void =>
  ledger.taken(readyNumber(ready), logIndex(through), instant(ready * 10));

describe('WriteLedger', () => {
  it('takes late and merged completions', () => {
    const ledger = new WriteLedger(logIndex(3));
    take(ledger, 1, 5);
    take(ledger, 4, 9);
    take(ledger, 6, 12);
    expect([ledger.durableIndex, ledger.oldestTakenAt]).toEqual([3, 10]);
    ledger.persisted(readyNumber(5));
    expect([ledger.durableIndex, ledger.oldestTakenAt]).toEqual([9, 60]);
    ledger.persisted(readyNumber(2));
    ledger.persisted(readyNumber(6));
    expect([ledger.durableIndex, ledger.oldestTakenAt]).toEqual([12, null]);
  });

  it('counts only what the completed Ready left in the current log (RF-65)', () => {
    const ledger = new WriteLedger(logIndex(9));
    take(ledger, 7, 12);
    ledger.truncatedFrom(logIndex(11));
    take(ledger, 8, 12);
    ledger.persisted(readyNumber(7));
    expect(ledger.durableIndex).toBe(10);
    ledger.persisted(readyNumber(8));
    expect(ledger.durableIndex).toBe(12);
  });

  it('is not fooled by the same indexes written three times (RF-33)', () => {
    const ledger = new WriteLedger(logIndex(1));
    take(ledger, 1, 4);
    ledger.truncatedFrom(logIndex(2));
    take(ledger, 2, 3);
    ledger.truncatedFrom(logIndex(3));
    take(ledger, 3, 4);
    ledger.persisted(readyNumber(1));
    expect(ledger.durableIndex).toBe(1);
    ledger.persisted(readyNumber(2));
    expect(ledger.durableIndex).toBe(2);
    ledger.persisted(readyNumber(3));
    expect(ledger.durableIndex).toBe(4);
  });

  it('takes durable entries back when they are truncated', () => {
    const ledger = new WriteLedger(logIndex(8));
    ledger.truncatedFrom(logIndex(5));
    expect(ledger.durableIndex).toBe(4);
  });
});
