import { describe, expect, it } from 'vitest';
import { SloError } from './errors.ts';
import { fixtureReport } from './fixture-run.ts';
import type { RunProtocol } from './run-schema.ts';
import { parseSlo } from './slo.ts';
import { judgeSlo, runExitCode, sloExitCode } from './slo-verdict.ts';

const protocolOf = (trials: number, name = 'raft'): RunProtocol => {
  const found = fixtureReport({ trials }).run.protocols.find((p) => p.name === name);
  if (found === undefined) throw new Error('the fixture has this protocol');
  return found;
};
const THIRTY = protocolOf(30);
const THREE = protocolOf(3);
const judge = (expression: string, subject: RunProtocol = THIRTY) =>
  judgeSlo(parseSlo(expression), subject);

describe('parseSlo', () => {
  it('reads the documented examples', () => {
    expect(parseSlo('failover.p99 < 1s')).toMatchObject({
      metric: 'failover',
      statistic: 'p99',
      operator: '<',
      bound: 1_000,
      protocol: null,
    });
    expect(parseSlo('write.latency.p99 < 20ms')).toMatchObject({
      metric: 'write.latency',
      bound: 20,
    });
    expect(parseSlo('errors.rate < 0.1%')).toMatchObject({ metric: 'errors.rate', bound: 0.001 });
    expect(parseSlo('availability >= 99.99%').bound).toBeCloseTo(0.9999, 9);
    expect(parseSlo('linearizable == true').bound).toBe(true);
    expect(parseSlo('unavailable.max{protocol="raft", fault="kill-leader"} < 3s')).toMatchObject({
      protocol: 'raft',
      fault: 'kill-leader',
      statistic: 'max',
    });
  });

  const refused: readonly (readonly [string, RegExp])[] = [
    ['', /allowed: <metric>/],
    ['failover.p99 is fine', /allowed: <metric>/],
    ['failoverr.p99 < 1s', /no metric "failoverr.p99"; allowed: failover, unavailable, write.lat/],
    ['failover < 1s', /needs one of .p50/],
    ['failover.p99 < 1', /"1"; allowed: a number with us, ms, s, m/],
    ['failover.p1000 < 1s', /".p1000" is no statistic; allowed/],
    ['errors.rate < -1%', /"-1%"; allowed: a number with %, no unit/],
    ['acked_lost == none', /allowed: a number with no unit/],
    ['linearizable > true', /true or false; allowed: == and !=/],
    ['linearizable == yes', /allowed: true or false/],
    ['failover.max{node="1"} < 1s', /selector "node="1""; allowed: protocol="..." and fault/],
    ['acked_lost.p99 == 0', /is one figure, without .p99/],
  ];
  it.each(refused)('refuses %j and says what is allowed', (expression, message) => {
    expect(() => parseSlo(expression)).toThrow(SloError);
    expect(() => parseSlo(expression)).toThrow(message);
  });
});

describe('judgeSlo', () => {
  it('holds, falls short with the measured value, or is undecided with what is missing', () => {
    expect(judge('failover.p99 < 2s')).toMatchObject({ result: 'holds', samples: 30 });
    const short = judge('failover.p99 < 1ms');
    expect(short).toMatchObject({ result: 'fellShort', metric: 'failover.p99' });
    expect(short?.line).toMatch(
      /^fell short: failover.p99 < 1ms for raft: measured \d+.* ms, 30 samples \(the maximum/,
    );
    const open = judge('failover.p99 < 1ms', THREE);
    expect(open).toMatchObject({ result: 'undecided', samples: 3, neededSamples: 30 });
    expect(open?.line).toContain('3 of 30 needed samples');
  });

  it('judges by the figures of the run', () => {
    expect(judge('write.latency.p99 < 1s')).toMatchObject({
      result: 'holds',
      value: THIRTY.latencyMs.write?.p99,
    });
    expect(judge('write.latency.p95 < 1s')?.result).toBe('undecided');
    expect(judge('delete.latency.p99 < 1s')?.result).toBe('undecided');
    expect(judge('linearizable == true')?.result).toBe('holds');
    expect(judge('acked_lost == 0')).toMatchObject({ result: 'holds', value: 0 });
    expect(judge('throughput > 1000/s')?.result).toBe('holds');
    const down = THIRTY.failovers.reduce((sum, f) => sum + f.unavailableMs, 0);
    const availability = 1 - down / (THIRTY.blocks[0]?.durationMs ?? 1);
    expect(judge('availability >= 99.99%')).toMatchObject({
      result: 'fellShort',
      value: availability,
    });
  });

  it('counts neither a cas that lost nor lets an unknown history pass', () => {
    const { operations } = THIRTY;
    const all = Object.values(operations).reduce((n, o) => n + o.ok + o.fail + o.info, 0);
    const errors = 3 + 50 + 1 + 0 + 3; // write fail and info, read, cas info without its fails.
    expect(judge('errors.rate < 1%')?.value).toBeCloseTo(errors / all, 12);
    const unknown = { ...THIRTY, verdicts: { ...THIRTY.verdicts, linearizable: null } };
    expect(judge('linearizable == true', unknown)?.result).toBe('undecided');
  });

  it('leaves out faults that were not proven and keeps those that never ended', () => {
    const faults = THIRTY.faults.map((f, i) =>
      i === 0 ? { ...f, proven: false, excludedReason: 'no exit' } : f,
    );
    const open = judge('failover.median < 2s', { ...THIRTY, faults });
    expect(open).toMatchObject({ result: 'undecided', samples: 29 });
    expect(open?.line).toContain('1 faults not proven');
    const failovers = THIRTY.failovers.map((f, i) => (i === 3 ? { ...f, censored: true } : f));
    const never = judge('failover.max < 100s', { ...THIRTY, failovers });
    expect(never).toMatchObject({ result: 'fellShort', value: null });
    expect(never?.line).toContain('measured never');
    expect(judge('failover.median < 2s', { ...THIRTY, failovers })?.result).toBe('holds');
  });

  it('asks only the protocol and the faults of its selector', () => {
    expect(judge('acked_lost{protocol="zab"} == 0')).toBeNull();
    expect(judge('unavailable.max{fault="pause-leader"} < 3s')?.samples).toBe(0);
  });
});

describe('exit codes', () => {
  const result = (r: 'holds' | 'fellShort' | 'undecided') => ({
    ...THIRTY.verdicts.slo[0]!,
    result: r,
  });
  it('follow 70 over 3 over 2 over 1 over 0', () => {
    expect(sloExitCode([result('holds')])).toBe(0);
    expect(sloExitCode([result('fellShort'), result('holds')])).toBe(1);
    expect(sloExitCode([result('fellShort'), result('undecided')])).toBe(2);
    const slo = [result('fellShort')];
    expect(runExitCode({ slo, violated: false, undecided: false })).toBe(1);
    expect(runExitCode({ slo, violated: false, undecided: true })).toBe(2);
    expect(runExitCode({ slo, violated: true, undecided: true })).toBe(3);
    expect(runExitCode({ slo, violated: true, undecided: true, programFailed: true })).toBe(70);
  });
});
