import { assert, type Random } from '@quorate/foundation';

/** Addresses remembered, those from hints included. */
const ADDRESSES_MAX = 64;
/** Hints followed in a row without a success before the client waits between them. */
const HINTS_IN_A_ROW_MAX = 2;

/**
 * Where to try next: the hint of a replica if there is one, else the next address of the list, with
 * a wait that doubles while nothing succeeds.
 */
export class LeaderFinder {
  /** True once an operation went well at the target. */
  confirmed = false;
  private readonly addresses: string[];
  private readonly random: Random;
  private readonly waitMinMicros: number;
  private readonly waitMaxMicros: number;
  private position: number;
  private hint: string | null = null;
  private hintsInARow = 0;
  private failures = 0;

  constructor(
    addresses: readonly string[],
    random: Random,
    waits: { readonly minMicros: number; readonly maxMicros: number },
  ) {
    assert(addresses.length > 0, 'a client knows at least one address');
    this.addresses = [...addresses];
    this.random = random;
    this.waitMinMicros = waits.minMicros;
    this.waitMaxMicros = waits.maxMicros;
    // Clients that start together do not all start at the same replica.
    this.position = random.below(addresses.length);
  }

  /** The address to try now. */
  get target(): string {
    return this.hint ?? (this.addresses[this.position] as string);
  }

  /** The target does not serve; the next in turn becomes it. */
  moveOn(): void {
    this.confirmed = false;
    if (this.hint !== null) {
      this.hint = null;
      return;
    }
    this.position = (this.position + 1) % this.addresses.length;
  }

  /** Follows a hint; false when too many were followed in vain and the caller should wait. */
  follow(address: string): boolean {
    this.confirmed = false;
    const known = this.addresses.indexOf(address);
    if (known >= 0) {
      this.position = known;
      this.hint = null;
    } else {
      this.hint = address;
      if (this.addresses.length < ADDRESSES_MAX) this.addresses.push(address);
    }
    this.hintsInARow++;
    return this.hintsInARow <= HINTS_IN_A_ROW_MAX;
  }

  /** An operation went well: the waits start from their least again. */
  succeeded(): void {
    this.confirmed = true;
    this.failures = 0;
    this.hintsInARow = 0;
  }

  /** How long to wait before the next try, in microseconds. */
  nextWait(): number {
    const doubled = this.waitMinMicros * 2 ** Math.min(this.failures, 30);
    const wait = Math.min(doubled, this.waitMaxMicros);
    this.failures++;
    return this.random.between(Math.floor(wait / 2), wait);
  }
}
