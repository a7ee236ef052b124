import type { NodeId, Round } from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import type { Acceptor } from './acceptor.ts';
import {
  type Ballot,
  compareBallots,
  describeBallot,
  isRound,
  ROUND_MAX,
  sameBallot,
} from './ballot.ts';
import type { CatchUp } from './catch-up.ts';
import { type Context, NEVER } from './context.ts';
import { drawElectionTimeout, type ElectionRule } from './election-timer.ts';
import type { Learner } from './learner.ts';
import type { Preempted, ProbeReply, PromiseChunk } from './messages.ts';
import { answers, Phase1 } from './phase-1.ts';
import { Phase2 } from './phase-2.ts';
import { FollowerReads, LeaderReads } from './reads.ts';

/** The rules of leadership in force. */
export interface LeadershipRules {
  readonly electionRule: ElectionRule;
  readonly leaderStickiness: boolean;
  readonly checkQuorum: boolean;
}

/** Where a replica stands as a proposer. */
export type Stage = 'follower' | 'probe' | 'phase-1' | 'phase-2';

/** The parts of the replica that a proposer works with. */
export interface ProposerParts {
  readonly context: Context;
  readonly acceptor: Acceptor;
  readonly learner: Learner;
  readonly catchUp: CatchUp;
  readonly rules: LeadershipRules;
}

/**
 * After how many election timeouts without progress a new leader gives up learning trimmed slots:
 * who trimmed them may be gone, and phase 1 with another quorum may not need them.
 */
const RECOVERY_TIMEOUTS_MAX = 5;

/**
 * The proposer: waits for the leader's silence, prepares a ballot of its own, and leads when a
 * quorum promised. Anybody may lead; what was chosen before is learned afterwards, in phase 1.
 * Safety never depends on who prepares when; the timers only serve progress.
 */
export class Proposer {
  stage: Stage = 'follower';
  phase2: Phase2 | null = null;
  reads: LeaderReads | null = null;
  /** The ballot whose leader this replica follows, or its own when it leads. */
  leader: Ballot | null = null;
  readonly followerReads: FollowerReads;
  /** False while the state machine or the disk could not carry a leader. */
  mayLead: () => boolean = () => true;
  private readonly parts: ProposerParts;
  private readonly context: Context;
  private phase1: Phase1 | null = null;
  private probeBallot: Ballot | null = null;
  private willingMask = 0;
  private highestRound = 0;
  private lostBallots = 0;
  private heardAt = Number.NEGATIVE_INFINITY;
  private electionDeadline: number;
  private retryAt: number = NEVER;
  private heartbeatAt: number = NEVER;
  private recoveryDeadline: number = NEVER;
  private firstCommitSeen = false;

  constructor(parts: ProposerParts) {
    this.parts = parts;
    this.context = parts.context;
    this.followerReads = new FollowerReads(parts.context);
    this.electionDeadline = this.context.now + this.draw();
  }

  /** When {@link Proposer.tick} next has something to do. */
  get deadline(): number {
    if (this.phase2 !== null) return Math.min(this.heartbeatAt, this.phase2.retransmitAt);
    return Math.min(this.electionDeadline, this.retryAt, this.followerReads.retryAt);
  }

  /** Acts on every deadline that has passed. */
  tick(): void {
    const { now } = this.context;
    if (this.phase2 !== null) {
      this.tickLeader(this.phase2);
      return;
    }
    this.followerReads.retry();
    if (this.electionDeadline <= now) this.electionTimeout();
    else if (this.retryAt <= now) this.askAgain();
  }

  /**
   * A leader's message came. True when it is to be followed: its ballot is at least the promised
   * one. Otherwise the sender is told the higher ballot; it hears so again on each heartbeat, so a
   * lost refusal does no harm (MP-08).
   */
  hear(from: NodeId, ballot: Ballot): boolean {
    const { acceptor } = this.parts;
    if (compareBallots(ballot, acceptor.promised) < 0) {
      this.refuse(from, ballot);
      return false;
    }
    assert(ballot.node !== this.context.id, 'a leader is heard from its own node');
    if (this.stage !== 'follower') this.standDown(`follows ${describeBallot(ballot)}`);
    acceptor.promise(ballot);
    if (this.leader === null || !sameBallot(this.leader, ballot)) {
      this.followerReads.abandonAll();
      this.leader = ballot;
      this.context.event('leaderChanged', from, describeBallot(ballot));
    }
    this.lostBallots = 0;
    this.heardAt = this.context.now;
    this.electionDeadline = this.context.now + this.draw();
    return true;
  }

