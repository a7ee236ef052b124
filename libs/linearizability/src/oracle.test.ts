import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linearizableByTrial, operationsByTrial, showsPartOf } from './brute-force-oracle.ts';
import { checkLinearizability } from './check.ts';
import type { HistoryEvent } from './event.ts';
import { formatHistory, parseHistory } from './ndjson.ts';
import { type Operation, pairOperations } from './operation.ts';
import {
  DAMAGES,
  type Damage,
  type Draft,
  damaged,
  FAMILIES,
  FATES,
  type Family,
  play,
} from './small-histories.ts';

// Every verdict is compared with that of a search of all orders, also for the undamaged histories.

const draftOf = (family: Family): fc.Arbitrary<Draft> =>
  fc.record({
    client: fc.integer({ min: 0, max: 3 }),
    f: fc.constantFrom(...family.operations),
    pick: fc.integer({ min: 0, max: 5 }),
    isRightGuess: fc.boolean(),
    fate: fc.constantFrom(...FATES),
    takesEffect: fc.boolean(),
    keepsValue: fc.integer({ min: 0, max: 7 }).map((drawn) => drawn > 0),
    pauses: fc.tuple(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
    ),
  });

const damageOf: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom(...DAMAGES),
  place: fc.nat(),
  pick: fc.nat(),
});

/** The operations after a way through a file, as `quorate check` sees them. */
function throughFile(events: readonly HistoryEvent[]): Operation[] {
  return pairOperations(parseHistory(formatHistory(events)));
}

describe.each(FAMILIES)('histories of $name', (family) => {
  const histories = fc.record({
    drafts: fc.array(draftOf(family), { minLength: 2, maxLength: 8 }),
    initial: fc.constantFrom(...family.initials),
  });

  it('pass as they were made', () => {
    const seen = { pending: 0, failed: 0, unknown: 0 };
    fc.assert(
      fc.property(histories, ({ drafts, initial }) => {
        const events = play(family, drafts, initial);
        const operations = throughFile(events);
        expect(linearizableByTrial(operationsByTrial(events), initial)).toBe(true);
        expect(checkLinearizability(operations, { initial }).verdict).toBe('linearizable');
        if (operations.some(({ outcome }) => outcome === 'info')) seen.pending++;
        if (events.some(({ type }) => type === 'fail')) seen.failed++;
        if (operations.some((o) => o.f === 'read' && o.value === undefined)) seen.unknown++;
      }),
      { numRuns: 600, seed: 3 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
  });

  it('fail exactly when no order explains what was changed in them', () => {
    let broken = 0;
    fc.assert(
      fc.property(
        histories,
        fc.array(damageOf, { minLength: 1, maxLength: 2 }),
        ({ drafts, initial }, damages) => {
          const events = damages.reduce(damaged, play(family, drafts, initial));
          const operations = throughFile(events);
          const isGood = linearizableByTrial(operationsByTrial(events), initial);
          if (!isGood) broken++;
          const { verdict, violations } = checkLinearizability(operations, { initial });
          expect(verdict).toBe(isGood ? 'linearizable' : 'notLinearizable');
          for (const part of violations) {
            expect(linearizableByTrial(part.operations, initial)).toBe(false);
            const shows = showsPartOf(operations, part.operations, initial);
            expect(part.operations.filter((one) => !shows(one))).toEqual([]);
          }
        },
      ),
      { numRuns: 1_500, seed: 4 },
    );
    expect(broken).toBeGreaterThan(300);
  });

  it('fail or pass alike with a value at the start that was never there', () => {
    fc.assert(
      fc.property(histories, fc.constantFrom(...family.initials), ({ drafts, initial }, other) => {
        const operations = throughFile(play(family, drafts, initial));
        const isGood = linearizableByTrial(operations, other);
        const { verdict } = checkLinearizability(operations, { initial: other });
        expect(verdict).toBe(isGood ? 'linearizable' : 'notLinearizable');
      }),
      { numRuns: 300, seed: 5 },
    );
  });
});
