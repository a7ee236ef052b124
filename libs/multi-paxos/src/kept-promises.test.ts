import {
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  EntryType,
  instant,
  type NodeId,
  nodeId,
  type Round,
  ticket,
  type WalRecord,
} from '@quorate/consensus';
import { createRandom, required } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { Acceptor } from './acceptor.ts';
import { type Ballot, NO_BALLOT } from './ballot.ts';
import { CatchUp } from './catch-up.ts';
import { Context } from './context.ts';
import { Learner } from './learner.ts';
import type { PromiseChunk } from './messages.ts';
import { Phase1 } from './phase-1.ts';
import { Phase2 } from './phase-2.ts';
import { FollowerReads, LeaderReads } from './reads.ts';
import { acceptRecord, chosenRecord } from './records.ts';
import { SlotWindow } from './slots.ts';
import { VoterSet } from './voters.ts';

const OWN: Ballot = { round: 5 as Round, node: nodeId(1) };
const b = (round: number, node: number): Ballot => ({
  round: round as Round,
  node: node as NodeId,
});
const value = (text: string): Uint8Array => new TextEncoder().encode(text);
const accepted = (ballot: Ballot, slot: number, text: string): WalRecord =>
  acceptRecord(ballot, slot, EntryType.command, value(text));

/** Replica 1 of 3, of which a test uses single parts. */
function contextOf(): Context {
  const ids = [1, 2, 3].map(nodeId);
  const voters = ids.map((id) => ({ id, disk: `d${id}`, address: `n${id}:1` }));
  const config = {
    ...DEFAULT_TIMING,
    id: nodeId(1),
    membership: { voters, learners: [], witnesses: [] },
    now: instant(0),
    detector: 'timers' as const,
    variants: {},
    limits: DEFAULT_LIMITS,
  };
  const random = createRandom('kept promises');
  return new Context(config, random, new VoterSet(nodeId(1), ids), new SlotWindow(0));
}

function promiseOf(records: readonly WalRecord[]): PromiseChunk {
  return {
    kind: 'promise',
    ballot: OWN,
    fromSlot: 1,
    throughSlot: Math.max(0, ...records.map(({ index }) => index)),
    last: true,
    trimMark: 0,
    chosenPrefix: 0,
    accepted: records,
  };
}

/** A new leader that found nothing to recover; what it records stands in Ready 1. */
function leading(context: Context): { phase2: Phase2; learner: Learner } {
  const acceptor = new Acceptor(context, NO_BALLOT, 0);
  const learner = new Learner(context, 0, 0);
  acceptor.promise(OWN);
  const phase1 = new Phase1(context, OWN, 0);
  phase1.take(nodeId(2), promiseOf([]));
  phase1.take(nodeId(3), promiseOf([]));
  const phase2 = new Phase2(context, acceptor, learner, phase1);
  phase2.recover(phase1);
  return { phase2, learner };
}

