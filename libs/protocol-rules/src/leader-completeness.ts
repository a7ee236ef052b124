import { type ChainEntry, type ChainLog, type CommittedChain, ROOT } from './chain-log.ts';

/**
 * Whoever leads a round holds what was committed in the rounds before it: when its leadership
 * begins, and also when an older leader is the first to announce something later on.
 */
export class LeaderCompleteness {
  private readonly committed: CommittedChain;
  /** The end of each leader's log when its round began. */
  private readonly ends = new Map<number, ChainEntry | undefined>();
  private highest = 0;

  constructor(committed: CommittedChain) {
    this.committed = committed;
  }

  /** The committed index that the new leader of `round` lacks, or null. */
  begins(round: number, log: ChainLog): number | null {
    this.ends.set(round, log.end);
    this.highest = Math.max(this.highest, round);
    const last = this.committed.lastBefore(round);
    return log.holds(this.committed.at(last) ?? ROOT) ? null : last;
  }

  /** The later round whose leader began without `entry`, first announced in `round`; or null. */
  announced(entry: ChainEntry, round: number): number | null {
    if (round >= this.highest) return null;
    for (const [later, end] of this.ends) {
      if (later <= round || end === undefined) continue;
      let at: ChainEntry | null = end;
      while (at !== null && at.index > entry.index) at = at.previous;
      if (at !== entry) return later;
    }
    return null;
  }
}
