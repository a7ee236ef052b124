import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROBES } from '@quorate/simulator';
import { afterAll, describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { simulationBuild } from './simulate-build.ts';
import { type SeedRunner, type SittingEnd, sit } from './simulate-campaign.ts';
import { type CampaignPlan, commandOf, planOf, runCount, taskAt } from './simulate-plan.ts';
import { CampaignProgress } from './simulate-progress.ts';
import { StateFile, type StateHeader } from './simulate-state.ts';
import { failureText, summaryText } from './simulate-summary.ts';
import { CampaignTally } from './simulate-totals.ts';
import { runSeed, type SeedOutcome } from './simulate-worker.ts';

const PLAN = planOf({ protocol: 'raft,zab', seeds: '1..2', until: '1', faults: 'kill,reset' });
const SAMPLE = runSeed({ protocol: 'raft', seed: 1, untilSeconds: 1, faults: [], twice: true });
const folder = mkdtempSync(join(tmpdir(), 'quorate-simulate-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const header = (build: string): StateHeader => ({
  ...{ format: 'quorate-simulation-state', version: 1, build, plan: PLAN, record: false },
});

/** Seeds run for real; after `runsMax` of them a person interrupts. */
async function sitting(
  plan: CampaignPlan,
  parts: { state?: StateFile; runsMax?: number; runner?: SeedRunner; said?: string[] },
): Promise<{ end: SittingEnd; tally: CampaignTally }> {
  const { state = null, runsMax = 100, said = [] } = parts;
  const tally = new CampaignTally(plan);
  for (const { place, outcome } of state?.lines ?? []) tally.add(place, outcome);
  const stopper = new AbortController();
  let runs = 0;
  const here: SeedRunner = {
    run: async (task) => {
      if (++runs > runsMax) {
        stopper.abort();
        throw new Error('given up');
      }
      return runSeed(task);
    },
    close: async () => {},
  };
  const target = { write: (text: string) => void said.push(text), live: false, colours: false };
  const endsAt = Number.POSITIVE_INFINITY;
  const end = await sit({
    ...{ plan, tally, state, jobs: 1, endsAt, msBefore: 0, failuresMax: 3, stop: stopper.signal },
    runner: parts.runner ?? here,
    progress: new CampaignProgress(tally.done, endsAt, { ...target, columns: () => 80 }),
  });
  return { end, tally };
}

describe('a campaign', () => {
  it('that was interrupted comes to the totals and the hash of one that was not', async () => {
    const whole = await sitting(PLAN, {});
    expect(whole.end).toBe('complete');
    const path = join(folder, 'state.ndjson');
    const first = await sitting(PLAN, { state: StateFile.begin(path, header('b')), runsMax: 2 });
    expect(first.end).toBe('interrupted');
    expect(first.tally.done).toBe(2);
    expect(first.tally.totals(1).hash).not.toBe(whole.tally.totals(1).hash);
    appendFileSync(path, '{"place":2,"outco'); // A kill in the middle of a line.
    const state = StateFile.open(path, 'b');
    const second = await sitting(state.header.plan, { state });
    expect(second.end).toBe('complete');
    const timeless = (tally: CampaignTally) => ({ ...tally.totals(1000), framesPerCoreSecond: 0 });
    expect(timeless(second.tally)).toEqual(timeless(whole.tally));
    expect(StateFile.open(path, 'b').lines.map(({ place }) => place)).toEqual([0, 1, 2, 3]);
  });

  it('goes on after failures, but not for ever', async () => {
    const failure = { invariant: 'C1', message: 'C1: differ', lastEvents: ['1 2 three'] };
    const runner: SeedRunner = {
      run: async ({ protocol, seed }) => ({ ...SAMPLE, protocol, seed, failure }),
      close: async () => {},
    };
    const said: string[] = [];
    const plan = planOf({ protocol: 'raft', seeds: '1..50' });
    const { end, tally } = await sitting(plan, { runner, said });
    expect(end).toBe('failures');
    expect(tally.failed).toBe(3);
    expect(said.join('')).toContain('FAILED raft seed 3: invariant C1 is broken');
  });

  it('of another build, of another format, or damaged, is refused by name', () => {
    const path = join(folder, 'other.ndjson');
    StateFile.begin(path, header('old')).append({ place: 0, atMs: 1, outcome: SAMPLE });
    const again = /begun by build old, this is build new; begin anew: npx .* --seeds 1\.\.2 /;
    expect(() => StateFile.open(path, 'new')).toThrow(again);
    appendFileSync(path, 'x\n');
    expect(() => StateFile.open(path, 'old')).toThrow(/other\.ndjson: line 3 is damaged/);
    expect(() => StateFile.open(join(folder, 'none'), 'old')).toThrow(UsageError);
    expect(() => StateFile.open(import.meta.filename, 'old')).toThrow(
      /not the state of a campaign/,
    );
    expect(readFileSync(path, 'utf8')).toContain('"build":"old"');
    expect(simulationBuild()).toMatch(/^[0-9a-f]{16}$/);
  });
});

describe('the plan of a campaign', () => {
  it('takes the protocols in turn, seed by seed', () => {
    expect(runCount(PLAN)).toBe(4);
    expect(taskAt(PLAN, 3)).toMatchObject({ protocol: 'zab', seed: 2, untilSeconds: 1 });
  });

  it('is printed as the command that carries it out', () => {
    const flags = { seeds: '7', nodes: '5', clients: '1', until: '9', twice: true } as const;
    const plan = planOf({ ...flags, protocol: 'zab', faults: 'none', drop: '0..3,9,7,8' });
    expect(commandOf(plan)).toBe(
      'npx --no-install quorate simulate --protocol zab --seeds 7 --nodes 5 --clients 1 ' +
        '--until 9 --faults none --drop 0..3,7..9 --twice',
    );
    expect(commandOf(planOf({}))).toContain('--protocol all --seeds 1..20');
  });
});

describe('what a person reads', () => {
  const told = (outcomes: readonly SeedOutcome[], columns = 100): string => {
    const tally = new CampaignTally(planOf({ protocol: 'raft', seeds: '1..100', twice: true }));
    outcomes.forEach((outcome, place) => {
      tally.add(place, outcome);
    });
    return summaryText(tally.totals(1000), { colours: false, columns });
  };

  it('of a failure: the invariant, the last events, one command that replays it', () => {
    const failure = { invariant: 'C4', message: 'C4: not on a quorum', lastEvents: ['7 1 kill'] };
    const task = { protocol: 'raft', seed: 1, nodes: 3, drop: [4, 5], twice: true };
    const text = failureText({ ...SAMPLE, failure }, task);
    expect(text).toContain('raft seed 1: invariant C4 is broken');
    expect(text).toContain('  7 1 kill');
    const command = 'npx --no-install quorate simulate --protocol raft --seeds 1 --nodes 3';
    expect(text).toContain(`replay: ${command} --drop 4..5\n`);
  });

  it('of a campaign: each probe with its hits, those without marked, both hashes', () => {
    const text = told([SAMPLE, SAMPLE]);
    for (const probe of PROBES) {
      const hits = 2 * SAMPLE.probes[probe];
      const shown = new RegExp(`\\b${probe} +${hits === 0 ? '0 !' : hits.toLocaleString('en-US')}`);
      expect(text).toMatch(shown);
    }
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(told([SAMPLE, SAMPLE], 40).split('\n').length).toBeGreaterThan(PROBES.length);
    expect(text).toMatch(/hash of second runs {3}[0-9a-f]{16} {2}\(equal\)/);
    expect(text).toContain('not judged: fewer than 100 seeds a protocol');
    expect(told([{ ...SAMPLE, hashAgain: 'other' }])).toContain('(DIFFERENT)');
  });

  it('fails a campaign of many seeds that missed a probe, and names it', () => {
    const outcomes = Array.from({ length: 100 }, () => SAMPLE);
    const text = told(outcomes);
    expect(text).toMatch(/probes without a hit, so the campaign fails: .*allPowerCut/);
    expect(text).toMatch(/standard seeds .*: 0 of 100/);
  });
});
