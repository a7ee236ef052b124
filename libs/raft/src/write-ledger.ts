import type { Instant, LogIndex, ReadyNumber } from '@quorate/consensus';
import { assert } from '@quorate/foundation';

/** One Ready with records that is not known to be durable. */
interface Outstanding {
  readonly ready: ReadyNumber;
  readonly takenAt: Instant;
  /** The current log up to here is durable once this Ready is. */
  through: LogIndex;
}

/**
 * Knows which prefix of the *current* log is on disk. Completions come by Ready number, because the
 * same (index, term) can be written twice around a truncation and the completion of the first write
 * says nothing about the second (RF-33, RF-65): a truncation therefore clamps what each outstanding
 * Ready will make durable. The host bounds the number of outstanding Readies.
 */
export class WriteLedger {
  private outstanding: Outstanding[] = [];
  private durable: LogIndex;

  /** Opens with everything recovered being durable. */
  constructor(recoveredThrough: LogIndex) {
    this.durable = recoveredThrough;
  }

  /** The longest prefix of the current log that is durable. */
  get durableIndex(): LogIndex {
    return this.durable;
  }

  /** When the oldest Ready that is not durable was taken, or null. */
  get oldestTakenAt(): Instant | null {
    return this.outstanding[0]?.takenAt ?? null;
  }

  /** A Ready with records was taken while the log ended at `through`. */
  taken(ready: ReadyNumber, through: LogIndex, takenAt: Instant): void {
    assert(through >= this.durable, 'a log cut below what is durable has clamped it');
    this.outstanding.push({ ready, takenAt, through });
  }

  /** The log now ends below `index`, or was replaced from there on. */
  truncatedFrom(index: LogIndex): void {
    const last = (index - 1) as LogIndex;
    if (this.durable > last) this.durable = last;
    for (const write of this.outstanding) if (write.through > last) write.through = last;
  }

  /** Every Ready up to this number is durable. */
  persisted(upTo: ReadyNumber): void {
    let done = 0;
    for (const write of this.outstanding) {
      if (write.ready > upTo) break;
      if (write.through > this.durable) this.durable = write.through;
      done++;
    }
    if (done > 0) this.outstanding = this.outstanding.slice(done);
  }
}
