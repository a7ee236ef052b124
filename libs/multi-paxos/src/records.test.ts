import {
  type ConsensusEngine,
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  EntryType,
  instant,
  logIndex,
  type NodeId,
  nodeId,
  type Round,
  ticket,
  type WalRecord,
} from '@quorate/consensus';
import { createRandom, InvariantViolation, type Random } from '@quorate/foundation';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Ballot } from './ballot.ts';
import type { PaxosMessage } from './messages.ts';
import { multiPaxos } from './protocol.ts';
import {
  acceptRecord,
  chosenRecord,
  commitRecord,
  foldRecords,
  promiseRecord,
  type Recovered,
  snapshotRecord,
} from './records.ts';

const b = (round: number, node: number): Ballot => ({
  round: round as Round,
  node: node as NodeId,
});
/** One value a slot and ballot, as P4 has it. */
const accepted = (round: number, node: number, slot: number): WalRecord =>
  acceptRecord(b(round, node), slot, EntryType.command, Uint8Array.of(round, node, slot));
const membership = {
  voters: [{ id: nodeId(1), disk: 'd', address: 'n:1' }],
  learners: [],
  witnesses: [],
};
const snapshot = (index: number) => ({
  index: logIndex(index),
  membership,
  digest: 'd',
  bytes: 1,
  engine: new Uint8Array(0),
});

/** A fold as comparable data. */
function picture(recovered: Recovered): unknown {
  const slots = [...recovered.slots.values()]
    .sort((x, y) => x.index - y.index)
    .map(({ kind, round, node, index, payload }) => [kind, round, node, index, [...payload]]);
  return { ...recovered, slots };
}

describe('the recovery fold', () => {
  it('keeps the highest ballot of a slot and the highest promise', () => {
    const log = [accepted(2, 1, 1), accepted(1, 3, 1), accepted(1, 2, 2), promiseRecord(b(2, 2))];
    const recovered = foldRecords(log);
    expect(recovered.promised).toEqual(b(2, 2));
    expect(recovered.slots.get(1)?.round).toBe(2);
    expect(recovered.chosenPrefix).toBe(0);
  });

  it('lets chosen beat every accept, whichever comes first', () => {
    const chosen = chosenRecord(accepted(9, 9, 1));
    for (const log of [
      [accepted(5, 1, 1), chosen],
      [chosen, accepted(5, 1, 1)],
    ]) {
      expect(foldRecords(log).slots.get(1)).toBe(chosen);
    }
  });

  it('gives the same for each order of promises, accepts and snapshots', () => {
    const record = fc.oneof(
      fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 3 })).map(([r, n]) => promiseRecord(b(r, n))),
      fc
        .tuple(fc.nat(5), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 12 }))
        .map(([r, n, slot]) => accepted(r, n, slot)),
      fc.integer({ min: 1, max: 8 }).map((slot) => snapshotRecord(snapshot(slot))),
    );
    const shuffled = fc
      .array(record)
      .chain((log) =>
        fc.tuple(fc.constant(log), fc.shuffledSubarray(log, { minLength: log.length })),
      );
    fc.assert(
      fc.property(shuffled, ([log, other]) => {
        expect(picture(foldRecords(other))).toEqual(picture(foldRecords(log)));
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it('refuses what no replica writes', () => {
    const broken: WalRecord[][] = [
      [commitRecord(1)],
      [accepted(1, 1, 2), commitRecord(2)],
      [accepted(1, 1, 1), acceptRecord(b(1, 1), 1, EntryType.noop, new Uint8Array(0))],
      [chosenRecord(accepted(1, 1, 1)), chosenRecord(accepted(2, 1, 1))],
    ];
    for (const log of broken) expect(() => foldRecords(log)).toThrow(InvariantViolation);
  });
});

/** Runs a lone replica at random and notes its batches, with a checkpoint between some of them. */
function liveThrough(random: Random): { log: WalRecord[]; checkpoint: WalRecord[]; cut: number } {
  const engine: ConsensusEngine<PaxosMessage> = multiPaxos.open(
    {
      ...DEFAULT_TIMING,
      id: nodeId(1),
      membership,
      now: instant(0),
      detector: 'timers',
      variants: {},
      limits: { ...DEFAULT_LIMITS, logTailBytesMin: 0, logTailBytesMax: 0 },
    },
    random.split('engine'),
    null,
    [],
  );
  const log: WalRecord[] = [];
  let checkpoint: WalRecord[] = [];
  let cut = 0;
  let applied = 0;
  for (let turn = 0; turn < 60; turn++) {
    engine.clock(instant(turn * 20_000));
    engine.tick();
    const proposals = random.below(4);
    for (let i = 0; i < proposals; i++)
      engine.propose(Uint8Array.of(turn, i), ticket(turn * 4 + i + 1));
    if (applied > engine.status().snapshotIndex && random.below(6) === 0) {
      engine.snapshotTaken(snapshot(applied));
    }
    if (random.below(8) === 0) {
      // What was not taken yet must not show in the checkpoint.
      checkpoint = engine.checkpoint();
      cut = log.length;
    }
    while (engine.hasReady()) {
      const ready = engine.takeReady();
      log.push(...ready.records);
      if (random.below(3) > 0) engine.persisted(ready.number);
      for (const { index } of ready.committed) applied = index;
      engine.applied(logIndex(applied));
    }
  }
  return { log, checkpoint, cut };
}

describe('the checkpoint', () => {
  it('gives, with the accepts above the snapshot and what follows, the fold of everything', () => {
    let snapshots = 0;
    for (let seed = 0; seed < 40; seed++) {
      const { log, checkpoint, cut } = liveThrough(createRandom(`checkpoint ${seed}`));
      const before = foldRecords(log.slice(0, cut)).snapshotIndex;
      if (before > 0) snapshots++;
      const kept = log.slice(0, cut).filter((record) => record.index > before);
      const remains = [...kept, ...checkpoint, ...log.slice(cut)];
      expect(picture(foldRecords(remains))).toEqual(picture(foldRecords(log)));
      const early = [...kept, ...checkpoint];
      expect(picture(foldRecords(early))).toEqual(picture(foldRecords(log.slice(0, cut))));
    }
    expect(snapshots).toBeGreaterThan(20);
  });
});