// Each of these was written because a planted bug passed every other script.
describe('Multi-Paxos: promises that are kept', () => {
  it('P2c: the highest ballot wins, whichever acceptor reports first', () => {
    const [high, low] = [accepted(b(3, 2), 1, 'new'), accepted(b(2, 3), 1, 'old')];
    for (const reports of [
      [high, low],
      [low, high],
    ]) {
      const phase1 = new Phase1(contextOf(), OWN, 0);
      reports.forEach((record, i) => {
        expect(phase1.take(nodeId(i + 2), promiseOf([record]))).toBeNull();
      });
      expect(phase1.proposal(1).payload).toEqual(value('new'));
    }
  });

  it('MP-01: the own promise is one of a quorum only once it is durable', () => {
    const context = contextOf();
    const phase1 = new Phase1(context, OWN, 0);
    phase1.take(nodeId(2), promiseOf([]));
    expect(phase1.won).toBe(false);
    context.persisted = phase1.ownPromiseIn;
    expect(phase1.won).toBe(true);
  });

  it('P1: the own acceptance counts with the Ready that holds it, not with an earlier one', () => {
    const context = contextOf();
    const { phase2, learner } = leading(context);
    context.outbox.take([]);
    phase2.propose(value('a'), ticket(1));
    const peer = required(phase2.peer(nodeId(2)), 'node 2 is a peer');
    const ranges = [{ first: 1, last: 1 }];
    phase2.onAccepted(peer, { kind: 'accepted', ballot: OWN, chosenPrefix: 0, ranges });
    phase2.persisted(1);
    expect(learner.chosenPrefix).toBe(0);
    phase2.persisted(2);
    expect(learner.chosenPrefix).toBe(1);
  });

  it('RF-43: a read waits for an answer to a round that began after it was asked', () => {
    const context = contextOf();
    const reads = new LeaderReads(context, OWN);
    const earlier = reads.startRound();
    reads.ask(ticket(7), 3);
    const own = reads.startRound();
    reads.confirmed(earlier);
    expect(context.outbox.take([]).readStates).toEqual([]);
    reads.confirmed(own);
    expect(context.outbox.take([]).readStates).toEqual([{ ticket: 7, index: 3 }]);
  });

  it('SIM-07: an answer that takes longer than a repetition is an answer', () => {
    const context = contextOf();
    const reads = new FollowerReads(context);
    const leader = b(5, 2);
    const asked: number[] = [];
    const send = (): void => {
      reads.send(leader);
      for (const { message } of context.outbox.take([]).messages) {
        if (message.kind === 'readRequest') asked.push(message.request);
      }
    };
    reads.ask(ticket(7));
    send();
    reads.ask(ticket(8));
    send();
    context.now = instant(context.config.heartbeatMicros);
    reads.retry();
    expect(reads.asking).toBe(true);
    send();
    expect(asked).toHaveLength(3);
    // The second request was sent behind the first: its answer is new enough for both.
    const reply = { kind: 'readReply', ballot: leader, request: asked[1] ?? 0 } as const;
    expect(reads.onReply({ ...reply, slot: 4 })).toBe(null);
    const { readStates } = context.outbox.take([]);
    expect(readStates).toEqual([
      { ticket: 7, index: 4 },
      { ticket: 8, index: 4 },
    ]);
    expect(reads.retryAt).toBe(Number.POSITIVE_INFINITY);
  });

  it('SIM-12: a replica that knows no more is not asked again while another is ahead', () => {
    const context = contextOf();
    const catchUp = new CatchUp(context, new Learner(context, 0, 0));
    const asked: number[] = [];
    const waits = (): void => {
      context.now = instant(catchUp.deadline);
      catchUp.tick();
      for (const { to } of context.outbox.take([]).messages) asked.push(...to);
    };
    catchUp.notice(nodeId(2), 10);
    waits();
    waits(); // Nobody answered within an election timeout: the next replica is asked.
    const nothing = { kind: 'catchUpReply', firstSlot: 1, chosenPrefix: 0, chosen: [] } as const;
    expect(catchUp.onReply(nodeId(3), nothing)).toBe(null);
    catchUp.notice(nodeId(2), 10); // The leader's heartbeat goes on saying so.
    waits();
    expect(asked).toEqual([2, 3, 2]);
  });

  it('SIM-13: an answer that nobody asked for leaves somebody to ask', () => {
    const context = contextOf();
    const catchUp = new CatchUp(context, new Learner(context, 0, 0));
    // It answers a question that this replica asked before it was restarted.
    const known = chosenRecord(accepted(b(1, 2), 1, 'v'));
    const old = { kind: 'catchUpReply', firstSlot: 1, chosenPrefix: 10, chosen: [known] } as const;
    expect(catchUp.onReply(nodeId(2), old)).toBe(null);
    const asked: number[] = [];
    for (let heartbeat = 0; heartbeat < 3 && asked.length === 0; heartbeat++) {
      catchUp.notice(nodeId(3), 10);
      context.now = instant(catchUp.deadline);
      catchUp.tick();
      for (const { to } of context.outbox.take([]).messages) asked.push(...to);
    }
    expect(asked).toEqual([3]);
  });
});
