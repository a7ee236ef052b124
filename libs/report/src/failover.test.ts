import { describe, expect, it } from 'vitest';
import { analyseFailover, type EngineMark, summariseFailovers } from './failover.ts';
import { FAILOVER_PHASES } from './run-schema.ts';

/** Successes every `step` ms but for the gaps given. */
function successes(untilMs: number, step: number, ...gaps: readonly (readonly [number, number])[]) {
  const times: number[] = [];
  for (let at = 0; at <= untilMs; at += step) {
    if (!gaps.some(([from, to]) => at > from && at < to)) times.push(at);
  }
  return Float64Array.from(times);
}

const mark = (atMs: number, node: number, kind: EngineMark['kind']): EngineMark => ({
  atMs,
  node,
  kind,
});
const BASE = { faultId: 'f1', installedMs: 5_000, untilMs: 8_000, oldLeader: 1 };

describe('analyseFailover', () => {
  it('takes the largest gap of the clients and explains it by the engines', () => {
    const marks = [
      mark(4_000, 3, 'suspected'), // Before the fault: not its consequence.
      mark(5_200, 2, 'suspected'),
      mark(5_201, 2, 'candidacy'),
      mark(5_350, 2, 'candidacyFailed'),
      mark(5_390, 2, 'candidacy'),
      mark(5_415, 2, 'candidacyFailed'),
      mark(5_400, 3, 'candidacy'),
      mark(5_420, 3, 'elected'),
      mark(5_430, 3, 'serving'),
      mark(5_440, 3, 'firstCommit'),
    ];
    const result = analyseFailover({
      ...BASE,
      marks,
      writeSuccessMs: successes(9_000, 4, [5_000, 5_456]),
    });
    expect(result).toMatchObject({
      faultId: 'f1',
      unavailableMs: 456,
      censored: false,
      resolutionMs: 4,
      oldLeader: 1,
      newLeader: 3,
      failedRounds: 1,
      phasesReason: null,
    });
    expect(result.phasesMs).toEqual({
      suspicion: 200,
      candidacy: 201,
      elected: 420,
      repaired: 430,
      firstCommit: 440,
      firstClientSuccess: 456,
      throughput90: expect.any(Number),
    });
    expect(result.phasesMs.throughput90).toBeGreaterThanOrEqual(456);
    expect(result.phasesMs.throughput90).toBeLessThan(600);
  });

  it('counts no failed round for a candidate that loses to the winner', () => {
    const marks = [
      mark(5_200, 3, 'candidacy'),
      mark(5_210, 1, 'candidacy'),
      mark(5_220, 1, 'candidacyFailed'),
      mark(5_230, 3, 'elected'),
      mark(5_900, 1, 'candidacy'),
    ];
    const writeSuccessMs = successes(9_000, 4, [5_000, 5_300]);
    const result = analyseFailover({ ...BASE, marks, writeSuccessMs });
    expect(result).toMatchObject({ failedRounds: 0, newLeader: 3 });
  });

  it('finds the gap even when clients succeeded for a while after the fault', () => {
    const writeSuccessMs = successes(9_000, 5, [5_300, 5_900], [7_000, 7_200]);
    const result = analyseFailover({ ...BASE, marks: [], writeSuccessMs });
    expect(result).toMatchObject({ unavailableMs: 600, censored: false });
    expect(result.phasesReason).toBe(
      'not seen: suspicion, candidacy, elected, repaired, firstCommit',
    );
  });

  it('ignores gaps before the fault and after its consequences', () => {
    const writeSuccessMs = successes(12_000, 5, [3_000, 4_800], [8_500, 11_000]);
    expect(analyseFailover({ ...BASE, marks: [], writeSuccessMs }).unavailableMs).toBe(5);
  });

  it('keeps a trial that never came back, as a lower bound', () => {
    const writeSuccessMs = successes(9_000, 5, [5_000, 9_500]);
    const result = analyseFailover({
      ...BASE,
      marks: [mark(5_300, 2, 'suspected')],
      writeSuccessMs,
    });
    expect(result).toMatchObject({ unavailableMs: 3_000, censored: true, newLeader: null });
    expect(result.phasesMs).toMatchObject({
      suspicion: 300,
      elected: null,
      firstClientSuccess: null,
    });
  });

  it('never lets a phase fall, whatever the clocks say', () => {
    const marks = [
      mark(5_300, 2, 'suspected'),
      mark(5_299, 2, 'candidacy'),
      mark(5_310, 2, 'elected'),
      mark(5_312, 2, 'serving'),
      mark(5_400, 2, 'firstCommit'),
    ];
    const writeSuccessMs = successes(9_000, 4, [5_000, 5_380]);
    const { phasesMs } = analyseFailover({ ...BASE, marks, writeSuccessMs });
    let before = 0;
    for (const phase of FAILOVER_PHASES) {
      expect(phasesMs[phase]).toBeGreaterThanOrEqual(before);
      before = phasesMs[phase] ?? before;
    }
  });
});

describe('summariseFailovers', () => {
  it('keeps what never ended in the distribution, without a number for it', () => {
    const one = analyseFailover({
      ...BASE,
      marks: [],
      writeSuccessMs: successes(9_000, 4, [5_000, 5_400]),
    });
    const never = { ...one, censored: true };
    expect(summariseFailovers([])).toBeNull();
    expect(summariseFailovers([one, one, never])).toEqual({
      count: 3,
      censoredCount: 1,
      minMs: 400,
      p50Ms: 400,
      p95Ms: null,
      maxMs: null,
    });
  });
});