  /** Answers whether this replica would let another one prepare. */
  onProbe(from: NodeId, ballot: Ballot): void {
    const willing = !this.hearsLeader() || this.leader?.node === from;
    const { promised } = this.parts.acceptor;
    this.context.outbox.sendAfterPersist([from], { kind: 'probeReply', ballot, willing, promised });
  }

  /** Counts an answer to the own probe; a willing quorum lets this replica prepare. */
  onProbeReply(from: NodeId, message: ProbeReply): void {
    this.seen(message.promised);
    const probe = this.probeBallot;
    if (this.stage !== 'probe' || probe === null || !sameBallot(probe, message.ballot)) {
      this.context.ignore(from, 'probe reply not asked for');
      return;
    }
    if (message.willing) this.willingMask |= this.context.voters.bitOf(from);
    if (this.context.voters.isQuorum(this.willingMask)) this.prepare();
  }

  /** Phase 1b as an acceptor. */
  onPrepare(from: NodeId, ballot: Ballot, fromSlot: number): void {
    const { acceptor, learner } = this.parts;
    const order = compareBallots(ballot, acceptor.promised);
    if (order < 0) {
      this.refuse(from, ballot);
      return;
    }
    if (order > 0) {
      if (this.parts.rules.leaderStickiness && this.leader?.node !== from && this.hearsLeader()) {
        this.context.ignore(from, 'prepare deferred: a live leader is heard');
        return;
      }
      if (this.stage !== 'follower') this.standDown(`promises ${describeBallot(ballot)}`);
      this.followLeader(null);
      acceptor.promise(ballot);
    }
    this.electionDeadline = this.context.now + this.draw();
    const chunk = acceptor.report(ballot, fromSlot, learner.chosenPrefix);
    this.context.outbox.sendAfterPersist([from], chunk);
  }

  /** Phase 1b as the proposer that asked. */
  onPromise(from: NodeId, chunk: PromiseChunk): void {
    const { phase1 } = this;
    // A new leader that still learns trimmed slots keeps its phase 1, but has won it already.
    if (this.stage !== 'phase-1' || !answers(phase1, chunk.ballot)) {
      this.context.ignore(from, 'promise for another ballot');
      return;
    }
    const refusal = phase1.take(from, chunk);
    if (refusal !== null) {
      this.context.ignore(from, refusal);
      return;
    }
    this.parts.catchUp.notice(from, chunk.chosenPrefix);
    if (phase1.won) {
      this.lead(phase1);
      return;
    }
    const next = phase1.asks(from);
    if (next === null) return;
    this.electionDeadline = this.context.now + this.draw();
    this.sendPrepare([from], phase1.ballot, next);
  }

  /** A promise to somebody else stands in the way of the own ballot. */
  onPreempted(from: NodeId, message: Preempted): void {
    this.seen(message.promised);
    const own = this.phase2?.ballot ?? this.phase1?.ballot ?? null;
    if (own === null || !sameBallot(own, message.ballot)) {
      this.context.ignore(from, 'preempted in a ballot that is over');
    } else if (compareBallots(message.promised, own) > 0) {
      this.standDown(`preempted by ${describeBallot(message.promised)}`);
    } else this.context.ignore(from, 'preempted by a lower ballot');
  }

  /** What was recorded in Readies up to `upTo` is durable: own promise and own accepts count. */
  persisted(upTo: number): void {
    if (this.stage === 'phase-1' && this.phase1 !== null && this.phase1.won) this.lead(this.phase1);
    this.phase2?.persisted(upTo);
    this.confirmReads();
  }

  /** A new leader serves once it knows all that is trimmed anywhere in its quorum (P12). */
  tryServe(): void {
    const { phase1, phase2 } = this;
    if (phase2 === null || phase1 === null || phase2.serving) return;
    if (this.parts.learner.chosenPrefix < phase1.trimMark) {
      this.parts.catchUp.urge(phase1.trimSource, phase1.trimMark);
      return;
    }
    phase2.recover(phase1);
    this.phase1 = null;
    this.recoveryDeadline = NEVER;
    const recovered = phase2.recoveredThrough;
    this.context.event('serving', this.context.id, `slots through ${recovered} proposed again`);
  }

