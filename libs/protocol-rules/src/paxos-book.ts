/** A ballot as the records and messages carry it. */
export interface BallotPair {
  readonly round: number;
  readonly node: number;
}

/** The ballot below every real one. */
export const NO_BALLOT: BallotPair = { round: 0, node: 0 };

/** Negative when `a` is lower than `b`, 0 when they are equal. */
export function compareBallots(a: BallotPair, b: BallotPair): number {
  return a.round === b.round ? a.node - b.node : a.round - b.round;
}

/** `round.node`. */
export function show({ round, node }: BallotPair): string {
  return `${round}.${node}`;
}

/** One value under one ballot in one slot, and who accepted it. */
export interface Acceptance extends BallotPair {
  readonly mark: number;
  /** Acceptors that handed it to their log, and those on whose disk it is or was, as bits. */
  handed: number;
  durable: number;
}

/** All that was ever proposed and accepted, by slot, and what is chosen by it. */
export class PaxosBook {
  /** The chosen values by slot, each with the lowest ballot at which a quorum accepted it. */
  readonly chosen = new Map<number, Acceptance>();
  /** Every slot up to this one is chosen. */
  chosenThrough = 0;
  private readonly slots = new Map<number, Acceptance[]>();

  find(slot: number, ballot: BallotPair): Acceptance | undefined {
    for (const one of this.slots.get(slot) ?? []) {
      if (one.round === ballot.round && one.node === ballot.node) return one;
    }
    return undefined;
  }

  /** Everything proposed in a slot. */
  of(slot: number): readonly Acceptance[] {
    return this.slots.get(slot) ?? [];
  }

  /** What the acceptor last accepted below a ballot, as far as it is on its disk. */
  latestBelow(slot: number, acceptor: number, ballot: BallotPair): Acceptance | undefined {
    let latest: Acceptance | undefined;
    for (const one of this.of(slot)) {
      if ((one.durable & acceptor) === 0 || compareBallots(one, ballot) >= 0) continue;
      if (latest === undefined || compareBallots(one, latest) > 0) latest = one;
    }
    return latest;
  }

  add(slot: number, ballot: BallotPair, mark: number): Acceptance {
    const { round, node } = ballot;
    const acceptance = { round, node, mark, handed: 0, durable: 0 };
    const known = this.slots.get(slot);
    if (known === undefined) this.slots.set(slot, [acceptance]);
    else known.push(acceptance);
    return acceptance;
  }

  /** A quorum accepted the value; false when another one is chosen already. */
  choose(slot: number, accepted: Acceptance): boolean {
    const before = this.chosen.get(slot);
    if (before !== undefined && before.mark !== accepted.mark) return false;
    if (before === undefined || compareBallots(accepted, before) < 0) {
      this.chosen.set(slot, accepted);
    }
    while (this.chosen.has(this.chosenThrough + 1)) this.chosenThrough++;
    return true;
  }
}
