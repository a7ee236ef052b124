import {
  type EngineConfig,
  type EngineEventKind,
  instant,
  type NodeId,
  type Round,
} from '@quorate/consensus';
import type { Random } from '@quorate/foundation';
import { NO_BALLOT } from './ballot.ts';
import { Outbox } from './outbox.ts';
import type { SlotWindow } from './slots.ts';
import { VoterSet } from './voters.ts';

/** When something that is not awaited would happen. */
export const NEVER: number = Number.POSITIVE_INFINITY;

/** What the parts of one replica share: its settings, the time, its slots and its output. */
export class Context {
  readonly config: EngineConfig;
  readonly id: NodeId;
  readonly random: Random;
  readonly voters: VoterSet;
  readonly slots: SlotWindow;
  readonly outbox = new Outbox();
  /** The host's time, in microseconds. */
  now: number;
  /** The highest Ready known to be durable. */
  persisted = 0;
  /** The round that events are stamped with: that of the promised ballot. */
  round: Round = NO_BALLOT.round;

  constructor(config: EngineConfig, random: Random, voters: VoterSet, slots: SlotWindow) {
    this.config = config;
    this.id = config.id;
    this.random = random;
    this.voters = voters;
    this.slots = slots;
    this.now = config.now;
  }

  /** Notes an event about a node (0 when it is about none). */
  event(kind: EngineEventKind, node: NodeId | 0, detail: string): void {
    this.outbox.event({ kind, at: instant(this.now), round: this.round, node, detail });
  }

  /** Notes that a peer's message was dropped, and why. */
  ignore(from: NodeId, reason: string): void {
    this.event('messageIgnored', from, reason);
  }
}

/** The voters of a configuration, seen from its replica. */
export function votersOf(config: EngineConfig): VoterSet {
  return new VoterSet(
    config.id,
    config.membership.voters.map((member) => member.id),
  );
}