  /** Trimmed slots are coming in: a new leader that needs them is patient for longer. */
  recoveryProgressed(): void {
    if (this.phase2 === null || this.phase2.serving) return;
    const { now, config } = this.context;
    this.recoveryDeadline = now + config.electionTimeoutMaxMicros * RECOVERY_TIMEOUTS_MAX;
  }

  /** Notes the first new slot that is chosen, in order, under the own ballot. */
  noteFirstCommit(): void {
    const { phase2 } = this;
    if (phase2 === null || this.firstCommitSeen || !phase2.serving) return;
    const first = phase2.recoveredThrough + 1;
    if (this.parts.learner.chosenPrefix < first) return;
    this.firstCommitSeen = true;
    this.context.event('firstCommit', this.context.id, `slot ${first}`);
  }

  /**
   * Confirms reads up to the newest heartbeat round that a quorum answered, once each slot that may
   * have been chosen before this ballot is chosen under it (MP-24).
   */
  confirmReads(): void {
    const { phase2, reads } = this;
    if (phase2 === null || reads === null || !reads.confirming) return;
    if (this.parts.learner.chosenPrefix < phase2.recoveredThrough) return;
    const sequence = this.context.voters.reachedByQuorum((voter) =>
      voter === this.context.id ? reads.sequence : (phase2.peer(voter)?.confirmed ?? 0),
    );
    reads.confirmed(sequence);
  }

  /** Sends a heartbeat round to every peer; reads that wait are confirmed by its answers. */
  heartbeat(): void {
    const { phase2, reads } = this;
    if (phase2 === null || reads === null) return;
    const chosenPrefix = this.parts.learner.chosenPrefix;
    const sequence = reads.startRound();
    for (const peer of phase2.peers) peer.told = Math.max(peer.told, chosenPrefix);
    this.context.outbox.send(this.context.voters.peers, {
      kind: 'heartbeat',
      ballot: phase2.ballot,
      sequence,
      chosenPrefix,
    });
    if (this.context.voters.peers.length === 0) this.confirmReads();
  }

  /** Ends whatever this replica attempted; requests in doubt are given up as unknown. */
  standDown(reason: string): void {
    const { outbox, id } = this.context;
    if (this.phase2 !== null) {
      for (const ticket of this.phase2.abandonAll()) outbox.abandon(ticket);
      this.reads?.abandonAll();
      this.context.event('steppedDown', id, reason);
    } else if (this.phase1 !== null) this.context.event('candidacyFailed', id, reason);
    if (this.stage !== 'probe') this.lostBallots++;
    this.phase1 = null;
    this.phase2 = null;
    this.reads = null;
    this.probeBallot = null;
    this.stage = 'follower';
    this.followLeader(null);
    this.retryAt = NEVER;
    this.heartbeatAt = NEVER;
    this.recoveryDeadline = NEVER;
    this.electionDeadline = this.context.now + this.draw();
  }

  /** Detector `timers+socket`: the leader's session ended, which counts as silence. */
  leaderGone(): void {
    this.heardAt = Number.NEGATIVE_INFINITY;
    const { electionTimeoutMinMicros, electionTimeoutMaxMicros } = this.context.config;
    const spread = Math.max(0, electionTimeoutMaxMicros - electionTimeoutMinMicros);
    const soon = this.context.now + this.context.random.between(0, spread);
    this.electionDeadline = Math.min(this.electionDeadline, soon);
  }

  private tickLeader(phase2: Phase2): void {
    const { now, config, voters } = this.context;
    if (this.heartbeatAt <= now) {
      const answered = voters.reachedByQuorum((voter) =>
        voter === this.context.id ? now : (phase2.peer(voter)?.answeredAt ?? 0),
      );
      const silent = answered + config.electionTimeoutMaxMicros <= now;
      if (this.parts.rules.checkQuorum && silent) this.standDown('no quorum answers');
      else if (!this.mayLead()) this.standDown('own disk is late');
      else if (this.recoveryDeadline <= now) this.standDown('recovery takes too long');
      else {
        this.heartbeatAt = now + config.heartbeatMicros;
        this.heartbeat();
      }
    }
    this.phase2?.retransmit();
  }

