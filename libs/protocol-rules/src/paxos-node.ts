import type { NodeId } from '@quorate/consensus';
import { type BallotPair, compareBallots, NO_BALLOT } from './paxos-book.ts';

/** What an acceptor holds in a slot: its latest accept, and the chosen value if it was told one. */
export interface HeldSlot {
  ballot: BallotPair;
  mark: number;
  chosen: number | null;
}

/** What phase 1 of a ballot found in a slot: the values that its proposer may propose there. */
interface Found {
  ballot: BallotPair;
  chosen: boolean;
  marks: number[];
}

/** Slots by number, with the highest one held. */
export class SlotView {
  readonly slots = new Map<number, HeldSlot>();
  last = 0;
  snapshotIndex = 0;

  accept(slot: number, ballot: BallotPair, mark: number): void {
    const held = this.at(slot);
    if (compareBallots(ballot, held.ballot) < 0) return;
    held.ballot = ballot;
    held.mark = mark;
  }

  choose(slot: number, mark: number): void {
    this.at(slot).chosen = mark;
  }

  private at(slot: number): HeldSlot {
    let held = this.slots.get(slot);
    if (held === undefined) {
      held = { ballot: NO_BALLOT, mark: 0, chosen: null };
      this.slots.set(slot, held);
      if (slot > this.last) this.last = slot;
    }
    return held;
  }
}

/** Phase 1 of one ballot as its proposer hears it. */
export class HeardPhase1 {
  readonly ballot: BallotPair;
  readonly found = new Map<number, Found>();
  /** From which slot on each acceptor was asked last. */
  readonly asked = new Map<NodeId, number>();
  /** Who has promised, its last chunk included, as bits. */
  promised = 0;
  /** Slots up to this one are chosen and can only be learned. */
  trimMark = 0;
  /** True once the proposer was elected: what comes later does not count. */
  over = false;

  constructor(ballot: BallotPair) {
    this.ballot = ballot;
  }

  /** Takes one report; once a quorum has promised, what it found stays allowed beside it. */
  merge(
    slot: number,
    report: { ballot: BallotPair; mark: number; chosen: boolean },
    won: boolean,
  ): void {
    const { ballot, mark, chosen } = report;
    const found = this.found.get(slot);
    // The proposer may have been content with what it heard from the quorum before this report.
    if (won) found?.marks.push(mark);
    else if (found === undefined) this.found.set(slot, { ballot, chosen, marks: [mark] });
    else if (!found.chosen && (chosen || compareBallots(ballot, found.ballot) > 0)) {
      found.ballot = ballot;
      found.chosen = chosen;
      found.marks = [mark];
    }
  }
}

/** What an observer knows of one Multi-Paxos replica. */
export class PaxosNode {
  readonly id: NodeId;
  readonly bit: number;
  memory = new SlotView();
  durable = new SlotView();
  promised: BallotPair = NO_BALLOT;
  durablePromise: BallotPair = NO_BALLOT;
  /** The highest promise that it ever stated, over all incarnations. */
  spoken: BallotPair = NO_BALLOT;
  announced = 0;
  incarnation = 0;
  /** The round of its latest own ballot, and the incarnation that used it. */
  ownRound = 0;
  ownRoundIn = 0;
  /** What it was told to be chosen: by ballot, the highest prefix noticed under it. */
  readonly notices = new Map<string, number>();
  /** The prefix that its disk said was chosen when it opened. */
  recoveredPrefix = 0;
  phase1: HeardPhase1 | null = null;

  constructor(id: NodeId, bit: number) {
    this.id = id;
    this.bit = bit;
  }

  /** The process is gone and with it everything that is not on the disk. */
  forget(): void {
    this.memory = new SlotView();
    this.durable = new SlotView();
    this.promised = NO_BALLOT;
    this.durablePromise = NO_BALLOT;
    this.announced = 0;
    this.incarnation++;
    this.notices.clear();
    this.recoveredPrefix = 0;
    this.phase1 = null;
  }
}
