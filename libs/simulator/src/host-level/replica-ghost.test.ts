import {
  EntryType,
  logIndex,
  nodeId,
  RecordKind,
  round,
  type WalRecord,
  walRecord,
} from '@quorate/consensus';
import { crc32Table } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { ProbeCounts } from './probes.ts';
import { ReplicaGhost } from './replica-ghost.ts';

const ONE = nodeId(1);

const promise = (number: number, node: number): WalRecord =>
  walRecord({ kind: RecordKind.promise, round: round(number), node: nodeId(node) });

const accept = (index: number, number: number, node: number): WalRecord =>
  walRecord({
    kind: RecordKind.accept,
    entryType: EntryType.command,
    index: logIndex(index),
    round: round(number),
    node: nodeId(node),
    payload: Uint8Array.of(index),
  });

const establish = (number: number): WalRecord =>
  walRecord({ kind: RecordKind.establish, round: round(number) });

/** A ghost of one node whose log holds `durable` for good and `inFlight` perhaps. */
function ghostWith(durable: readonly WalRecord[], inFlight: readonly WalRecord[] = []) {
  const fail = (invariant: string, text: string): never => {
    throw new Error(`${invariant}: ${text}`);
  };
  const ghost = new ReplicaGhost([ONE], { fail, crc32: crc32Table, probes: new ProbeCounts() });
  for (const record of durable) {
    ghost.appended(ONE, [record]);
    ghost.persisted(ONE);
  }
  if (inFlight.length > 0) ghost.appended(ONE, inFlight);
  return ghost;
}

describe('S1: what a log gives back when it is opened', () => {
  const durable = [promise(5, 1), accept(1, 5, 1), promise(5, 3), accept(1, 5, 3), establish(4)];

  it('is all that was durable', () => {
    expect(ghostWith(durable).recovered(ONE, durable)).toBeNull();
  });

  it.each([
    ['a promise to another node in the same round', [0, 1, 3, 4], 'its promise to 3 in round 5: 1'],
    ['the round under which an entry was stored', [0, 1, 2, 4], 'its durable entry 1'],
    ['what was established', [0, 1, 2, 3], 'its establishing of round 4: 0'],
  ])('lacks %s', (_what, kept, missing) => {
    const found = kept.map((place) => durable[place] as WalRecord);
    expect(() => ghostWith(durable).recovered(ONE, found)).toThrow(`S1: node 1 came back without`);
    expect(ghostWith(durable).recovered(ONE, found, true)).toContain(missing);
  });

  it('may be replaced by what was in flight', () => {
    const inFlight = [promise(5, 4), accept(1, 5, 4)];
    expect(ghostWith(durable, inFlight).recovered(ONE, [...durable, ...inFlight])).toBeNull();
    expect(ghostWith(durable, inFlight).recovered(ONE, durable)).toBeNull();
  });
});