  private electionTimeout(): void {
    const { id, now } = this.context;
    if (this.stage === 'phase-1') this.standDown('no quorum of promises in time');
    this.electionDeadline = now + this.draw();
    if (!this.mayLead()) return;
    if (this.stage === 'follower') {
      this.context.event('suspected', this.leader?.node ?? 0, 'silent for an election timeout');
      this.followLeader(null);
    }
    assert(this.phase2 === null, `replica ${id} has no timeout while it leads`);
    if (this.parts.rules.leaderStickiness && this.context.voters.peers.length > 0) this.probe();
    else this.prepare();
  }

  /**
   * Asks whether a quorum hears no leader. Without this a replica that is cut off would raise its
   * ballot for ever and depose a healthy leader when it comes back.
   */
  private probe(): void {
    this.stage = 'probe';
    this.probeBallot = { round: this.nextRound(), node: this.context.id };
    this.willingMask = this.context.voters.ownBit;
    this.askAgain();
  }

  private prepare(): void {
    const round = this.nextRound();
    this.electionDeadline = this.context.now + this.draw();
    if (round > ROUND_MAX) return;
    const ballot: Ballot = { round, node: this.context.id };
    this.stage = 'phase-1';
    this.probeBallot = null;
    this.phase1 = new Phase1(this.context, ballot, this.parts.learner.chosenPrefix);
    this.parts.acceptor.promise(ballot);
    this.context.event('candidacy', this.context.id, describeBallot(ballot));
    this.askAgain();
  }

  /** Sends the open questions (again): probe and prepare may be lost like any other message. */
  private askAgain(): void {
    const { voters, now, config, outbox } = this.context;
    this.retryAt = now + Math.ceil(config.heartbeatMicros / 2);
    if (this.stage === 'probe' && this.probeBallot !== null) {
      const unheard = voters.peers.filter((id) => (this.willingMask & voters.bitOf(id)) === 0);
      outbox.sendAfterPersist(unheard, { kind: 'probe', ballot: this.probeBallot });
    } else if (this.phase1 !== null) {
      const asked = new Map<number, NodeId[]>();
      for (const peer of voters.peers) {
        const next = this.phase1.asks(peer);
        if (next !== null) asked.set(next, [...(asked.get(next) ?? []), peer]);
      }
      for (const [fromSlot, to] of asked) this.sendPrepare(to, this.phase1.ballot, fromSlot);
    }
  }

  private lead(phase1: Phase1): void {
    const { now, config, id } = this.context;
    this.stage = 'phase-2';
    this.phase2 = new Phase2(this.context, this.parts.acceptor, this.parts.learner, phase1);
    this.reads = new LeaderReads(this.context, phase1.ballot);
    this.firstCommitSeen = false;
    this.lostBallots = 0;
    this.retryAt = NEVER;
    this.heartbeatAt = now + config.heartbeatMicros;
    this.recoveryProgressed();
    this.context.event('elected', id, describeBallot(phase1.ballot));
    this.followLeader(phase1.ballot);
    this.context.event('leaderChanged', id, describeBallot(phase1.ballot));
    this.heartbeat();
    this.tryServe();
  }

  private followLeader(leader: Ballot | null): void {
    this.followerReads.abandonAll();
    this.leader = leader;
  }

  /** True when a live leader is known: the own one, or one heard within the base timeout. */
  private hearsLeader(): boolean {
    const { now, config, voters, id } = this.context;
    const { phase2 } = this;
    if (phase2 === null) {
      return this.leader !== null && this.heardAt + config.electionTimeoutMinMicros > now;
    }
    const answered = voters.reachedByQuorum((voter) =>
      voter === id ? now : (phase2.peer(voter)?.answeredAt ?? 0),
    );
    return answered + config.electionTimeoutMinMicros > now;
  }

  private sendPrepare(to: readonly NodeId[], ballot: Ballot, fromSlot: number): void {
    this.context.outbox.sendAfterPersist(to, { kind: 'prepare', ballot, fromSlot });
  }

  private refuse(from: NodeId, ballot: Ballot): void {
    const { promised } = this.parts.acceptor;
    this.context.outbox.sendAfterPersist([from], { kind: 'preempted', ballot, promised });
  }

  private seen(ballot: Ballot): void {
    if (isRound(ballot.round)) this.highestRound = Math.max(this.highestRound, ballot.round);
  }

  private nextRound(): Round {
    return (Math.max(this.highestRound, this.parts.acceptor.promised.round) + 1) as Round;
  }

  private draw(): number {
    return drawElectionTimeout(this.context, this.parts.rules.electionRule, this.lostBallots);
  }
}
