import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Run, validateRun } from '@quorate/report';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listScenarios } from './scenario/catalogue.ts';
import {
  type CommandEnd,
  processesOf,
  runCommandLine,
  temporaryFolder,
} from './trials/quorate-command.ts';
import { p99Bounds, recompute } from './trials/recompute.ts';

// Every scenario of `benchmarks/`, and every way to run a cluster, as small as it can be: so that
// none of them rots. The figures mean nothing at this size; that they can be recomputed does.

interface Tiny {
  readonly scenario: string;
  readonly flags: readonly string[];
  readonly labels?: Partial<Run['labels']>;
}

const LOAD = ['--rate', '200,400', '--seconds', '1'];
const TINY: readonly Tiny[] = [
  {
    scenario: 'quick-comparison',
    flags: [...LOAD, '--trials', '1'],
    labels: { runtime: 'process', transport: 'grpc', sync: 'group', nodes: 3 },
  },
  { scenario: 'leader-failover', flags: ['--protocol', 'zab', '--trials', '2'] },
  { scenario: 'pause-leader', flags: ['--protocol', 'multi-paxos', '--trials', '1'] },
  { scenario: 'partition-minority', flags: ['--protocol', 'raft', '--trials', '1'] },
  {
    scenario: 'latency-throughput',
    flags: [...LOAD, '--protocol', 'raft', '--blocks', '1'],
  },
  {
    scenario: 'write-throughput',
    flags: ['--protocol', 'multi-paxos', '--closed', '1,16', '--seconds', '1'],
    labels: { transport: 'tcp' },
  },
  { scenario: 'failover-slo', flags: ['--protocol', 'multi-paxos', '--trials', '2'] },
  {
    scenario: 'quick-comparison',
    flags: [...LOAD, '--trials', '1', '--runtime', 'worker', '--protocol', 'raft,zab'],
    labels: { runtime: 'worker' },
  },
  {
    scenario: 'quick-comparison',
    flags: [...LOAD, '--trials', '1', '--transport', 'tcp', '--protocol', 'zab'],
    labels: { transport: 'tcp' },
  },
  {
    scenario: 'quick-comparison',
    flags: [...LOAD, '--trials', '1', '--nodes', '5', '--protocol', 'multi-paxos'],
    labels: { nodes: 5 },
  },
  { scenario: 'quick-comparison', flags: [...LOAD, '--protocol', 'none'] },
];
/** Correctness alone: at this size no other objective could be decided. */
const SLO = ['--slo', 'acked_lost == 0', '--slo', 'linearizable == true'];

const covered = new Set(TINY.map(({ scenario }) => scenario));

it('covers every scenario of the catalogue that runs on real processes', () => {
  expect(
    listScenarios()
      .map(({ name }) => name)
      .filter((name) => !covered.has(name)),
  ).toEqual([]);
});

describe.each(TINY)('$scenario $flags', ({ scenario, flags, labels }) => {
  const out = temporaryFolder();
  let end: CommandEnd;
  let folder = '';

  beforeAll(async () => {
    end = await runCommandLine(['run', scenario, ...flags, ...SLO, '--out', out.path]);
    folder = join(out.path, readdirSync(out.path)[0] ?? '');
  });
  afterAll(() => out.remove());

  it('ends well, or says that this machine was the limit', () => {
    const { run, problems } = validateRun(folder);
    expect(problems).toEqual([]);
    expect(run?.exitCode).toBe(end.exitCode);
    expect(end.stdout.trim()).toBe(folder);
    const isNoisy = run?.protocols.some(({ blocks }) => blocks.every((b) => b.status === 'void'));
    // A generator that never got its turn leaves a run undecided, but never wrong.
    expect(end.exitCode, end.stderr).toBe(isNoisy ? 2 : 0);
    expect(run?.labels).toMatchObject(labels ?? {});
    expect(run?.status).toBe(isNoisy ? 'void' : 'complete');
  });

  it('proves its faults, loses nothing, and is linearizable', () => {
    const { run } = validateRun(folder);
    for (const { name, faults, failovers, verdicts } of run?.protocols ?? []) {
      expect(verdicts, name).toMatchObject({ linearizable: true, ackedLost: 0 });
      expect(verdicts.checkedOperations).toBeGreaterThan(0);
      for (const fault of faults) {
        expect(fault, JSON.stringify(fault)).toMatchObject({ proven: true });
        const wanted = fault.kind.startsWith('kill') ? 'caught-up' : /proc-state|link-counters/;
        expect(fault.evidence.heal?.method).toMatch(wanted);
      }
      expect(failovers).toHaveLength(faults.length);
    }
  });

  it('states figures that its histories alone give again', () => {
    const { run } = validateRun(folder);
    for (const protocol of run?.protocols ?? []) {
      if (run === null || protocol.blocks.every(({ status }) => status === 'void')) continue;
      const again = recompute(folder, run, protocol);
      expect(again.ackedLost).toBe(protocol.verdicts.ackedLost);
      for (const { faultId, unavailableMs } of protocol.failovers) {
        expect(again.unavailableMs[faultId]).toBeCloseTo(unavailableMs, 2);
      }
      for (const [kind, latency] of Object.entries(protocol.latencyMs)) {
        const latencies = again.latenciesMs[kind] ?? [];
        const isSampled = protocol.verdicts.linearizableReason?.includes('complete histories of');
        if (isSampled) expect(latencies.length).toBeLessThan(latency.count);
        else expect(latencies).toHaveLength(latency.count);
        const { lowest, highest } = p99Bounds(latencies, latency.count);
        expect(latency.p99, `${protocol.name} ${kind}`).toBeGreaterThanOrEqual(lowest);
        expect(latency.p99, `${protocol.name} ${kind}`).toBeLessThanOrEqual(highest);
      }
    }
  });

  it('leaves nothing behind', () => {
    expect(readdirSync(out.path)).toHaveLength(1);
    expect(readdirSync(folder)).not.toContain('data');
    expect(processesOf(out.path)).toEqual([]);
  });
});
